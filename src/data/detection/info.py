"""What detection data says about itself."""

from dataclasses import dataclass

from data.info import ImageInfo


@dataclass(frozen=True, kw_only=True)
class DetectionInfo(ImageInfo):
    """The facts about images with boxes."""

    problem: str = "detection"
    max_boxes: int
    """The most boxes of an image; targets are filled up to it."""

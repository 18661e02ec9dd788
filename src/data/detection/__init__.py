"""Detection: images with boxes around objects."""

from data.detection.build import detection
from data.detection.look import look_detection

__all__ = ["detection", "look_detection"]

"""The reader of images whose answer is more than a label: a mask, or boxes."""

from typing import Any

from data.errors import SampleError
from data.images.reader import ImageReader
from data.pixels.masks import upright_size


class PictureReader(ImageReader):
    """`ImageReader` without a stand-alone predict.py, which knows labels alone."""

    @property
    def node(self) -> dict[str, Any]:
        """What makes this reader again: `_target_` and arguments, as plain values."""
        return {**super().node, "_target_": "data.images.picture_reader.PictureReader"}

    def size(self, source: str | bytes) -> tuple[int, int] | None:
        """Return columns and rows of an image file, or of its content, as it is to be seen.

        None where that can't be read.
        """
        try:
            return upright_size(source)
        except SampleError:
            return None

    def script(self) -> None:  # type: ignore[override]
        """Return None: there is no such script."""

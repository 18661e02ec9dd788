"""From what a user hands in to model input: the path of validation, predict and the bundle."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.inputs import expand
from data.pixels.decoding import FITS, MAX_PIXELS, Fit, decode, normalise


class ImageReader:
    """Reads single images as the dataset that it belongs to reads its own.

    Args:
        height: rows of a model's input.
        width: columns.
        channels: 1 for gray, 3 for RGB.
        fit: how an image is brought to that size, see `data.pixels.decoding.decode`.
        mean: mean of pixels / 255 per channel.
        std: standard deviation of pixels / 255 per channel.

    Raises:
        DataError: the arguments don't go together.
    """

    def __init__(
        self,
        *,
        height: int,
        width: int,
        channels: int,
        fit: Fit,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        problems = []
        if min(height, width) < 1:
            problems.append(f"height and width ({height}, {width}) of a reader; give 1 or more")
        if height * width > MAX_PIXELS:
            problems.append(
                f"height and width ({height}, {width}) of a reader; give {MAX_PIXELS:,} pixels at "
                "most"
            )
        if channels not in (1, 3):
            problems.append(f"channels ({channels}) of a reader; give 1 for gray or 3 for RGB")
        if fit not in FITS:
            problems.append(f"fit ({fit!r}) of a reader; choose {', '.join(FITS)}")
        if not len(mean) == len(std) == channels:
            problems.append(f"mean and std ({mean}, {std}) of a reader; give one per channel")
        if problems:
            raise DataError(*problems)
        self.height, self.width, self.channels = height, width, channels
        self.fit, self.mean, self.std = fit, tuple(mean), tuple(std)

    @property
    def node(self) -> dict[str, Any]:
        """What makes this reader again: `_target_` and arguments, as plain values."""
        return {
            "_target_": "data.images.reader.ImageReader",
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "fit": self.fit,
            "mean": list(self.mean),
            "std": list(self.std),
        }

    def expand(self, source: str) -> Iterator[str]:
        """Return the image files of a file, a folder or a pattern: see `data.inputs.expand`."""
        return expand(source)

    def read(self, source: str | bytes) -> NDArray[np.uint8]:
        """Decode a file, or its content, to uint8 [height, width, channels].

        May be called from several threads at once; Pillow lets go of the interpreter. Raises
        SampleError that names what can't be read.
        """
        return decode(
            source, height=self.height, width=self.width, channels=self.channels, fit=self.fit
        )

    def batch(self, samples: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Return model input, float32 [B, channels, height, width], of what `read` gave."""
        return normalise(np.stack(samples), self.mean, self.std)

    def script(self) -> str:
        """Return the source of a predict.py that needs numpy, Pillow and onnxruntime alone."""
        from data.images.bundle import script

        return script()

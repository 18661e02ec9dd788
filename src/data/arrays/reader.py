"""From array files to model input, a sample a row. No torch, but for .pt files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.arrays.files import SINGLE, from_bytes, open_arrays, open_file, pairs_in
from data.arrays.layout import (
    LAYOUTS,
    PICTURES,
    Layout,
    standardised,
    statistics_shape,
    stored,
)
from data.errors import DataError, SampleError
from data.given import Given


class Row(NamedTuple):
    """One sample of a file, as `expand` finds it."""

    name: str
    """Such as "new.npy[1]"."""
    values: NDArray[Any]


class ArrayReader:
    """Reads samples from array files as the dataset that it belongs to reads its own.

    Args:
        shape: of one sample as it is stored.
        layout: what its axes mean, see `data.arrays.layout`.
        mean: of each feature or channel, over the training split.
        std: likewise.
        pixels: whether samples are uint8, 0 to 255.
        inputs: name of the array in files of several; None: x, inputs, features ...

    Raises:
        DataError: the arguments don't go together.
    """

    def __init__(
        self,
        *,
        shape: Sequence[int],
        layout: Layout,
        mean: Sequence[float],
        std: Sequence[float],
        pixels: bool = False,
        inputs: str | None = None,
    ) -> None:
        if layout not in LAYOUTS:
            raise DataError(f"layout ({layout!r}) of a reader; choose {', '.join(LAYOUTS)}")
        wanted = statistics_shape(shape, layout)[0]
        if not len(mean) == len(std) == wanted:
            raise DataError(
                f"mean and std ({len(mean)}, {len(std)}) of a reader; give {wanted} for samples of "
                f"{list(shape)}"
            )
        self.shape, self.layout, self.pixels, self.inputs = tuple(shape), layout, pixels, inputs
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))

    @property
    def node(self) -> dict[str, Any]:
        """What makes this reader again: `_target_` and arguments, as plain values."""
        return {
            "_target_": "data.arrays.reader.ArrayReader",
            "shape": list(self.shape),
            "layout": self.layout,
            "mean": list(self.mean),
            "std": list(self.std),
            "pixels": self.pixels,
            "inputs": self.inputs,
        }

    def expand(self, source: str) -> Iterator[Given]:
        """Return each sample of a file, or of the inputs in a folder: "x.npy[17]" is row 17.

        A file that holds one sample alone gives that. Raises DataError where nothing can be read.
        """
        place = Path(source).expanduser()
        if place.is_file() and place.suffix.lower() == SINGLE:
            yield from self._rows(open_file(place)[place.stem], place.name)
            return
        arrays = open_arrays(source)
        if len(arrays) == 1:
            ((name, array),) = arrays.items()
            yield from self._rows(array, place.name if place.is_file() else name)
            return
        for pair in pairs_in(arrays, self.inputs, None):
            yield from self._rows(pair.inputs, pair.name)

    def expand_bytes(self, content: bytes) -> Iterator[Given]:
        """Return each sample that the content of a .npy file holds."""
        return self._rows(from_bytes(content), "-")

    def read(self, source: Row | NDArray[Any] | str | Path | bytes) -> NDArray[Any]:
        """Return one sample, uint8 pixels or float32, in the shape it is stored in.

        `source` is what `expand` gave, or a file of one sample, or its content. Raises SampleError
        for another shape, for numbers that are not finite, and for what is no array of numbers.
        """
        name = "the sample"
        if isinstance(source, Row):
            name, source = source
        elif not isinstance(source, np.ndarray):
            name = "the input" if isinstance(source, bytes) else str(source)
            try:
                given = list(
                    self.expand_bytes(source)
                    if isinstance(source, bytes)
                    else self.expand(str(source))
                )
            except DataError as error:
                raise SampleError(*error.problems) from error
            if len(given) != 1:
                raise SampleError(f"{name} holds {len(given)} samples; give one of them")
            source = given[0].source.values
        assert isinstance(source, np.ndarray)
        if source.shape != self.shape:
            raise SampleError(
                f"{name} has shape {list(source.shape)}, and the model takes {list(self.shape)}"
            )
        if source.dtype.kind not in "biuf":
            raise SampleError(f"{name} holds {source.dtype}; give numbers")
        if self.layout in PICTURES and self.pixels != (source.dtype == np.uint8):
            wanted = "uint8, 0 to 255" if self.pixels else "other numbers than uint8"
            raise SampleError(f"{name} holds {source.dtype}, and the model was trained on {wanted}")
        result = stored(np.array(source), self.layout)
        if result.dtype != np.uint8 and not np.isfinite(result).all():
            raise SampleError(f"{name} holds NaN or infinite numbers; mend it")
        return result

    def batch(self, samples: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Return model input, float32 [B, ...], of what `read` gave."""
        return standardised(samples, self.layout, self.shape, self.mean, self.std)

    def script(self) -> None:
        """Return None: no file that stands alone reads arrays."""

    def _rows(self, array: NDArray[Any], name: str) -> Iterator[Given]:
        if array.ndim == 1 and self.shape == (1,) and len(array) > 1:
            array = array[:, None]
        if array.shape == self.shape and array.shape[1:] != self.shape:
            yield Given(name, Row(name, array))
            return
        if array.shape[1:] != self.shape:
            raise DataError(
                f"{name} has shape {list(array.shape)}, and the model takes samples of "
                f"{list(self.shape)}: [N, ...] or one alone"
            )
        for row in range(len(array)):
            each = f"{name}[{row}]"
            yield Given(each, Row(each, np.asarray(array[row])))

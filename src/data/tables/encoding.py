"""From stored values to model input: one float32 row of numbers, then codes of categories."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.tables.columns import Floats, is_complete
from data.tables.features import FIRST_LEVEL, LARGEST, Feature, of_node, parts_of


class Encoding:
    """All features of a table with what the training split says of them.

    Args:
        features: in the order of the stored values.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = tuple(features)
        self._numeric = [n for n, each in enumerate(features) if each.kind != "category"]
        self._categories = [n for n, each in enumerate(features) if each.kind == "category"]

    @classmethod
    def of_nodes(cls, nodes: Sequence[Mapping[str, Any]]) -> "Encoding":
        """Return what `nodes` has written down; raises DataError where it makes no sense."""
        try:
            encoding = cls([of_node(node) for node in nodes])
        except (TypeError, AttributeError) as error:
            raise DataError(f"the columns of a table's reader can't be read: {error}") from error
        wrong = [
            each.name
            for each in encoding.features
            if each.kind not in ("number", "boolean", "date", "category")
            or (each.kind != "category" and not len(each.parts) == len(each.mean) == len(each.std))
        ]
        if wrong:
            raise DataError(f"column {wrong[0]!r} of a table's reader is not complete; train anew")
        return encoding

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """The features as plain values."""
        return [each.node for each in self.features]

    @property
    def columns(self) -> tuple[str, ...]:
        """What each number of an input is called."""
        numbers = [
            f"{each.name} ({part})" if part else each.name
            for each in self._of(self._numeric)
            for part in each.parts
        ]
        absent = [f"{each.name} (missing)" for each in self._of(self._numeric) if each.indicator]
        return (*numbers, *absent, *(each.name for each in self._of(self._categories)))

    @property
    def num_numeric(self) -> int:
        """How many numbers come before the codes of categories."""
        return sum(len(each.parts) + each.indicator for each in self._of(self._numeric))

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """How many codes each category has, with those for unknown and missing."""
        return tuple(FIRST_LEVEL + len(each.levels) for each in self._of(self._categories))

    def encode(self, values: Sequence[Floats]) -> NDArray[np.float32]:
        """Return model input, float32 [N, F], row by row, whatever their number.

        Args:
            values: of each feature, as stored, float64 [N].
        """
        count = len(values[0]) if len(values) else 0
        found = np.empty((len(self.columns), count), dtype=np.float32)
        place = 0
        absent = []
        for number in self._numeric:
            feature, stored = self.features[number], values[number]
            whole = is_complete(stored)
            if feature.indicator:
                absent.append(np.isnan(stored))
            filled = stored if whole else np.where(np.isnan(stored), feature.fill, stored)
            parts = parts_of(filled, feature.parts)
            for name, mean, std in zip(feature.parts, feature.mean, feature.std, strict=True):
                with np.errstate(over="ignore"):
                    scaled = (parts[name] - mean) / std
                np.clip(scaled, -LARGEST, LARGEST, out=found[place], casting="same_kind")
                place += 1
        for rows in absent:
            found[place] = rows
            place += 1
        for number in self._categories:
            found[place] = values[number]
            place += 1
        assert place == len(found)
        return np.ascontiguousarray(found.T)

    def _of(self, places: Sequence[int]) -> list[Feature]:
        return [self.features[place] for place in places]

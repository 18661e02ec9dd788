"""The plain search: every combination, in order."""

from collections.abc import Iterator, Sequence
from itertools import product

from trainer.sweep.axes import Choices, Space
from trainer.sweep.search import Candidate, Ending


class Grid:
    """Every combination of the values of a space, the last key changing fastest; a `Search`.

    Nothing is remembered: after a stop all come again, and whoever asks knows which have ended.
    An interval has no combinations: it is a mistake of the caller.
    """

    def __init__(self, space: Space) -> None:
        texts = []
        for key, axis in space.items():
            assert isinstance(axis, Choices), f"{key} is an interval"
            texts.append([f"{key}={value}" for value in axis.values])
        self._points: Iterator[tuple[str, ...]] = product(*texts)
        self._number = -1

    def ask(self) -> Candidate | None:
        """The next combination."""
        point = next(self._points, None)
        self._number += 1
        return None if point is None else Candidate(self._number, point)

    def report(self, number: int, step: int, value: float) -> bool:
        """A grid ends no trial early."""
        return False

    def tell(self, number: int, state: Ending, value: float | None) -> None:
        """A grid learns nothing."""


class Listed(Grid):
    """Trials that another has chosen, numbered from `first`; a `Search`."""

    def __init__(self, points: Sequence[Sequence[str]], first: int = 0) -> None:
        self._points = iter([tuple(point) for point in points])
        self._number = first - 1

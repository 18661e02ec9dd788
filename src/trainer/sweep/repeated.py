"""A search whose every point is tried several times, with other seeds or on other folds."""

import math
from collections import deque
from collections.abc import Mapping

from trainer.sweep.axes import Space
from trainer.sweep.grid import Grid
from trainer.sweep.search import Candidate, Ending, Search
from trainer.sweep.trials import Trial


class Repeated:
    """Tries each point of `search` once for each combination in `repeats`; a `Search`.

    The point number k is the trials k * n to k * n + n - 1. The search hears of a point when its
    last trial has ended: the mean of those that finished, or that all have failed. `known` are the
    trials of an earlier start, whose values count. Trials are not ended early, since what one seed
    or fold is worth says little about the mean.
    """

    def __init__(self, search: Search, repeats: Space, known: Mapping[int, Trial], metric: str):
        self._search = search
        grid = Grid(repeats)
        self._texts = [point.overrides for point in iter(grid.ask, None)]
        self._values: dict[int, float | None] = {
            trial.number: trial.metrics.get(metric) for trial in known.values() if trial.ended
        }
        self._waiting: deque[Candidate] = deque()

    def ask(self) -> Candidate | None:
        """The next repeat of the last point, or the first of a new one."""
        if not self._waiting:
            point = self._search.ask()
            if point is None:
                return None
            first = point.number * len(self._texts)
            for place, text in enumerate(self._texts):
                self._waiting.append(Candidate(first + place, (*point.overrides, *text)))
        return self._waiting.popleft()

    def report(self, number: int, step: int, value: float) -> bool:
        """Nothing is ended early."""
        return False

    def tell(self, number: int, state: Ending, value: float | None) -> None:
        """Hear of one repeat; with the last one the search hears of the point."""
        self._values[number] = value if state == "finished" else None
        point = number // len(self._texts)
        first = point * len(self._texts)
        numbers = range(first, first + len(self._texts))
        if not all(each in self._values for each in numbers):
            return
        found = [value for each in numbers if (value := self._values[each]) is not None]
        mean = math.fsum(found) / len(found) if found else None
        self._search.tell(point, "failed" if mean is None else "finished", mean)

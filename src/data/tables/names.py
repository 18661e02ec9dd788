"""Where each row of a table comes from: its line, its name."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from data.tables.sheet import Sheet


class Names(Sequence[str]):
    """What each row is called, such as "wines.csv:17", made when it is asked for.

    Args:
        pattern: with {} where the number stands.
        count: of the rows.
        find: gives the number of each row, as the user counts it: the line of the file. It is
            called once, when a number is first needed.
    """

    def __init__(self, pattern: str, count: int, find: Callable[[], NDArray[np.int64]]) -> None:
        self.pattern, self._count, self._find = pattern, count, find

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """The number of each row."""
        return self._find()

    def __len__(self) -> int:
        return self._count

    def __reduce__(self) -> tuple[Any, ...]:
        return Names, (self.pattern, self._count, self.numbers.copy)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        return self.pattern.replace("{}", str(self.numbers[place]))

    def __iter__(self) -> Iterator[str]:
        for number in self.numbers.tolist():
            yield self.pattern.replace("{}", str(number))

    def take(self, rows: NDArray[np.int64]) -> "Names":
        """Return the names of some rows."""
        return Names(self.pattern, len(rows), lambda: self.numbers[rows])


def lines_of(sheet: Sheet, count: int) -> NDArray[np.int64]:
    """Return the line in which each of the first rows begins."""
    if sheet.num_lines() != count + sheet.preamble:
        # Blank lines, and lines within quotes.
        found = [line for line, _, _ in islice(sheet.rows(), count)]
        if len(found) == count:
            return np.array(found, dtype=np.int64)
    first = sheet.preamble + 1
    return np.arange(first, first + count)

"""Where each row of a table comes from: its line, its name."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import overload

import numpy as np
from numpy.typing import NDArray

from data.tables.sheet import Sheet


class Names(Sequence[str]):
    """What each row is called, such as "wines.csv:17", made when it is asked for.

    Args:
        pattern: with {} where the number stands.
        numbers: of each row, as the user counts it: the line of the file.
    """

    def __init__(self, pattern: str, numbers: NDArray[np.int64]) -> None:
        self.pattern, self.numbers = pattern, numbers

    def __len__(self) -> int:
        return len(self.numbers)

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
        return Names(self.pattern, self.numbers[rows])


def lines_of(sheet: Sheet, count: int) -> NDArray[np.int64]:
    """Return the line in which each of the first rows begins."""
    if sheet.lines is None or sheet.lines != count + sheet.preamble:
        # Blank lines, and lines within quotes.
        found = [line for line, _, _ in islice(sheet.rows(), count)]
        if len(found) == count:
            return np.array(found, dtype=np.int64)
    first = sheet.preamble + 1
    return np.arange(first, first + count)

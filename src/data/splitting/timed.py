"""The oldest samples train, the newest test."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.splits import Indices
from data.splitting.rules import first, is_missing


def by_time(
    times: NDArray[np.generic],
    *,
    validation: float,
    test: float,
    names: Sequence[str] | None = None,
) -> Indices:
    """Return 0 for the oldest samples (training), 1 for later (validation), 2 for the newest.

    Samples of the same time are never divided; the cuts are those nearest to the fractions.

    Args:
        times: anything that can be ordered, such as datetime64 or numbers [N].
        validation: fraction of the samples.
        test: likewise.
        names: names for messages.

    Raises:
        DataError: times are missing, or there are fewer different ones than splits.
    """
    kind = times.dtype.kind
    if kind in "mM":
        unknown = np.flatnonzero(np.isnat(times))
    else:
        absent = [is_missing(time) for time in times] if kind == "O" else times != times
        unknown = np.flatnonzero(absent)
    if len(unknown):
        shown = [place if names is None else names[place] for place in unknown.tolist()]
        raise DataError(
            f"{len(shown)} {'sample has' if len(shown) == 1 else 'samples have'} no time "
            f"({first(shown)}), and so can't be put in order; fill data.time in, or remove them"
        )
    present, place, counts = np.unique(times, return_inverse=True, return_counts=True)
    wanted = [part for part, fraction in ((1, validation), (2, test)) if fraction > 0]
    if len(present) <= len(wanted):
        raise DataError(
            f"{len(present)} different times in data.time, too few for {1 + len(wanted)} splits; "
            "give times that tell more samples apart, or choose another data.split"
        )
    until = np.cumsum(counts)  # samples up to each of the different times
    part_of = np.zeros(len(present), dtype=np.int64)
    sizes = {1: round(len(times) * validation), 2: round(len(times) * test)}
    begin = 0
    for position, part in enumerate(wanted):
        goal = len(times) - sum(sizes[later] for later in wanted[position:])
        # At least one time for what comes before, and for each part from here on.
        last = len(present) - (len(wanted) - position)
        cut = begin + int(np.abs(until[begin:last] - goal).argmin()) + 1
        part_of[cut:] = part
        begin = cut
    result: Indices = part_of[place.reshape(-1)]
    return result

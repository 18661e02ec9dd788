"""Samples that can't be read: which they are, and how many of them a run puts up with."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import numpy as np

from data.cpus import available_cpus
from data.errors import SHOWN, SampleError
from data.splits import Indices

OnError = Literal["stop", "skip"]
CHOICES = ("stop", "skip")


class Bad(NamedTuple):
    """A sample that a loader left out."""

    sample: int
    """Its index in the dataset."""
    name: str
    """What the dataset calls it: its path, or e.g. "Rows[12]"."""
    reason: str
    """Why it can't be read, in one line."""


class BadFile(NamedTuple):
    """A file that was left out when the data was built."""

    split: str
    """The split that it would be in: "train", "validation" or "test"."""
    sample: None
    """It has no index in the dataset."""
    name: str
    """Its path below the data's folder."""
    reason: str
    """Why it can't be read, in one line."""


def failures(check: Callable[[int], object], indices: Sequence[int]) -> dict[int, str]:
    """Run `check` on every index, in threads; the messages of all SampleErrors by their index."""

    def message(index: int) -> str | None:
        try:
            check(index)
        except SampleError as error:
            return str(error)
        return None

    # Pillow lets go of the interpreter while it decodes.
    with ThreadPoolExecutor(min(8, available_cpus())) as pool:
        texts = pool.map(message, indices)
        return {index: text for index, text in zip(indices, texts, strict=True) if text is not None}


class Ledger:
    """What a loader has left out so far.

    A sample is tried again in each epoch, so that what a batch holds depends on (seed, epoch,
    position) alone, and not on what a process has met before.

    Args:
        on_error: "stop" or "skip".
        max_bad: how many different samples may be left out.
    """

    def __init__(self, on_error: OnError, max_bad: int) -> None:
        self.skips = on_error == "skip"
        self._max_bad = max_bad
        self._bad: dict[int, Bad] = {}
        self._left_out: dict[tuple[int, int], set[int]] = {}

    @property
    def bad(self) -> Sequence[Bad]:
        """The bad samples so far, each once, in the order in which they were met."""
        return tuple(self._bad.values())

    def enter(self, epoch: int, batch: int, samples: Indices, found: Sequence[Bad]) -> Indices:
        """Take down the bad samples of a batch that is given out; returns the sound ones.

        Raises:
            SampleError: they are too many by now.
        """
        if not found:
            if self._left_out:
                self._left_out.pop((epoch, batch), None)
            return samples
        for each in found:
            self._bad.setdefault(each.sample, each)
        if len(self._bad) > self._max_bad:
            reasons = [each.reason for each in self._bad.values()]
            raise SampleError(too_many("samples", reasons, self._max_bad))
        without = {each.sample for each in found}
        self._left_out[epoch, batch] = without
        return sound(samples, found)

    def without_bad(self, epoch: int, batch: int, members: list[int]) -> list[int]:
        """Return the members of a batch less those that were left out when it was given out."""
        without = self._left_out.get((epoch, batch))
        return [each for each in members if each not in without] if without else members


def sound(samples: Indices, found: Sequence[Bad]) -> Indices:
    """Return the samples that are not among the bad ones, in their order."""
    return samples[~np.isin(samples, [each.sample for each in found])]


def too_many(what: str, reasons: Sequence[str], max_bad: int) -> str:
    """Return the line, and the first five reasons, for more bad ones than are put up with."""
    shown = "\n".join(f"  {number}. {text}" for number, text in enumerate(reasons[:SHOWN], 1))
    hidden = len(reasons) - SHOWN
    more = f"\n  and {hidden} more" if hidden > 0 else ""
    return (
        f"{len(reasons)} {what} can't be read, more than loader.max_bad ({max_bad}) allows; mend "
        f"the data, or raise loader.max_bad:\n{shown}{more}"
    )


def option_problems(on_error: Any, max_bad: Any) -> list[str]:
    """Return what is wrong with the two options of a loader."""
    problems = []
    if on_error not in CHOICES:
        problems.append(
            f"on_error ({on_error!r}) in loader.on_error; choose {' or '.join(CHOICES)}"
        )
    if type(max_bad) is not int or max_bad < 0:
        problems.append(f"max_bad ({max_bad!r}) in loader.max_bad; give 0 or more")
    return problems

"""What a sweep tries next: a grid, or a study that learns from what was tried."""

from dataclasses import dataclass
from typing import Literal, Protocol

Ending = Literal["finished", "failed", "pruned"]


@dataclass(frozen=True)
class Candidate:
    """One trial to start: its number, counted from 0, and the overrides that make it this one."""

    number: int
    overrides: tuple[str, ...]  # as they are typed: "optimizer.lr=0.01"


class Search(Protocol):
    """Says what is tried next, and hears how it went.

    All calls come from one thread. After a stop the trials that were asked for and never told come
    again with their old number and overrides, before any new one.
    """

    def ask(self) -> Candidate | None:
        """The next trial, or None when there is nothing more to start."""
        ...

    def report(self, number: int, step: int, value: float) -> bool:
        """Hear the selected metric after `step` epochs; True when it should be stopped now."""
        ...

    def tell(self, number: int, state: Ending, value: float | None) -> None:
        """Hear how a trial ended, with its selected metric where it has one."""
        ...

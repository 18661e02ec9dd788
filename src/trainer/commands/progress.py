"""How far it is, on standard error while it lasts; nothing where that is no terminal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from trainer.commands import tables
from trainer.recording.layout import clock, rate

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

AFTER = 0.5  # seconds before it is shown: what is done sooner needs none
EVERY = 0.2  # seconds between two drawings


class Progress:
    """A bar with number, rate and time left; lines said meanwhile stand above it.

    `count` finds out how many there will be, in a thread of its own, since listing a large folder
    takes time; without it the end is open. Where it is not `shown`, lines are all there is.
    """

    def __init__(
        self, stream: TextIO, count: Callable[[], int] | None, *, shown: bool = True
    ) -> None:
        self.stream = stream
        self.number = 0
        self.started = monotonic()
        self.total: int | None = None
        self.bar: Bar | None = None
        shown = shown and tables.is_terminal(stream)
        self.next = self.started + AFTER if shown else float("inf")
        if count and shown:
            Thread(target=self._find_total, args=(count,), daemon=True).start()

    def _find_total(self, count: Callable[[], int]) -> None:
        # Of a folder that can't be listed the rows tell; here the end stays open.
        with suppress(Exception):
            self.total = count()

    def advance(self) -> None:
        """One more is done; draws where it is time."""
        self.number += 1
        if monotonic() >= self.next:
            self._draw()

    def say(self, text: str) -> None:
        """A line that stays."""
        text = tables.printable(text)
        if self.bar is not None:
            self.bar.console.print(text, soft_wrap=True, markup=False, highlight=False)
        else:
            tables.show(self.stream, [[(text, "")]])

    def _draw(self) -> None:
        if self.bar is None:
            from rich.progress import BarColumn, Progress, TextColumn

            self.bar = Progress(
                BarColumn(bar_width=None),
                TextColumn("{task.description}"),
                console=tables.console_on(self.stream),
                auto_refresh=False,  # no thread: it would compete with those that read
                transient=True,
                expand=True,
            )
            self.bar.start()
            self.task = self.bar.add_task("", total=None)
        self.bar.update(
            self.task, completed=self.number, total=self.total, description=self._told()
        )
        self.bar.refresh()
        self.next = monotonic() + EVERY

    def _told(self) -> str:
        seconds = monotonic() - self.started
        speed = f"{rate(self.number / seconds)}/s"
        if not self.total:
            return f"{self.number:,}  {speed}"
        left = seconds / self.number * max(0, self.total - self.number)
        return f"{self.number:,}/{self.total:,}  {speed}  {clock(left)} left"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

"""What the user sees while training: a bar that is redrawn by time, a line per evaluation."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, TextIO

from trainer.recording.layout import (
    WIDEST,
    Styled,
    bar,
    clock,
    joined,
    number,
    of,
    plain,
    rate,
    short,
    size,
)
from trainer.recording.quiet import NEVER, Quiet

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.live import Live
    from rich.text import Text

HEARTBEAT = 60.0  # seconds between progress lines where nothing can be redrawn
LARGEST_SHARE = 0.05  # of the time may go into drawing: a slow terminal is drawn less often


class Console(Quiet):
    """Shows a run on a terminal, or as plain lines where the output is none.

    stream: where to print. On a terminal (and TERM is not "dumb") a bar of two lines is redrawn,
        never from a thread, at most `per_second` times a second and for at most 5 % of the time;
        NO_COLOR takes the colours away. On anything else: lines without control codes, one per
        evaluation, and a line of progress a minute.
    log: a file that gets all that is said, as plain text with the time; also later by `log_to`.
    It is a context manager; leaving it restores the terminal, whatever happened. The cursor stays
    visible all the time, so that even a killed process leaves a terminal that works. A stream that
    is gone (closed pipe, lost connection) ends the printing, never the training.
    Errors: ValueError unless 0 < per_second <= 10.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        log: str | os.PathLike[str] | None = None,
        per_second: float = 5,
    ) -> None:
        if not 0 < per_second <= 10:
            raise ValueError(
                f"per_second={per_second} of the console; give more than 0, at most 10"
            )
        self._stream: IO[str] = sys.stdout if stream is None else stream
        self._gone = False
        self._encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._interval = 1 / per_second
        self._live: Live | None = None
        self._rich: RichConsole | None = None
        self._value: tuple[str, str] | None = None
        if self._stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown"):
            from rich.console import Console as RichConsole

            self._rich = RichConsole(file=self._stream, force_terminal=True, highlight=False)
        super().__init__(log)

    def start(
        self,
        total_steps: int | None,
        total_epochs: int | None,
        steps_per_epoch: int | None,
        metric_name: str | None,
        step: int = 0,
    ) -> None:
        """Begin to show progress; see Quiet.start."""
        super().start(total_steps, total_epochs, steps_per_epoch, metric_name, step)
        self._value = None
        self._next = self._start if self._rich else self._start + HEARTBEAT

    def progress(
        self,
        step: int,
        epoch: int,
        loss: float,
        lr: float,
        samples_per_second: float,
        waiting: float,
        memory: float,
    ) -> None:
        """Draw the bar; see Quiet.progress. On no terminal: print one line."""
        began = monotonic()
        self._step = step
        pieces = [("loss", number(loss)), *([self._value] if self._value else [])]
        pieces += [("lr", f"{lr:.3g}"), ("samples/s", rate(samples_per_second))]
        pieces += [("waiting", f"{waiting:.0%}"), ("", size(memory))]
        where = [("epoch", of(epoch + 1, self._epochs)), ("step", of(step, self._steps))]
        ends = ("ETA", self._remaining(began))
        width = self._width()
        if self._rich:
            left, right = joined(where[:1], width), joined([where[1], ends], width)
            space = width - len(plain(left)) - len(plain(right)) - 4
            share = step / self._steps if self._steps else 0.0
            full, rest = ("━", "─") if self._encoding.lower().startswith("utf") else ("=", "-")
            middle = bar(max(0, space), share, full, rest)
            line = [("\n", ""), *left, ("  ", ""), *middle, ("  ", ""), *right, ("\n", "")]
            self._draw([*line, *joined(pieces, width)])
        else:
            self._print(joined([*where, ends, *pieces], WIDEST))
        now = monotonic()
        pause = self._interval if self._rich else HEARTBEAT
        self._next = now + max(pause, (now - began) / LARGEST_SHARE)

    def evaluated(
        self, epoch: int, step: int, values: Mapping[str, float], best: bool = False
    ) -> None:
        """Print the permanent line of an evaluation; see Quiet.evaluated."""
        if self._metric in values:
            self._value = (short(self._metric), number(values[self._metric]))
        super().evaluated(epoch, step, values, best)

    def finish(self, text: str | None = None) -> None:
        """Take the bar away and print what the run came to, or `text` in its place."""
        self._take_away()
        super().finish(text)

    def close(self) -> None:
        """Take the bar away, close the log file; a second call does nothing."""
        self._next = NEVER
        self._take_away()
        super().close()

    def _remaining(self, now: float) -> str:
        done = self._step - self._first_step
        if not self._steps or done <= 0:
            return "--:--"
        return clock((now - self._start) / done * max(0, self._steps - self._step))

    def _width(self) -> int:
        # One less than there is: a character in the last column makes some terminals wrap.
        columns = self._rich.width if self._rich else shutil.get_terminal_size((80, 24)).columns
        return max(20, min(columns - 1, WIDEST))

    def _put(self, line: Styled) -> None:
        super()._put(line)
        self._print(line)

    def _show_problem(self, text: str) -> None:
        self._print([("warning: ", "bold magenta"), (text, "")])

    def _print(self, line: Styled) -> None:
        if self._gone:
            return
        try:
            if self._rich:
                # No wrapping by rich: a path that it breaks can't be copied.
                self._rich.print(self._text(line), soft_wrap=True)
            else:
                self._stream.write(self._printable(plain(line)) + "\n")
                self._stream.flush()
        except OSError as error:
            self._lost(error)

    def _draw(self, line: Styled) -> None:
        if self._gone or self._rich is None:
            return
        try:
            if self._live is None:
                from rich.live import Live

                self._live = Live(
                    console=self._rich,
                    auto_refresh=False,  # no thread: it would compete with the training for the GIL
                    transient=True,
                )
                self._live.start()
                self._rich.show_cursor(True)
            self._live.update(self._text(line), refresh=True)
        except OSError as error:
            self._lost(error)

    def _take_away(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            # A terminal that is gone needs no restoring.
            with suppress(OSError):
                live.stop()

    def _lost(self, error: OSError) -> None:
        self._gone = True
        self._next = NEVER
        self._take_away()
        self._log.write(f"warning: nothing more is printed, the output is gone ({error.strerror})")

    def _text(self, line: Styled) -> Text:
        from rich.text import Text

        pieces: Any = [(self._printable(text), style) for text, style in line]
        return Text.assemble(*pieces, no_wrap=True, overflow="crop")

    def _printable(self, text: str) -> str:
        """Without control characters, and only what the stream's encoding has."""
        clean = "".join(sign for sign in text if sign.isprintable() or sign in "\n\t")
        return clean.encode(self._encoding, "backslashreplace").decode(self._encoding)

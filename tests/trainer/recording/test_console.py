"""The console on a real pseudo-terminal and on a pipe; nothing wraps, nothing is left behind."""

import io
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from terminal import SOURCE, Screen, on_terminal

from trainer.recording import Console, Quiet
from trainer.recording import console as console_module
from trainer.recording.layout import EvaluationTable, clock, duration, number, plain, rate, size

VALUES = {
    "train/loss": 0.5123,
    "validation/loss": 0.4567,
    "validation/accuracy": 0.91234,
    "validation/precision": 0.9,
    "validation/recall": 0.89,
    "validation/f1": 0.895,
}
USER = "printed by the user's own code"
RUN = f"""
import sys, time
from trainer.recording import Console
with Console(log="train.log" if "log" in sys.argv else None) as console:
    console.say("data  digits")
    console.start(2760, 20, 138, "validation/accuracy")
    for epoch in range(3):
        console.progress(epoch * 138 + 40, epoch, 0.5, 1e-3, 21345.0, 0.021, 412e6)
        console.evaluated(epoch, (epoch + 1) * 138, {VALUES}, best=epoch == 1)
    console.warn("slow data")
    print("{USER}")
    console.progress(400, 2, 1234567.0, 9.8765e-05, 1e9, 1.0, 123e9)
    END
"""


def run_in_terminal(end: str, columns: int = 80, **env: str) -> tuple[Screen, bytes, int]:
    output, status = on_terminal(RUN.replace("END", end), columns, env)
    return Screen(output, columns), output, status


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
def test_nothing_wraps_on_a_terminal(columns: int) -> None:
    screen, _, status = run_in_terminal("import os; sys.stdout.flush(); os._exit(0)", columns)
    assert status == 0
    assert screen.wraps == 0
    assert max(map(len, screen.lines)) < columns
    assert screen.cursor_visible  # though the process ended without any farewell


def test_the_bar_stands_below_all_that_was_said() -> None:
    screen, _, _ = run_in_terminal("import os; sys.stdout.flush(); os._exit(0)")
    lines = screen.lines
    assert lines[0] == "data  digits"
    assert re.match(r"epoch +step +train loss +val loss +accuracy +precision +time$", lines[1])
    assert re.match(r" 2/20 +276 +0.5123 +0.4567 +0.9123 +0.9000 +\d\.\d s +best$", lines[3])
    assert lines[5:8] == ["warning: slow data", USER, ""]
    assert re.match(r"epoch 3/20 +━+─+ +step 400/2,760 +ETA 0:\d\d$", lines[8])
    assert (
        lines[9] == "loss 1.23e+06  accuracy 0.9123  lr 9.88e-05  1000.0M samples/s  waiting 100%"
    )
    assert len(lines) == 10


@pytest.mark.parametrize(
    ("end", "status"),
    [("console.finish()", 0), ("raise RuntimeError('no')", 1), ("raise KeyboardInterrupt", -2)],
)
def test_the_terminal_is_restored(end: str, status: int) -> None:
    screen, _, found = run_in_terminal(end)
    assert found == status
    assert screen.cursor_visible
    assert "ETA" not in "\n".join(screen.lines)  # the bar is gone
    if status == 0:
        text = r"400 steps in \d\.\d s; best accuracy 0.9123 in epoch 2"
        assert re.fullmatch(text, screen.lines[7])
    else:
        assert any("Traceback" in line for line in screen.lines)


def test_no_colour_where_none_is_wanted() -> None:
    _, output, _ = run_in_terminal("pass", NO_COLOR="1")
    colours = [code for code in re.findall(r"\x1b\[([0-9;]*)m", output.decode()) if code]
    assert colours  # bold and dim are no colours
    assert all(set(code.split(";")) <= {"0", "1", "2"} for code in colours)


@pytest.mark.parametrize("terminal", [True, False])
def test_lines_without_codes_where_nothing_can_be_redrawn(terminal: bool, tmp_path: Path) -> None:
    script = RUN.replace("END", "console.finish('done')")
    if terminal:
        output, _ = on_terminal(script, env={"TERM": "dumb"})
        text = output.decode().replace("\r\n", "\n")
    else:
        done = subprocess.run(
            [sys.executable, "-c", script, "log"],
            env={"PYTHONPATH": str(SOURCE), "FORCE_COLOR": "1"},
            capture_output=True,
            cwd=tmp_path,
            check=True,
        )
        assert done.stderr == b""
        text = done.stdout.decode()
        log = (tmp_path / "train.log").read_text()
        said = [line.partition("  ")[2] for line in log.splitlines()]
        printed = [line for line in text.splitlines() if line != USER and "ETA" not in line]
        assert said == printed
    assert text.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert sum(line.strip().startswith(("1/20", "2/20", "3/20")) for line in text.splitlines()) == 3
    assert text.splitlines()[-1] == "done"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A terminal that takes `delay` seconds of the clock for each write."""

    encoding = "utf-8"

    def __init__(self, clock: Clock, delay: float = 0.0) -> None:
        super().__init__()
        self.clock, self.delay, self.draws = clock, delay, 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.clock.now += self.delay
        self.draws += "ETA" in text
        return super().write(text)


def simulate(
    monkeypatch: pytest.MonkeyPatch, delay: float, per_second: float, step: float = 0.001
) -> tuple[int, float]:
    ticks = Clock()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(console_module, "monotonic", ticks)
    monkeypatch.setattr("trainer.recording.quiet.monotonic", ticks)
    stream = Terminal(ticks, delay)
    spent = 0.0
    with Console(stream, per_second=per_second) as console:
        console.start(100_000, 10, 10_000, None)
        while ticks.now < 110.0:
            ticks.now += step
            if console.due():
                before = ticks.now
                console.progress(1, 0, 0.5, 0.1, 10.0, 0.0, 1e6)
                spent += ticks.now - before
    return stream.draws, spent


@pytest.mark.parametrize("per_second", [1, 5, 10])
def test_redraws_are_bounded_by_time(monkeypatch: pytest.MonkeyPatch, per_second: float) -> None:
    draws, _ = simulate(monkeypatch, 0.0, per_second)
    assert 0.9 * 10 * per_second <= draws <= 10 * per_second + 1


def test_a_slow_terminal_gets_five_percent_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    draws, spent = simulate(monkeypatch, 0.1, 5)
    assert draws > 2
    assert spent < 0.06 * 10


def test_nothing_is_due_that_nobody_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = Clock()
    monkeypatch.setattr(console_module, "monotonic", ticks)
    monkeypatch.setattr("trainer.recording.quiet.monotonic", ticks)
    stream = io.StringIO()
    console = Console(stream)
    assert not console.due()  # not started
    console.start(100, 1, 100, None)
    ticks.now += 59
    assert not console.due()
    ticks.now += 2
    assert console.due()  # a sign of life once a minute
    console.progress(50, 0, 0.5, 0.1, 100.0, 0.0, 1e6)
    assert not console.due()
    expected = (
        "epoch 1/1  step 50/100  ETA 1:01  loss 0.5000  lr 0.1  100 samples/s  waiting 0%  1 MB"
    )
    assert stream.getvalue() == expected + "\n"
    console.close()
    assert not console.due()


def test_no_thread_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    before = threading.active_count()
    with Console(Terminal(Clock())) as console:
        console.start(10, 1, 10, None)
        console.progress(1, 0, 0.5, 0.1, 10.0, 0.0, 1e6)
        assert threading.active_count() == before


@pytest.mark.parametrize("per_second", [0, -1, 11, float("nan")])
def test_a_rate_out_of_range_is_refused(per_second: float) -> None:
    with pytest.raises(ValueError, match="at most 10"):
        Console(io.StringIO(), per_second=per_second)


def test_due_is_one_comparison() -> None:
    calls: list[Any] = []
    console = Console(io.StringIO())
    sys.setprofile(lambda *event: calls.append(event[1]))
    console.due()
    sys.setprofile(None)
    assert calls.count("c_call") <= 2  # monotonic, and setprofile itself
    assert calls.count("call") == 1


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_stream_that_is_gone_ends_the_printing_not_the_training(tmp_path: Path) -> None:
    with Console(Gone(), log=tmp_path / "train.log") as console:
        console.say("one")
        console.start(10, 1, 10, "validation/accuracy")
        console.evaluated(0, 10, VALUES, best=True)
        assert not console.due()
    text = (tmp_path / "train.log").read_text()
    assert text.count("output is gone (Broken pipe)") == 1
    assert "0.9123" in text


def test_signs_that_the_stream_does_not_have_are_escaped() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Console(stream).say("größer \x1b[2Jclear")
    assert raw.getvalue() == b"gr\\xf6\\xdfer [2Jclear\n"


def test_the_log_has_what_was_said_before_it_was_opened(tmp_path: Path) -> None:
    console = Quiet()
    console.say("early")
    console.log_to(tmp_path / "train.log")
    console.warn("two\nlines")
    console.close()
    console.close()
    lines = (tmp_path / "train.log").read_text().splitlines()
    assert [line.partition("  ")[2] for line in lines] == ["early", "warning: two", "lines"]
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4}  ", line) for line in lines)


def test_a_log_that_cannot_be_written_is_told_once_and_what_is_lost_at_the_end(
    tmp_path: Path,
) -> None:
    stream = io.StringIO()
    with Console(stream, log=tmp_path / "missing" / "train.log") as console:
        console.say("one")
        console.say("two")
    first, *said, last = stream.getvalue().splitlines()
    assert first.startswith("warning: ") and "train.log can't be written (No such file" in first
    assert said == ["one", "two"]
    assert last.startswith("warning: 2 lines of ") and "could not be written" in last


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with Quiet(tmp_path / "train.log") as console:
        console.start(10, 1, 10, "validation/accuracy")
        assert not console.due()
        console.progress(1, 0, 0.5, 0.1, 10.0, 0.0, 1e6)
        console.evaluated(0, 10, VALUES, best=True)
        console.warn("careful")
        console.finish()
    assert capsys.readouterr() == ("", "")
    assert "best accuracy 0.9123 in epoch 1" in (tmp_path / "train.log").read_text()


def test_columns_are_dropped_never_cut() -> None:
    titles = {
        width: plain(EvaluationTable(width, "validation/f1", 20, 2760).header(VALUES)).split()
        for width in (59, 79, 119)
    }
    assert titles[59] == ["epoch", "train", "loss", "val", "loss", "f1", "time"]
    assert titles[79] == ["epoch", "step", "train", "loss", "val", "loss", "f1", "accuracy", "time"]
    assert titles[119][-4:] == ["accuracy", "precision", "recall", "time"]


def test_a_run_without_validation_and_values_that_are_not_finite() -> None:
    table = EvaluationTable(79, "", None, None)
    assert plain(table.header({"train/loss": 0.5})).split() == [
        "epoch",
        "step",
        "train",
        "loss",
        "time",
    ]
    row = plain(table.row(0, 5, {"train/loss": float("nan")}, 3661, False))
    assert row.split() == ["1", "5", "nan", "1:01:01"]


def test_numbers_are_short() -> None:
    assert [number(x) for x in (0, 0.5, -0.25, 1e-5, 123456.0, float("-inf"))] == [
        "0.0000", "0.5000", "-0.2500", "1.00e-05", "1.23e+05", "-inf"
    ]  # fmt: skip
    assert [duration(x) for x in (0.04, 59.94, 59.96, 3600)] == [
        "0.0 s",
        "59.9 s",
        "1:00",
        "1:00:00",
    ]
    assert [clock(x) for x in (4.4, 67, 7392)] == ["0:04", "1:07", "2:03:12"]
    assert [rate(x) for x in (7.34, 812, 9999, 21345, 1.2e6)] == [
        "7.3", "812", "9,999", "21.3k", "1.2M"
    ]  # fmt: skip
    assert [size(x) for x in (412e6, 3.2e9)] == ["412 MB", "3.2 GB"]

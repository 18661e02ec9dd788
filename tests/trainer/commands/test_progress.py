"""The bar of predict: nothing but lines where there is no terminal, and lines above it where."""

import io
import sys
from pathlib import Path

import pytest

from trainer.commands import progress

sys.path.append(str(Path(__file__).parents[1] / "recording"))
from terminal import Screen, on_terminal

SCRIPT = """
import sys, time
from trainer.commands import progress
progress.AFTER = progress.EVERY = 0.0
with progress.Progress(sys.stderr, {count}) as bar:
    time.sleep(0.05)
    for number in range(100):
        bar.advance()
        if number == 50:
            bar.say("error: a\\x1b[31mb is broken")
print("done")
"""


def test_only_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "AFTER", -1.0)
    stream = io.StringIO()
    with progress.Progress(stream, lambda: 3) as bar:
        for _ in range(3):
            bar.advance()
        bar.say("error: x")
    assert stream.getvalue() == "error: x\n" and bar.total is None


@pytest.mark.parametrize("columns", [40, 80])
def test_a_bar_that_goes_away_and_lines_that_stay(columns: int) -> None:
    output, status = on_terminal(SCRIPT.format(count="lambda: 100"), columns)
    assert status == 0 and b"100/100" in output and b"left" in output
    screen = Screen(output.replace(b"\x1b[?25l", b"").replace(b"\x1b[?25h", b""), columns)
    assert [line for line in screen.lines if line] == ["error: a\\x1b[31mb is broken", "done"]
    assert screen.wraps == 0
    assert output.count(b"\x1b[?25h") >= output.count(b"\x1b[?25l")  # the cursor is back


def test_without_an_end_and_with_one_that_cannot_be_found() -> None:
    for count in ("None", "lambda: 1 / 0"):
        output, status = on_terminal(SCRIPT.format(count=count))
        assert status == 0 and b"/s" in output and b"left" not in output
        assert b"ZeroDivisionError" not in output

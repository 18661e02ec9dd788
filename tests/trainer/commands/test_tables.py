"""Tables: aligned, never wider than asked for, cut and left out where they would be."""

import io
import os
import pty
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from trainer.cli import main
from trainer.commands.tables import Column, Styled, printable, shortened, show, table

NAMES = Column("input", ["a/long/path/to/1.png", "2.png"], least=8, cut="start")
NUMBERS = Column("n", ["1", "200"], right=True)
MORE = Column("more", ["some text", "x"], least=6, rank=1)


def plain(lines: Sequence[Styled]) -> list[str]:
    return ["".join(piece for piece, _ in line).rstrip() for line in lines]


def test_it_is_aligned() -> None:
    assert plain(table([NAMES, NUMBERS, MORE], 80)) == [
        "input                   n  more",
        "a/long/path/to/1.png    1  some text",
        "2.png                 200  x",
    ]


def test_the_widest_is_cut_first_and_what_matters_least_left_out() -> None:
    assert plain(table([NAMES, NUMBERS, MORE], 26)) == [
        "input         n  more",
        "…/to/1.png    1  some text",
        "2.png       200  x",
    ]
    assert plain(table([NAMES, NUMBERS, MORE], 14)) == [
        "input        n",
        "…to/1.png    1",
        "2.png      200",
    ]
    # What can neither be cut nor left out is shown, however narrow it is.
    assert plain(table([NUMBERS], 2)) == ["  n", "  1", "200"]


@given(
    st.lists(st.tuples(st.text("ab漢é", max_size=30), st.text("xyz", max_size=9)), min_size=1),
    st.integers(30, 100),
)
def test_no_line_is_wider_than_asked_for(rows: list[tuple[str, str]], width: int) -> None:
    columns = [
        Column("name", [name for name, _ in rows], least=8),
        Column("value", [value for _, value in rows], right=True),
        Column("again", [name for name, _ in rows], least=6, cut="start", rank=1),
    ]
    lines = plain(table(columns, width))
    assert max(map(cell_len, lines)) <= width
    assert len(lines) == len(rows) + 1


def test_texts_are_cut_where_they_say_least() -> None:
    assert shortened("abcdef", 4, "end") == "abc…"
    assert shortened("abcdef", 4, "start") == "…def"
    assert shortened("abcd", 4, "end") == "abcd"
    assert shortened("漢字漢字", 5, "end") == "漢字…"


def test_nothing_controls_the_terminal() -> None:
    assert printable("plain é 漢") == "plain é 漢"
    assert printable("a\x1b[31mb\n\udce9") == "a\\x1b[31mb\\n\\udce9"


def test_plain_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    show(stream, [[("a", "bold"), ("  ", "")], [("é", "red")]])
    assert stream.getvalue() == "a\né\n"
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show(narrow, [[("é…", "")]])
    narrow.seek(0)
    assert narrow.read() == "\\xe9\\u2026\n"


@pytest.mark.parametrize("colours", [True, False])
def test_colours_on_a_terminal(colours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    reading, writing = pty.openpty()
    with os.fdopen(writing, "w") as stream:
        show(stream, [[("good [x]", "green"), (" ", ""), ("rest" * 40, "")]])
        stream.flush()
        drawn = os.read(reading, 10_000).decode()
    os.close(reading)
    assert ("\x1b[32m" in drawn) == colours
    assert "good [x]" in drawn and "rest" * 40 in drawn


@pytest.mark.parametrize("command", ["predict", "evaluate", "runs"])
def test_the_help_fits_a_terminal(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([command, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"usage: fivestep {command}") and max(map(len, lines)) <= 80

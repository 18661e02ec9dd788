"""A terminal to test with: a child on a real pseudo-terminal, and the screen it would show."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

SOURCE = Path(__file__).parents[3] / "src"
CODE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]")


def on_terminal(
    script: str, columns: int = 80, env: dict[str, str] | None = None
) -> tuple[bytes, int]:
    """Run a Python script on a pseudo-terminal; its output and exit status."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    names = {"PYTHONPATH": str(SOURCE), "TERM": "xterm-256color", "PATH": os.environ["PATH"]}
    child = subprocess.Popen(
        [sys.executable, "-X", "utf8", "-c", script],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=names | (env or {}),
    )
    os.close(slave)
    parts = []
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux: the other side is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(master)
    return b"".join(parts), child.wait()


class Screen:
    """What a terminal of that many columns shows; only the codes that are used are known."""

    def __init__(self, output: bytes, columns: int = 80) -> None:
        self.columns = columns
        self.cells: list[list[tuple[str, str]]] = [[]]
        self.row = self.column = self.wraps = 0
        self.cursor_visible = True
        self.style = ""
        for match in CODE.finditer(output.decode()):
            self._take(match)

    def _take(self, match: re.Match[str]) -> None:
        text, parameters, command = match[0], match[1], match[2]
        if text == "\r":
            self.column = 0
        elif text == "\n":
            self.row += 1
        elif command == "A":
            self.row = max(0, self.row - int(parameters or 1))
        elif command == "K":
            self.cells[self.row] = []
        elif command == "m":
            self.style = "" if parameters in ("", "0") else f"{self.style};{parameters}".strip(";")
        elif command in ("h", "l") and parameters == "?25":
            self.cursor_visible = command == "h"
        elif command:
            raise ValueError(f"unknown code {text!r}")
        else:
            self._print(text)
        while len(self.cells) <= self.row:
            self.cells.append([])

    def _print(self, sign: str) -> None:
        if self.column == self.columns:
            self.wraps += 1
            self.row, self.column = self.row + 1, 0
            self.cells.append([])
        line = self.cells[self.row]
        line.extend([(" ", "")] * (self.column - len(line)))
        line[self.column : self.column + 1] = [(sign, self.style)]
        self.column += 1

    @property
    def lines(self) -> list[str]:
        return ["".join(sign for sign, _ in line).rstrip() for line in self.cells]

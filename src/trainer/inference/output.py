"""Where rows are written: CSV or JSON lines, to a file that is whole at its end, or a stream."""

import csv
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import IO, Literal, Self

from trainer.errors import CannotWrite, Refused
from trainer.inference.stream import Row
from trainer.storage.atomic import temporary

Format = Literal["csv", "jsonl"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl")
COLUMNS = ("input", "label", "probability", "top_k", "error")
FLUSHED = 0.5  # seconds after which what was written can be read by others


def jsonl(row: Row) -> str:
    """A row as a line of JSON; names that are no UTF-8 come back as they were."""
    top = [[label, round(value, 6)] for label, value in row.top]
    probability = None if row.probability is None else round(row.probability, 6)
    values = (row.input, row.label, probability, top, row.error)
    return json.dumps(dict(zip(COLUMNS, values, strict=True)), ensure_ascii=False) + "\n"


def csv_line(row: Row) -> str:
    """A row as a line of CSV, `top_k` as JSON; text that a spreadsheet would run is disarmed."""
    top = [[label, round(value, 6)] for label, value in row.top]
    return csv_of(
        harmless(row.input),
        harmless(row.label or ""),
        "" if row.probability is None else f"{row.probability:.6f}",
        json.dumps(top, ensure_ascii=False) if top else "",
        harmless(row.error or ""),
    )


def csv_of(*values: str) -> str:
    """Values as a line of CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def harmless(text: str) -> str:
    """A text in one line that no spreadsheet takes for a formula (OWASP, "CSV Injection")."""
    text = text.replace("\r", "\\r").replace("\n", "\\n")
    if not text.startswith(("=", "+", "-", "@", "\t", "＝", "＋", "－", "＠")):
        return text
    # "-" is standard input, and "-1" a number to a spreadsheet as well.
    return text if text == "-" or text[1:].isdecimal() else f"'{text}"


class Stream:
    """Rows on a stream that is open already, such as standard output; it is left open."""

    def __init__(self, stream: IO[str], form: Format) -> None:
        self.stream = stream
        self.line = csv_line if form == "csv" else jsonl
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self.flushed = monotonic()
        if form == "csv":
            self.put(csv_of(*COLUMNS))

    def write(self, row: Row) -> None:
        """Write one row."""
        self.put(self.line(row))

    def put(self, text: str) -> None:
        """Write a text; who reads along gets it soon."""
        # File names that are no UTF-8 reach us with lone surrogates, which UTF-8 can't hold.
        self.stream.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))
        if monotonic() - self.flushed > FLUSHED:
            self.stream.flush()
            self.flushed = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.stream.flush()


class File:
    """Rows in a file that bears its name only when all of them are in it.

    Until then it has a temporary name beside it; what there is when the work is broken off stays
    under a name with `.partial` in it, see `partial`. Raises Refused for a file that exists, unless
    `overwrite`, and for a place where there can be none; CannotWrite when the disk refuses.
    """

    def __init__(self, path: Path, form: Format, *, overwrite: bool = False) -> None:
        self.path = path
        self.form = form
        self.partial = path.with_name(f"{path.stem}.partial{path.suffix}")
        self.number = 0  # rows written
        if path.is_dir():
            raise Refused(f"--output {path} is a folder; name a file in it")
        if not path.parent.is_dir():
            raise Refused(f"--output {path}: there is no folder {path.parent}; make it first")
        if path.exists() and not overwrite:
            raise Refused(f"--output {path} exists; add --overwrite, or choose another name")
        if path.exists() and not path.is_file():
            raise Refused(f"--output {path} is no regular file; use --output - and a pipe")

    def __enter__(self) -> Self:
        self.building = temporary(self.path)
        with self.writing():
            self.file = self.building.open("x", encoding="utf-8", newline="")
            self.rows = Stream(self.file, self.form)
        return self

    def write(self, row: Row) -> None:
        """Write one row."""
        with self.writing():
            self.rows.write(row)
        self.number += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        broken = error is not None
        try:
            with self.writing():
                self.file.close()
        except CannotWrite:
            broken = True
            if error is None:
                raise
        finally:
            self.put_in_place(broken)
        if error is not None and self.number and self.partial.exists():
            error.add_note(f"rows so far ({self.number:,}): {self.partial}")

    def put_in_place(self, broken: bool) -> None:
        """Give the file its name; one without rows that was broken off is taken away."""
        if broken and not self.number:
            self.building.unlink(missing_ok=True)
            return
        with self.writing():
            self.building.replace(self.partial if broken else self.path)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Say in one line why the disk refuses."""
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise CannotWrite(
                f"cannot write {self.path}: {reason}; free some space there, or choose another "
                "place with --output"
            ) from error

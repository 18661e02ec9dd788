"""Where rows are written: CSV or JSON lines, to a file that is whole at its end, or a stream."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Literal, Self

from trainer.errors import CannotWrite, Refused
from trainer.evaluation.writing import harmless as disarmed
from trainer.inference.stream import Row
from trainer.storage.atomic import temporary

if TYPE_CHECKING:
    from numpy.typing import NDArray

Pictures = Callable[["NDArray[Any]", str, str], str]  # writes one, and names its file
Format = Literal["csv", "jsonl"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl")
FLUSHED = 0.5  # seconds after which what was written can be read by others


def keys_of(row: Row, columns: Sequence[str]) -> list[str]:
    """What the values of a row are called: the input, what it brought along, the answer, errors.

    A column of the answer that the input brought along, too, is a prediction beside a given value.
    """
    taken = {"input", "error", *row.given}
    own = [f"predicted_{name}" if name in taken else name for name in columns]
    given = [f"given_{name}" if name in ("input", "error") else name for name in row.given]
    return ["input", *given, *own, "error"]


def jsonl(row: Row, columns: Sequence[str], place: Pictures) -> str:
    """A row as a line of JSON; names that are no UTF-8 come back as they were."""
    answer = [plain(row.answer.get(name), row.input, name, place) for name in columns]
    values = [row.input, *row.given.values(), *answer, row.error]
    return json.dumps(dict(zip(keys_of(row, columns), values, strict=True)), ensure_ascii=False) + (
        "\n"
    )


def csv_line(row: Row, columns: Sequence[str], place: Pictures) -> str:
    """A row as a line of CSV, lists as JSON; text that a spreadsheet would run is disarmed."""
    answer = [plain(row.answer.get(name), row.input, name, place) for name in columns]
    cells = [row.input, *row.given.values(), *answer, row.error]
    return csv_of(*map(cell, cells))


def plain(value: Any, name: str, column: str, place: Pictures) -> Any:
    """A value of an answer as JSON has it; a picture as the name of the file that it is in."""
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, Mapping):
        return {str(key): plain(part, name, column, place) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part, name, column, place) for part in value]
    if hasattr(value, "dtype"):
        return place(value, name, column)
    return value


def rounded(value: float) -> float:
    """Six decimals, or of very small and large numbers six digits."""
    return round(value, 6) if 1e-3 <= abs(value) < 1e6 else float(f"{value:.6g}")


def cell(value: Any) -> str:
    """A value as a cell of CSV."""
    if value is None or value in ([], {}, ""):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6f}" if 1e-3 <= abs(value) < 1e6 or value == 0 else f"{value:.6g}"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return harmless(value) if isinstance(value, str) else str(value)


def csv_of(*values: str) -> str:
    """Values as a line of CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def harmless(text: str) -> str:
    """A text in one line that no spreadsheet takes for a formula; "-" is standard input."""
    return text if text == "-" else disarmed(text)


class Stream:
    """Rows on a stream that is open already, such as standard output; it is left open."""

    def __init__(self, stream: IO[str], form: Format, pictures: Pictures | None = None) -> None:
        self.stream = stream
        self.line = csv_line if form == "csv" else jsonl
        self.columns: Sequence[str] = ()
        self.keys: list[str] | None = None if form == "csv" else []
        self.pictures = pictures or unwritten
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self.flushed = monotonic()

    def begin(self, columns: Sequence[str]) -> None:
        """Take the columns of the answers that are to come."""
        self.columns = columns

    def write(self, row: Row) -> None:
        """Write one row; the first one of CSV says which columns there are."""
        keys = keys_of(row, self.columns)
        if self.keys is None:
            self.keys = keys
            self.put(csv_of(*map(harmless, keys)))
        elif self.keys and keys != self.keys:
            row = like(row, self.keys, self.columns)
        self.put(self.line(row, self.columns, self.pictures))

    def end(self) -> None:
        """Write the head of a table that has no rows."""
        if self.keys is None:
            self.put(csv_of(*keys_of(Row(""), self.columns)))

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
            self.end()
            self.stream.flush()


def like(row: Row, keys: Sequence[str], columns: Sequence[str]) -> Row:
    """A row in the columns of the first one: what it lacks is empty, an error is told anyway."""
    middle = keys[1 : len(keys) - 1 - len(columns)]
    given = {key: row.given.get(key.removeprefix("given_"), "") for key in middle}
    lost = [name for name in row.given if name not in given and row.error is None]
    error = row.error
    if lost:
        error = f"{row.input}: columns {', '.join(lost)} are not in the first input; left out here"
    return Row(row.input, row.answer, error, given)


def unwritten(picture: NDArray[Any], name: str, column: str) -> str:
    """What stands for a picture where there is no place for files."""
    return f"{column} {'x'.join(map(str, picture.shape))} (write it with --output FILE)"


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
        self.folder = path.with_name(f"{path.stem}_files")
        self.columns: Sequence[str] = ()
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
            self.rows = Stream(self.file, self.form, self.picture)
            self.rows.begin(self.columns)
        return self

    def begin(self, columns: Sequence[str]) -> None:
        """Take the columns of the answers that are to come."""
        self.columns = columns

    def picture(self, picture: NDArray[Any], name: str, column: str) -> str:
        """Write a picture beside the table; returns its name as seen from there."""
        from PIL import Image

        self.folder.mkdir(exist_ok=True)
        stem = re.sub(r"[^\w.-]+", "_", Path(name).stem) or "input"
        file = self.folder / f"{self.number:06d}_{stem}_{column}.png"
        Image.fromarray(picture).save(file)
        return f"{self.folder.name}/{file.name}"

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
                if not broken:
                    self.rows.end()
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

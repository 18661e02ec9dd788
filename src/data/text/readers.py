"""From a text, or a file with texts, to model input: the path of validation and of predict."""

import glob
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError, SampleError
from data.given import Given
from data.inputs import nearest
from data.text.decoding import decoded, read_text
from data.text.files import TEXTS, text_files
from data.text.rows import TABLES, Rows, read_rows, rows_of, separator_of
from data.text.tokenizer import BOS, EOS, Tokenizer, padded


class TextReader:
    """Reads single texts as the dataset that it belongs to reads its own.

    Args:
        tokenizer: JSON of the tokenizer, see `data.text.tokenizer.Tokenizer`.
        length: tokens of a model's input; longer texts are cut, shorter ones are filled up with 0.
        column: the columns that hold the text in a CSV, JSON lines or Parquet file.

    Raises:
        DataError: no tokenizer, or a length below 1.
    """

    def __init__(self, *, tokenizer: str, length: int, column: Sequence[str] = ()) -> None:
        if length < 1:
            raise DataError(f"length ({length}) of a reader; give 1 or more")
        self.text, self.length, self.column = tokenizer, length, list(column)
        self.tokenizer = Tokenizer(tokenizer)

    @property
    def node(self) -> dict[str, Any]:
        """What makes this reader again: `_target_` and arguments, as plain values."""
        return {
            "_target_": f"data.text.readers.{type(self).__name__}",
            "tokenizer": self.text,
            "length": self.length,
            "column": list(self.column),
        }

    def expand(self, source: str) -> Iterator[Given]:
        """Return the texts of a file, a folder or a pattern; any other word is a text itself.

        Each row of a table (CSV, TSV, JSON lines, Parquet) is a text, with all its cells as
        columns; any other file is one text, and so is each text file of a folder.

        Raises:
            DataError: there is no such file, though the word looks like the name of one; a table
                without a text in it; an empty folder.
        """
        path = Path(source).expanduser()
        if source.strip() and _exists(path):
            return self._of_path(path)
        if glob.has_magic(source) and "\n" not in source:
            found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207  # a path may be absolute
            if found:
                return chain.from_iterable(self._of_path(Path(name)) for name in found)
        if path.suffix.lower() in (*TABLES, *TEXTS) and len(source.split()) == 1:
            hint = nearest(path, "; give a file, or a text")
            raise DataError(f"{path} does not exist{hint}")
        return iter([Given(_short(source), source)])

    def expand_bytes(self, content: bytes) -> Iterator[Given]:
        """Return the texts that standard input brings: rows of a table, or one a line."""
        text, _ = decoded(content, "standard input")
        first = text.lstrip().split("\n", 1)[0]
        ending = ".jsonl" if first.startswith("{") else ".json" if first.startswith("[{") else ""
        if not ending:
            names = {cell.strip().strip('"') for cell in first.split(separator_of(text))}
            ending = ".csv" if self.column and names >= set(self.column) else ""
        if ending:
            yield from self._of_rows(rows_of(content, "-", ending))
            return
        for line, each in enumerate(text.split("\n"), 1):
            if each.strip():
                yield Given(f"-:{line}", each)

    def read(self, source: str | Path | bytes) -> NDArray[np.int64]:
        """Return the ids of a text, of a file (a Path) or of its content (bytes): int64 [length].

        May be called from several threads at once. Raises SampleError for what is no text.
        """
        if isinstance(source, Path):
            source, _ = read_text(source)
        elif isinstance(source, bytes):
            source, _ = decoded(source, "the input")
        if not isinstance(source, str):
            raise SampleError(f"{type(source).__name__} is no text; give a text or a file")
        ids: NDArray[np.int64] = self.ids(source).astype(np.int64)
        return ids

    def ids(self, text: str) -> NDArray[np.int32]:
        """Return the ids of a text as the model takes them, int32 [length]."""
        return padded([self.tokenizer.encode(text)], self.length).reshape(-1)

    def batch(self, samples: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
        """Return model input, int64 [B, length], of what `read` gave."""
        return np.stack(samples).astype(np.int64, copy=False)

    def script(self) -> str | None:
        """Return None: reading needs the tokenizers library, so there is no script alone."""
        return None

    def _of_path(self, path: Path) -> Iterator[Given]:
        if path.is_dir():
            names = text_files(path)
            if not names:
                raise DataError(
                    f"{path} holds no text file ({', '.join(TEXTS)}); give another folder"
                )
            return (Given(str(path / name), path / name) for name in names)
        if path.suffix.lower() in TABLES:
            return self._of_rows(read_rows(path, name=str(path)))
        return iter([Given(str(path), path)])

    def _of_rows(self, rows: Rows) -> Iterator[Given]:
        columns = self._columns(rows)
        for row in range(len(rows)):
            yield Given(rows.places[row], joined(rows, columns, row), rows.cells(row))

    def _columns(self, rows: Rows) -> list[str]:
        if self.column and all(name in rows.columns for name in self.column):
            return self.column
        if len(rows.columns) == 1:
            return list(rows.columns)
        listed = ", ".join(map(repr, rows.columns))
        wanted = " and ".join(map(repr, self.column)) or "'text'"
        if not self.column and "text" in rows.columns:
            return ["text"]
        raise DataError(
            f"{rows.name} has no column {wanted}, where the text was in training; it has {listed}: "
            "rename a column"
        )


class LanguageReader(TextReader):
    """Reads the beginning of a text that a language model is to continue.

    Args:
        tokenizer: as in `TextReader`.
        length: tokens that the model sees at once; of a longer beginning the last ones are taken.
        column: as in `TextReader`.
    """

    def ids(self, text: str) -> NDArray[np.int32]:
        """Return the ids of a beginning, int32 [length]: <bos>, the text, and 0 up to the end."""
        found = [BOS, *self.tokenizer.encode(text)]
        return padded([found[-self.length :]], self.length).reshape(-1)


class TranslationReader(TextReader):
    """Reads texts that are to be translated.

    Args:
        tokenizer: as in `TextReader`.
        source_length: tokens of a source; longer ones are cut.
        target_length: tokens of a translation.
        column: as in `TextReader`.
    """

    def __init__(
        self,
        *,
        tokenizer: str,
        source_length: int,
        target_length: int,
        column: Sequence[str] = (),
    ) -> None:
        if min(source_length, target_length) < 1:
            raise DataError(
                f"source_length and target_length ({source_length}, {target_length}) of a reader; "
                "give 1 or more"
            )
        super().__init__(tokenizer=tokenizer, length=source_length + target_length, column=column)
        self.source_length, self.target_length = source_length, target_length

    @property
    def node(self) -> dict[str, Any]:
        """What makes this reader again: `_target_` and arguments, as plain values."""
        return {
            "_target_": "data.text.readers.TranslationReader",
            "tokenizer": self.text,
            "source_length": self.source_length,
            "target_length": self.target_length,
            "column": list(self.column),
        }

    def ids(self, text: str) -> NDArray[np.int32]:
        """Return int32 [source_length + target_length]: the source, then <bos> alone."""
        source = padded([source_ids(self.tokenizer.encode(text), self.source_length)], self.length)
        source[0, self.source_length] = BOS
        return source.reshape(-1)


def source_ids(ids: Sequence[int], length: int) -> list[int]:
    """Return the ids of a source with <eos> at the end, cut at `length`."""
    return [*ids[: length - 1], EOS]


def joined(rows: Rows, columns: Sequence[str], row: int) -> str:
    """Return the text of a row; of several columns one after the other, a line each."""
    cells = [rows.columns[name][row] for name in columns]
    texts = ["" if cell is None else cell if isinstance(cell, str) else str(cell) for cell in cells]
    return "\n".join(texts)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False  # a text may be too long for a name, or hold what no name can


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:77] + "..."

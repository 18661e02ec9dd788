"""The bytes of a file as text: decompressed, decoded, read in place where that will do."""

import codecs
import gzip
import io
from pathlib import Path
from typing import BinaryIO

import numpy as np

from data.errors import DataError
from data.tables.layout import Layout, encoding_of

HEAD_BYTES = 1 << 18
GZIP = b"\x1f\x8b"
SPREADSHEETS = (".xlsx", ".xls", ".ods", ".numbers")


def refuse_spreadsheet(path: Path) -> None:
    """Raise DataError for the files of spreadsheet programs."""
    if path.suffix.lower() in SPREADSHEETS:
        raise DataError(f"{path} is a spreadsheet; save its table as CSV, and give that")


def content_of(path: Path) -> bytes:
    """Return all bytes of a file, decompressed; raises DataError where it can't be read."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == GZIP else content
    except (OSError, EOFError, ValueError) as error:
        raise _unreadable(path, error) from error


def opened(path: Path) -> BinaryIO:
    """Return a file to read bytes from, decompressed."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def decoded_head(content: bytes, encoding: str) -> str:
    """Return the beginning of a text in whole lines, with line ends as they are."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    text = decoder.decode(content[:HEAD_BYTES]).removeprefix("\ufeff")
    if len(content) >= HEAD_BYTES:
        text = text[: text.rfind("\n") + 1] or text
    return text


def text_of(path: Path, given: Layout, *, in_place: bool) -> tuple[str, str, bytes | None]:
    """Return how a text begins, its encoding, and all of it in UTF-8.

    The third is None where the file can be read as it is. With `in_place` its beginning is trusted:
    should there be bytes further on that are no UTF-8, who reads it has to ask again.
    """
    if in_place and given.encoding in (None, "utf-8"):
        start = _start_of(path)
        whole = len(start) < HEAD_BYTES
        if start[:2] != GZIP and encoding_of(start, whole=whole) == "utf-8":
            return decoded_head(start, "utf-8"), "utf-8", None
    content = content_of(path)
    encoding = given.encoding or encoding_of(content, whole=True)
    text: bytes | None = _in_utf8(path, content, encoding)
    head = decoded_head(text or b"", "utf-8")
    if text == content and path.stat().st_size == len(content):
        text = None
    return head, encoding, text


def lines_in(text: bytes | Path) -> int:
    """Return how many lines a text, or a file of one, has; raises DataError where it is gone."""
    if isinstance(text, Path):
        try:
            with text.open("rb", buffering=0) as file:
                return _lines(file)
        except OSError as error:
            raise _unreadable(text, error) from error
    return _lines(io.BytesIO(text))


def _lines(stream: io.RawIOBase | io.BytesIO) -> int:
    lines, last = 0, 10
    piece = bytearray(1 << 20)  # pieces stay in the cache of a core
    while count := stream.readinto(piece):
        lines += int(np.count_nonzero(np.frombuffer(piece, np.uint8, count) == 10))
        last = piece[count - 1]
    return lines + (last != 10)


def _unreadable(path: Path, error: Exception) -> DataError:
    told = getattr(error, "strerror", None) or str(error)
    return DataError(f"{path} can't be read ({told}); restore or replace it")


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return GZIP  # content_of tells what is wrong


def _in_utf8(path: Path, content: bytes, encoding: str) -> bytes:
    if encoding == "utf-8" and content.isascii():
        return content
    try:
        return content.decode(encoding).removeprefix("\ufeff").encode()
    except UnicodeError as error:
        line = content[: getattr(error, "start", 0)].count(b"\n") + 1
        raise DataError(
            f"{path.name}: row {line} is not written in {encoding} "
            f"({getattr(error, 'reason', error)}); name the right one in data.encoding, such as "
            "cp1252 or utf-16"
        ) from error

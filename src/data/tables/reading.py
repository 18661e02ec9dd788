"""The bytes of a file as text: decompressed, decoded, read in place where that will do."""

import codecs
import gzip
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
        told = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path} can't be read ({told}); restore or replace it") from error


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


def text_of(path: Path, given: Layout) -> tuple[str, str, bytes | None, int | None]:
    """Return how a text begins, its encoding, all of it in UTF-8, and how many lines it has.

    The third is None, and the fourth known, where the file has nothing but ASCII and can be read
    in place.
    """
    if given.encoding in (None, "utf-8"):
        lines = _lines_of_ascii(path)
        if lines is not None:
            with path.open("rb") as file:
                return decoded_head(file.read(HEAD_BYTES), "utf-8"), "utf-8", None, lines
    content = content_of(path)
    encoding = given.encoding or encoding_of(content, whole=True)
    text: bytes | None = _in_utf8(path, content, encoding)
    head = decoded_head(text or b"", "utf-8")
    if text == content and path.stat().st_size == len(content):
        text = None
    return head, encoding, text, None


def _lines_of_ascii(path: Path) -> int | None:
    """Return how many lines a file has; None where it has more than ASCII."""
    lines, last = 0, 10
    try:
        with path.open("rb", buffering=0) as file:
            # In pieces that stay in the cache of a core.
            piece = bytearray(1 << 20)
            while count := file.readinto(piece):
                if not (piece if count == len(piece) else piece[:count]).isascii():
                    return None
                lines += int(np.count_nonzero(np.frombuffer(piece, np.uint8, count) == 10))
                last = piece[count - 1]
    except OSError:
        return None  # content_of tells what is wrong
    return lines + (last != 10)


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

"""From the bytes of a text file to text, whatever encoding it is in."""

import codecs
import logging
from pathlib import Path

from data.errors import DataError, SampleError
from data.inputs import nearest

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
FALLBACK = "cp1252"
logger = logging.getLogger(__name__)


def decoded(content: bytes, name: str, encoding: str | None = None) -> tuple[str, str]:
    """Return the text of a file's content, and the encoding that it was read with.

    A byte order mark decides; without one it is UTF-8, and what is no UTF-8 is read as Windows-1252
    (Latin-1 where even that has no such byte). Line ends become a line feed.

    Args:
        content: bytes of a file.
        name: what messages call it.
        encoding: the encoding, where it is known.

    Raises:
        SampleError: NUL bytes, so that it is no text, or an encoding that doesn't fit.
    """
    if encoding is None:
        encoding = next((found for mark, found in BOMS if content.startswith(mark)), "utf-8")
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError as error:
            if encoding != "utf-8":
                raise _unfit(name, encoding, error) from error
            encoding = FALLBACK
            try:
                text = content.decode(encoding)
            except UnicodeDecodeError:
                encoding = "latin-1"
                text = content.decode(encoding)
    else:
        try:
            text = content.decode(encoding)
        except LookupError as error:
            raise SampleError(
                f"{encoding!r} in data.encoding is no encoding; give one such as utf-8 or cp1252"
            ) from error
        except UnicodeDecodeError as error:
            raise _unfit(name, encoding, error) from error
    place = text.find("\0")
    if place >= 0:
        raise SampleError(
            f"{name} has a NUL character in line {text.count(chr(10), 0, place) + 1}, so it is no "
            "plain text; save it as UTF-8 text"
        )
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"), encoding


def read_text(path: Path, encoding: str | None = None) -> tuple[str, str]:
    """Return the text of a file and its encoding, as `decoded`; raises SampleError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SampleError(
            f"{path} can't be read ({error.strerror}); check it and its permissions"
        ) from error
    return decoded(content, str(path), encoding)


def tell_encodings(found: dict[str, str]) -> None:
    """Say which files were not UTF-8 and what they were taken for: {name: encoding}."""
    odd = [name for name, encoding in found.items() if encoding in (FALLBACK, "latin-1")]
    if odd:
        shown = ", ".join(odd[:3]) + (", ..." if len(odd) > 3 else "")
        logger.warning(
            "%s no UTF-8 and read as %s (%s); if letters are wrong, set data.encoding",
            "1 file is" if len(odd) == 1 else f"{len(odd)} files are",
            found[odd[0]],
            shown,
        )


def existing(path: str | Path | None, what: str, key: str = "data.path") -> Path:
    """Return `path` as something that exists; raises DataError with the nearest name."""
    if path is None or not str(path).strip():
        raise DataError(f"{key} is needed: {key}={what}")
    found = Path(path).expanduser()
    if not found.exists():
        raise DataError(f"{found} in {key} does not exist{nearest(found, f'; check {key}')}")
    return found


def _unfit(name: str, encoding: str, error: UnicodeDecodeError) -> SampleError:
    return SampleError(
        f"{name} is no {encoding}: byte {error.start:,} can't be read; save it as UTF-8, or set "
        "data.encoding"
    )

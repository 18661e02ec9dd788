"""What the command line names as inputs: files, folders, globs, and standard input."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from trainer.errors import Refused
from trainer.protocols import Reader

STANDARD_INPUT = "-"
LONGEST_PATH = 65_536
LARGEST_INPUT = 1 << 30  # bytes of the one input that comes on standard input
_BINARY = bytes(set(range(32)) - set(b"\t\n\r\f\x1b"))
_NETPBM = re.compile(rb"P[1-7][\s#]")  # the one family of image files that may be plain text


class Item(NamedTuple):
    """One input: its name, and what the reader is given; or why there is none."""

    name: str
    source: Any = ""
    error: str | None = None
    given: Mapping[str, str] = {}  # columns that the output repeats


def inputs(words: Sequence[str], reader: Reader, stdin: BinaryIO | None) -> Iterator[Item]:
    """All inputs that the words of a command line name, in order, never all of them in memory.

    A word is a file, a folder, a glob, or `-`: standard input, which holds a list of these (one a
    line, or each ended by a NUL), or the bytes of one input. What is named on the command line has
    to be there: raises Refused with every word that names nothing. What a list or a folder names
    and turns out to be missing becomes an item with an error.
    """
    problems: list[str] = []
    found: list[Iterator[Item]] = []
    if words.count(STANDARD_INPUT) > 1:
        problems.append("- (standard input) is given more than once; it can be read only once")
    for word in words if not problems else ():
        try:
            found.append(
                standard_input(stdin, reader) if word == STANDARD_INPUT else named(word, reader)
            )
        except Exception as error:
            if not hasattr(error, "exit_code"):
                raise
            problems += getattr(error, "problems", [str(error)])
    if problems:
        raise Refused(*problems)
    return (item for items in found for item in items)


def named(word: str, reader: Reader) -> Iterator[Item]:
    """The inputs of one word, the first of which is looked for at once."""
    sources = reader.expand(word)
    first = next(sources, None)
    if first is None:
        raise Refused(f"{word} holds no input; give a file, a folder or a glob that does")
    return _followed(first, sources, word)


def _followed(first: Any, sources: Iterator[Any], word: str) -> Iterator[Item]:
    yield item_of(first)
    try:
        for source in sources:
            yield item_of(source)
    except Exception as error:
        if not hasattr(error, "exit_code"):
            raise
        # A folder within that can't be listed: what was found before it has gone through.
        yield Item(word, error=str(error))


def item_of(source: Any) -> Item:
    """The item for what a reader's `expand` gives: a path, or (name, source, columns)."""
    if isinstance(source, str):
        return Item(source, source)
    name, inner, columns = source
    return Item(name, inner, given=columns)


def standard_input(stream: BinaryIO | None, reader: Reader) -> Iterator[Item]:
    """What standard input brings: a list of inputs, or one input's bytes.

    It is a list where its first line names something that exists, and otherwise where it is text;
    anything else, and the text forms of netpbm images, are the bytes of one input.
    """
    if stream is None:
        raise Refused("- is standard input, which is closed; name the inputs")
    head = b""
    while len(head) < LONGEST_PATH and not re.search(rb"[^\r\n\0][\n\0]", head):
        more = stream.read(1) if not head else _read1(stream)
        if not more:
            break
        head += more
    if not head.strip(b"\r\n\0"):
        raise Refused("- is standard input, which is empty; give paths, one a line, or an image")
    whole = getattr(reader, "expand_bytes", None)
    if whole is None and is_list(head):
        return _listed(head, stream, reader)
    content = head + stream.read(LARGEST_INPUT - len(head) + 1)
    if len(content) > LARGEST_INPUT:
        raise Refused(f"- is more than {LARGEST_INPUT:,} bytes, too long for one input")
    if whole is not None:
        return map(item_of, whole(content))
    return iter([Item(STANDARD_INPUT, content)])


def _read1(stream: BinaryIO) -> bytes:
    """What is there, without waiting for more."""
    some: bytes = stream.read1(LONGEST_PATH)  # type: ignore[attr-defined]
    return some


def is_list(head: bytes) -> bool:
    """Whether bytes that standard input begins with belong to a list of paths."""
    first = next((p for p in re.split(rb"[\r\n\0]+", head) if p), b"")
    if len(first) < 4096 and os.path.lexists(first):
        return True
    return not (_NETPBM.match(head) or head.translate(None, _BINARY) != head)


def _listed(head: bytes, stream: BinaryIO, reader: Reader) -> Iterator[Item]:
    for piece in _pieces(head, stream, b"\0" if b"\0" in head else b"\n"):
        word = os.fsdecode(piece.rstrip(b"\r\n"))
        if not word:
            continue
        if len(word) > LONGEST_PATH:
            yield Item(word[:80] + "...", error="a line of standard input is too long for a path")
            continue
        try:
            items = named(word, reader)
        except Exception as error:
            if not hasattr(error, "exit_code"):
                raise
            # In a list, one that isn't there doesn't end the others.
            items = iter([Item(word, error=str(error))])
        yield from items


def _pieces(head: bytes, stream: BinaryIO, separator: bytes) -> Iterator[bytes]:
    rest = head
    while True:
        *whole, rest = rest.split(separator)
        yield from whole
        # Of an endless line, as much is kept as shows that it is one.
        rest = rest[: LONGEST_PATH + 1]
        more = _read1(stream)
        if not more:
            break
        rest += more
    yield rest

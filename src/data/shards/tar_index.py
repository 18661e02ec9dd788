"""Where the samples of tar shards lie: their headers are read once, their content is not."""

import json
import math
import tarfile
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.inputs import EXTENSIONS
from data.shards.listing import Shards
from data.shards.names import PackedNames, packed
from data.splits import Indices

IMAGES = frozenset(extension.removeprefix(".") for extension in EXTENSIONS)
FIELDS = ("label", "class", "cls", "target", "category", "class_name")
LARGEST_LABEL = 1 << 20
MOST_BAD = 10_000
Member = tuple[int, int]
Label = int | str


@dataclass
class TarIndex:
    """The samples of all shards: where each one's image lies, and its class."""

    names: PackedNames
    """Name of each sample: its shard and its key."""
    shard: NDArray[np.int32]
    """Number of each sample's shard [N]."""
    offset: Indices
    """Where its image begins in the shard, in bytes [N]."""
    size: Indices
    """Bytes of its image [N]."""
    labels: Indices
    """Its class [N]."""
    classes: tuple[str, ...]
    """Class names."""
    bad: dict[str, str]
    """Why samples can't be used, by name: they are in none of the arrays."""


@dataclass
class _Found:
    keys: list[str] = field(default_factory=list)
    shard: "array[int]" = field(default_factory=lambda: array("i"))
    offset: "array[int]" = field(default_factory=lambda: array("q"))
    size: "array[int]" = field(default_factory=lambda: array("q"))
    code: "array[int]" = field(default_factory=lambda: array("i"))
    values: dict[Label, int] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)


def index_tars(shards: Shards, target: str | None, classes: Sequence[str] | None) -> TarIndex:
    """Return where the images of all shards lie, and the class of each.

    Args:
        shards: the tar files.
        target: where a sample's class is: the extension of a member ("cls", "txt"), or a field of
            the JSON member ("json.FIELD"); None for cls, or else a field with a usual name.
        classes: names for classes that are stored as numbers.

    Raises:
        DataError: no usable sample at all, or numbers and names that don't go together.
    """
    found = _Found()
    for number, (path, name) in enumerate(zip(shards.paths, shards.names, strict=True)):
        _index_one(path, name, number, target, found)
        if len(found.bad) > MOST_BAD:
            raise DataError(*found.bad.values())
    if not found.keys:
        empty = f"{len(shards.names)} shards in data.path hold no samples; check data.path"
        raise DataError(*(found.bad.values() or [empty]))
    order, names = _classes(list(found.values), classes)
    text, ends = packed(found.keys)
    shard = np.frombuffer(found.shard, dtype=np.int32)
    return TarIndex(
        names=PackedNames(shards.names, shard, text, ends),
        shard=shard,
        offset=np.frombuffer(found.offset, dtype=np.int64),
        size=np.frombuffer(found.size, dtype=np.int64),
        labels=order[np.frombuffer(found.code, dtype=np.int32)],
        classes=names,
        bad=found.bad,
    )


def samples(path: Path, name: str) -> Iterator[tuple[str, dict[str, Member]]]:
    """Return key and members (offset and size by extension) of each sample of a tar file.

    As WebDataset has it: files that follow each other and are called alike up to the first dot
    belong together.

    Raises:
        DataError: the file is damaged; the samples before it have been given.
    """
    key, members, last = "", dict[str, Member](), "its beginning"
    try:
        with tarfile.open(path, "r:") as archive:
            while (entry := archive.next()) is not None:
                # The archive would keep every header.
                archive.members = []  # type: ignore[attr-defined]
                parts = [part for part in entry.name.split("/") if part not in ("", ".")]
                if not entry.isreg() or any(part.startswith((".", "__")) for part in parts):
                    continue  # what macOS and WebDataset add
                base, _, extension = parts[-1].partition(".")
                stem = "/".join([*parts[:-1], base])
                if stem != key and members:
                    yield key, members
                    members = {}
                key, last = stem, entry.name
                members[extension.lower()] = (entry.offset_data, entry.size)
    except (tarfile.TarError, OSError, EOFError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if path.is_file() and not path.stat().st_size:
            reason = "an empty file"
        elif (packer := _packer(path)) is not None:
            raise DataError(
                f"{name} is compressed, though it isn't called so, and can't be read from the "
                f"middle; rename it to {name}{packer[1]} and unpack it ({packer[0]})"
            ) from error
        raise DataError(
            f"{name} is truncated or no tar file ({reason}) after {last}; fetch it again, or "
            "remove it"
        ) from error
    if members:
        yield key, members


def image_of(members: dict[str, Member]) -> str | None:
    """Return the extension of the member that is the image; None where none or several are."""
    images = [extension for extension in members if extension.rsplit(".", 1)[-1] in IMAGES]
    plain = [extension for extension in images if "." not in extension]
    chosen = plain if len(plain) == 1 else images
    return chosen[0] if len(chosen) == 1 else None


def label_of(
    file: BinaryIO, members: dict[str, Member], target: str | None
) -> tuple[Label | None, str]:
    """Return the class that a sample's members state, or None and what is wrong."""
    wanted = target or next((each for each in ("cls", "json") if each in members), "cls")
    extension, _, name = wanted.partition(".")
    if extension not in members:
        return None, f"has no {extension}"
    content = _content(file, members[extension])
    if content is None:
        return None, f"has a {extension} that is cut off or too large for a class"
    if extension != "json":
        text = content.decode("utf-8", "replace").strip()
        return (_number(text), "") if text else (None, f"has an empty {extension}")
    try:
        fields = json.loads(content)
    except ValueError as error:
        return None, f"has a json that can't be read ({error})"
    usual = [each for each in FIELDS if isinstance(fields, dict) and each in fields]
    name = name or next(iter(usual), "")
    value = fields.get(name) if isinstance(fields, dict) else fields
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
        of = f"field {name!r}" if name else f"of the fields {', '.join(FIELDS)}"
        return None, f"has a json without a class in {of}"
    if isinstance(value, float):
        if not math.isfinite(value) or value != int(value):
            return None, f"has {value} as its class in json; a class is a name or a whole number"
        value = int(value)
    return (_number(value) if isinstance(value, str) else value), ""


def _index_one(path: Path, name: str, number: int, target: str | None, found: _Found) -> None:
    keys = set[str]()
    try:
        with path.open("rb") as file:
            for key, members in samples(path, name):
                image = image_of(members)
                value, why = label_of(file, members, target)
                if image is None:
                    value, why = None, "has no image, or several"
                if key in keys:
                    value, why = None, "comes twice"
                keys.add(key)
                if value is None or image is None:
                    held = ", ".join(sorted(members)) or "nothing"
                    found.bad[f"{name}/{key}"] = (
                        f"{name}: sample {key!r} {why} (it has {held}); mend the shard, or name "
                        "the class's member in data.target"
                    )
                    continue
                found.keys.append(key)
                found.shard.append(number)
                found.offset.append(members[image][0])
                found.size.append(members[image][1])
                found.code.append(found.values.setdefault(value, len(found.values)))
    except DataError as error:
        found.bad[name] = str(error)
    except OSError as error:
        found.bad[name] = f"{name} can't be read ({error.strerror}); check its permissions"


def _content(file: BinaryIO, member: Member) -> bytes | None:
    offset, size = member
    if size > LARGEST_LABEL:
        return None
    file.seek(offset)
    content = file.read(size)
    return content if len(content) == size else None


def _number(text: str) -> Label:
    """Return a whole number as such: "3" and 3 are one class."""
    return int(text) if text.isdecimal() and text.isascii() else text


def _classes(values: Sequence[Any], names: Sequence[str] | None) -> tuple[Indices, tuple[str, ...]]:
    """Return the class of each value in the order they were met, and the class names."""
    numbers = all(isinstance(value, int) for value in values)
    if names is None:
        ordered = sorted(values) if numbers else sorted(values, key=str)
        shown = tuple(map(str, ordered))
        place = {value: number for number, value in enumerate(ordered)}
    elif numbers:
        shown, place = tuple(map(str, names)), {value: value for value in values}
        beyond = [str(value) for value in sorted(values) if not 0 <= value < len(shown)]
        if beyond:
            raise DataError(
                f"{len(beyond)} classes of the shards ({', '.join(beyond[:5])}) are beyond the "
                f"{len(shown)} names in data.classes, which count from 0; give a name for each"
            )
    else:
        shown = tuple(map(str, names))
        place = {name: number for number, name in enumerate(shown)}
        place |= {int(name): number for name, number in list(place.items()) if name.isdecimal()}
        unknown = sorted(str(value) for value in values if value not in place)
        if unknown:
            raise DataError(
                f"{len(unknown)} classes of the shards are not in data.classes "
                f"({', '.join(map(repr, unknown[:5]))}); add them, or leave data.classes out"
            )
    return np.array([place[value] for value in values], dtype=np.int64), shown


def _packer(path: Path) -> tuple[str, str] | None:
    """Return the program that unpacks a file and the ending it wants, by its first bytes."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        start = file.read(6)
    marks = {
        b"\x1f\x8b": ("gunzip", ".gz"),
        b"BZh": ("bunzip2", ".bz2"),
        b"\xfd7zXZ\x00": ("unxz", ".xz"),
        b"\x28\xb5\x2f\xfd": ("unzstd", ".zst"),
    }
    return next((found for mark, found in marks.items() if start.startswith(mark)), None)

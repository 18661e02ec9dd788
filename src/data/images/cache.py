"""Decoded pictures, held in memory or in a file on disk that all workers share.

A cache file holds all pictures one after the other, then a description of them (sizes, CRC-32 of
each), then the description's length and CRC-32. It is named after what it was made of, written
beside its place and renamed when it is whole, so that several processes may make the same one.
"""

import contextlib
import hashlib
import json
import logging
import os
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.cpus import available_cpus
from data.errors import DataError, SampleError
from data.splits import Indices

FORMAT = b"5STEPPIX"
TRAILER = struct.Struct("<QI8s")
BLOCK = 256
STALE_SECONDS = 24 * 3600
logger = logging.getLogger(__name__)
Found = tuple[NDArray[np.uint8] | None, str]


class Bytes:
    """Bytes in memory, or of a file; a worker gets the file's name instead of its content."""

    def __init__(self, content: Tensor | None = None, path: Path | None = None) -> None:
        self._content, self.path = content, path

    @property
    def tensor(self) -> Tensor:
        """All of them, uint8."""
        if self._content is None:
            assert self.path is not None
            # Copy on write, since torch wants tensors that may be written to.
            self._content = torch.from_numpy(np.memmap(self.path, dtype=np.uint8, mode="c"))
        return self._content

    def __getstate__(self) -> dict[str, Any]:
        content = self._content if self.path is None else None
        return {"_content": content, "path": self.path}


class Held:
    """Decoded pictures, one after the other.

    Args:
        content: their pixels, [H, W, C] each.
        starts: where each begins, int64 [N].
        sizes: rows and columns of each, int64 [N, 2].
        channels: C of all of them.
    """

    def __init__(
        self, content: Bytes, starts: Indices, sizes: NDArray[np.int64], channels: int
    ) -> None:
        self.content, self.starts, self.sizes, self.channels = content, starts, sizes, channels

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def is_uniform(self) -> bool:
        """Whether all have one size."""
        return len(self) > 0 and bool((self.sizes == self.sizes[0]).all())

    @property
    def height(self) -> int:
        """Rows of the pictures, where they have one size."""
        return int(self.sizes[0, 0])

    @property
    def width(self) -> int:
        """Columns, likewise."""
        return int(self.sizes[0, 1])

    @property
    def num_bytes(self) -> int:
        """Bytes of all of these pictures."""
        return int(self.sizes.prod(axis=1).sum()) * self.channels

    def one(self, index: int) -> NDArray[np.uint8]:
        """Return a picture, uint8 [H, W, C]; not to be written to."""
        start, (height, width) = int(self.starts[index]), self.sizes[index].tolist()
        whole = self.content.tensor[start : start + height * width * self.channels]
        pixels: NDArray[np.uint8] = whole.numpy().reshape(height, width, self.channels)
        return pixels

    def stack(self, indices: Sequence[int] | Indices) -> Tensor:
        """Return pictures of one size as uint8 [B, H, W, C]."""
        pixels = np.empty((len(indices), self.height, self.width, self.channels), dtype=np.uint8)
        for place, index in enumerate(indices):
            pixels[place] = self.one(int(index))
        return torch.from_numpy(pixels)

    def read(self, indices: Sequence[int] | Indices) -> Tensor:
        """Return pictures of one size as uint8 [B, C, H, W]."""
        return self.stack(indices).permute(0, 3, 1, 2).contiguous()

    def subset(self, places: Indices) -> "Held":
        """Return some of them; nothing is copied."""
        return Held(self.content, self.starts[places], self.sizes[places], self.channels)


def folder() -> Path:
    """Return where cache files lie: FIVESTEP_CACHE, or ~/.cache/fivestep."""
    named = os.environ.get("FIVESTEP_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "fivestep"


def in_memory(
    decode: Callable[[int], NDArray[np.uint8]],
    count: int,
    channels: int,
    but: Collection[int] = (),
) -> tuple[Held, dict[int, str]]:
    """Decode pictures in threads and hold them; also why some can't be decoded, by their place.

    Those, and the places in `but`, which aren't tried, have no pixels.
    """
    parts: list[NDArray[np.uint8]] = []
    sizes, bad = np.zeros((count, 2), dtype=np.int64), dict[int, str]()
    for place, (pixels, why) in enumerate(_decoded(decode, count, but)):
        if pixels is None:
            bad |= {place: why} if why else {}
            continue
        sizes[place] = pixels.shape[:2]
        parts.append(pixels)
    content = np.empty(int(sizes.prod(axis=1).sum()) * channels, dtype=np.uint8)
    start = 0
    for number, part in enumerate(parts):
        content[start : start + part.size] = part.ravel()
        start += part.size
        parts[number] = content[:0]  # let go of it: only one copy of all is to be held
    return Held(Bytes(torch.from_numpy(content)), _starts(sizes, channels), sizes, channels), bad


def on_disk(
    decode: Callable[[int], NDArray[np.uint8]],
    marks: Sequence[str],
    options: str,
    channels: int,
    but: Collection[int] = (),
) -> tuple[Held, dict[int, str]]:
    """Return what `in_memory` does, from a cache file, which is made where there is none.

    Args:
        decode: gives picture number i, uint8 [H, W, C], or raises SampleError.
        marks: for each picture what changes when its file does: path, size, time.
        options: all else that the pixels depend on.
        channels: C of the pictures.
        but: places that aren't tried.

    Raises:
        DataError: the file can't be written.
    """
    digest = hashlib.sha256(
        "\0".join([options, str(sorted(but)), *marks]).encode("utf-8", "replace")
    )
    path = folder() / f"images-{digest.hexdigest()[:32]}.bin"
    if path.exists():
        if (found := _opened(path, len(marks), channels)) is not None:
            return found
        logger.warning("%s is damaged; it is made again", path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path.parent)
        written = _written(path, decode, len(marks), but)
    except OSError as error:
        raise DataError(
            f"{path} can't be written ({error.strerror or error}); make room, name another folder "
            "in FIVESTEP_CACHE, or set data.cache=false"
        ) from error
    logger.warning("%d decoded pictures, %.1f MB, are kept in %s", len(marks), written / 1e6, path)
    found = _opened(path, len(marks), channels)
    if found is None:
        raise DataError(f"{path} does not hold what was written to it; check the disk")
    return found


def _decoded(
    decode: Callable[[int], NDArray[np.uint8]], count: int, but: Collection[int]
) -> Iterator[Found]:
    """Yield each picture in order, or why it can't be decoded; a block at a time, in threads."""

    def one(place: int) -> Found:
        if place in but:
            return None, ""
        try:
            return decode(place), ""
        except SampleError as error:
            return None, str(error)

    with ThreadPoolExecutor(min(8, available_cpus())) as pool:
        for start in range(0, count, BLOCK):
            yield from pool.map(one, range(start, min(count, start + BLOCK)))


def _written(
    path: Path, decode: Callable[[int], NDArray[np.uint8]], count: int, but: Collection[int]
) -> int:
    """Write a cache file, in place only when it is whole; return the bytes of its pixels."""
    sizes, checks, bad, total = list[list[int]](), list[int](), dict[int, str](), 0
    number, name = tempfile.mkstemp(prefix=f"{path.stem}-", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            for place, (pixels, why) in enumerate(_decoded(decode, count, but)):
                if pixels is None:
                    bad |= {place: why} if why else {}
                    pixels = np.empty((0, 0, 1), dtype=np.uint8)
                content = np.ascontiguousarray(pixels).data
                file.write(content)
                sizes.append(list(pixels.shape[:2]))
                checks.append(zlib.crc32(content))
                total += pixels.size
            told = json.dumps({"sizes": sizes, "crc32": checks, "bad": bad}).encode()
            file.write(told + TRAILER.pack(len(told), zlib.crc32(told), FORMAT))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    return total


def _opened(path: Path, count: int, channels: int) -> tuple[Held, dict[int, str]] | None:
    """Return what a cache file holds; None where a single byte is not what was written."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - TRAILER.size))
            length, check, mark = TRAILER.unpack(file.read())
            file.seek(end - TRAILER.size - length)
            told = file.read(length)
        if mark != FORMAT or zlib.crc32(told) != check:
            return None
        facts = json.loads(told)
        sizes = np.array(facts["sizes"], dtype=np.int64).reshape(-1, 2)
    except (OSError, struct.error, ValueError, KeyError):
        return None
    starts = _starts(sizes, channels)
    held = Held(Bytes(path=path), starts, sizes, channels)
    if len(sizes) != count or held.num_bytes != end - TRAILER.size - length:
        return None

    def sound(place: int) -> bool:
        return zlib.crc32(held.one(place).data) == int(facts["crc32"][place])

    present = [place for place in range(count) if sizes[place].all()]
    with ThreadPoolExecutor(min(8, available_cpus())) as pool:
        if not all(pool.map(sound, present, chunksize=BLOCK)):
            return None
    return held, {int(place): why for place, why in facts["bad"].items()}


def _starts(sizes: NDArray[np.int64], channels: int) -> Indices:
    lengths = sizes.prod(axis=1) * channels
    starts: Indices = np.cumsum(lengths) - lengths
    return starts


def _remove_stale(place: Path) -> None:
    """Remove what builds that were killed have left."""
    for part in _parts(place):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > STALE_SECONDS:
                part.unlink()


def _parts(place: Path) -> Iterable[Path]:
    return place.glob("images-*.part")

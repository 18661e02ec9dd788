"""Shards as users have them, made of a few bytes."""

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def jpeg(color: int, seed: int = 0, side: int = 14, kind: str = "PNG") -> bytes:
    """A noisy picture in which one channel is bright."""
    pixels = np.random.default_rng(seed).integers(0, 80, (side, side + 3, 3), dtype=np.uint8)
    pixels[..., color] += 150
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


def tar(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """A tar file of these members, in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def pictures(first: int, count: int, *, classes: int = 3, **others: bytes) -> list[Any]:
    """Members of samples with a picture and a class."""
    found = []
    for number in range(first, first + count):
        found.append((f"{number:06d}.png", jpeg(number % classes, number)))
        found.append((f"{number:06d}.cls", str(number % classes).encode()))
        found += [(f"{number:06d}.{name}", content) for name, content in others.items()]
    return found


def folder_of_pictures(folder: Path, shards: int = 4, each: int = 15) -> Path:
    """Shards part-000.tar ..."""
    for number in range(shards):
        tar(folder / f"part-{number:03d}.tar", pictures(number * each, each))
    return folder


def labelled(fields: Mapping[str, Any]) -> bytes:
    """A JSON member."""
    return json.dumps(fields).encode()


def parquet(path: Path, columns: Mapping[str, Any], group: int = 50) -> Path:
    """A Parquet file of these columns, in small row groups."""
    import pyarrow
    from pyarrow import parquet as writer

    path.parent.mkdir(parents=True, exist_ok=True)
    writer.write_table(pyarrow.table(dict(columns)), path, row_group_size=group)
    return path


def columns_of(seed: int, count: int = 200) -> dict[str, Any]:
    """Numbers, a truth value, a text, and a class that follows from the numbers."""
    chance = np.random.default_rng(seed)
    first, second = chance.normal(5, 2, count), chance.normal(0, 100, count).astype(np.float32)
    return {
        "a": first,
        "b b": second,
        "flag": chance.random(count) < 0.5,
        "note": [f"n{number}" for number in range(count)],
        "person": [f"p{number // 10}/{seed}" for number in range(count)],
        "species": np.where(first + second / 100 > 5, "cat", "dog"),
    }

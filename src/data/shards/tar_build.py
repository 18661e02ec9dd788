"""From tar shards to splits of images: index, split, statistics."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from data.bad_samples import BadFile, OnError
from data.errors import DataError, SampleError
from data.images.build import STATISTICS_SAMPLES, choice, fingerprint, image_info, statistics
from data.info import ImageInfo
from data.pixels.decoding import Fit
from data.shards.left_out import judged
from data.shards.listing import Shards
from data.shards.tar_index import index_tars
from data.splits import Indices, Splits
from data.splitting import split


def image_splits(
    shards: Shards,
    *,
    target: str | None,
    classes: Sequence[str] | None,
    shape: tuple[int, int, int],
    fit: Fit,
    buffer: int,
    augment: Any,
    transform: Any,
    on_error: OnError,
    max_bad: int,
    options: dict[str, Any],
) -> Splits[ImageInfo]:
    """Return the splits of the images of tar files; `options` are those of `split`."""
    from data.shards.tar_images import StreamedImages, TarFiles

    index = index_tars(shards, target, classes)
    found = judged(index.bad, len(index.bad), "samples", on_error, max_bad)
    given: dict[str, Any] = {}
    if any(shards.splits):
        given["given"] = [shards.splits[number] for number in index.shard.tolist()]
    if options["method"] is None and not given:
        options = options | {"method": "hash"}
    parts = split(
        count=len(index.labels),
        labels=index.labels,
        names=index.names,
        classes=index.classes,
        **given,
        **options,
    )
    channels, height, width = shape
    paths = tuple(shards.paths)

    def files(rows: Indices) -> TarFiles:
        return TarFiles(index, paths, rows, shape=shape, fit=fit)

    drawn = parts[0][choice(len(parts[0]), STATISTICS_SAMPLES)]
    pixels, unread = _decoded(files(drawn), shape)
    found = _unreadable(found, index.names.of(drawn), unread, on_error, max_bad)
    gone = drawn[list(unread)]
    parts = (np.setdiff1d(parts[0], gone), parts[1], parts[2])
    sized = [f"{n} {p.stat().st_size}" for n, p in zip(shards.names, paths, strict=True)]
    head = "\n".join([f"{channels} {height} {width} {fit}", *sized])
    content = head.encode("utf-8", "surrogateescape") + index.names.content
    info = image_info(
        classes=index.classes,
        counts=np.bincount(index.labels[parts[0]], minlength=len(index.classes)),
        shape=shape,
        statistics=statistics(np.delete(pixels, list(unread), axis=0)),
        fit=fit,
        parts=parts,
        mark=fingerprint(content, index.labels, parts),
    )
    datasets = [
        StreamedImages(
            files(part),
            index.labels[part],
            buffer=buffer,
            num_classes=len(index.classes),
            names=index.names.of(part),
            mean=info.mean,
            std=info.std,
            augment=augment if number == 0 else None,
            transform=transform if number == 0 else None,
        )
        if len(part)
        else None
        for number, part in enumerate(parts)
    ]
    return Splits(datasets[0], datasets[1], datasets[2], info, found)


def _decoded(files: Any, shape: tuple[int, int, int]) -> tuple[Any, dict[int, str]]:
    """Decode a sample of the images; also returns why some can't be, by their place."""
    pixels = np.zeros((len(files), *shape), dtype=np.uint8)
    unread = {}
    for place in range(len(files)):
        try:
            pixels[place] = files.one(place).transpose(2, 0, 1)
        except SampleError as error:
            unread[place] = str(error)
    return pixels, unread


def _unreadable(
    found: tuple[BadFile, ...],
    names: Sequence[str],
    unread: dict[int, str],
    on_error: OnError,
    max_bad: int,
) -> tuple[BadFile, ...]:
    """Return what is left out, now with the images that can't be decoded."""
    if not unread:
        return found
    reasons = {each.name: each.reason for each in found}
    reasons |= {names[place]: why for place, why in unread.items()}
    found = judged(reasons, len(reasons), "samples", on_error, max_bad)
    if len(unread) == len(names):
        raise DataError(f"none of {len(names)} training images can be read; mend the shards")
    return found

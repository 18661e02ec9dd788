"""From pictures wherever they come from to Splits: what folders, tables and other sets share."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from data.augmentation.batches import RandomResizedCrop
from data.images.build import STATISTICS_SAMPLES, choice, fingerprint, image_info, statistics
from data.images.holding import decoded, held_originals, held_pixels
from data.images.options import Settings
from data.images.source import Source
from data.images.targets import Targets
from data.info import ImageInfo
from data.left_out import Parts, judge, without
from data.splits import Splits


def image_splits(
    source: Source,
    targets: Targets,
    parts: Parts,
    *,
    settings: Settings,
    kind: str,
    bad: dict[int, str],
    content: bytes,
    problems: Sequence[str] = (),
) -> Splits[ImageInfo]:
    """Return the splits of pictures: decode and hold them as `kind` says, measure, describe.

    Args:
        source: all pictures.
        targets: the truth about each.
        parts: indices of training, validation and test.
        settings: see there.
        kind: "memory", "disk" or "none", see `cache_kind`.
        bad: why some can't be read, as far as it is known.
        content: what the fingerprint is taken over.
        problems: what else is wrong with the data.

    Raises:
        DataError: pictures that can't be read and mustn't be left out, or too many of them.
    """
    from data.images.dataset import Images

    cropped = isinstance(settings.augment, RandomResizedCrop)
    wanted = np.concatenate(parts[1:]) if cropped else np.arange(len(source))
    held, undecoded = held_pixels(source, wanted, kind, bad)
    bad |= undecoded
    originals: Any = None
    if cropped:
        originals, undecoded = held_originals(source, parts[0], settings, kind, bad)
        bad |= undecoded
    pixels = None
    if held is None or cropped:
        # Now only those that the statistics are taken over.
        train = [place for place in parts[0].tolist() if place not in bad]
        drawn = [train[number] for number in choice(len(train), STATISTICS_SAMPLES)]
        pixels, found = decoded(source, drawn)
        pixels = np.delete(pixels, list(found), axis=0)
        bad |= {drawn[row]: why for row, why in found.items()}
    judge(problems, list(bad.values()), settings.on_error, settings.max_bad)
    whole = parts
    parts, left_out = without(
        parts, bad, targets.shared_labels, names=source.names, classes=targets.names
    )
    if pixels is None:
        assert held is not None
        train = parts[0][choice(len(parts[0]), STATISTICS_SAMPLES)].tolist()
        pixels = held(np.array(train, dtype=np.int64))
        pixels = pixels.numpy() if hasattr(pixels, "numpy") else pixels
    info = _described(source, targets, parts, statistics(pixels), content)
    datasets: list[Images | None] = []
    for number, part in enumerate(parts):
        learns = number == 0
        if not len(part):
            datasets.append(None)
            continue
        stored = held is not None and not (learns and cropped)
        samples = held.part(part) if stored and held is not None else source.subset(part)
        kept = np.searchsorted(whole[0], part) if learns and cropped else None
        datasets.append(
            Images(
                samples,
                targets.values[part],
                names=tuple(source.names[index] for index in part.tolist()),
                mean=info.mean,
                std=info.std,
                info=info if targets.problem != "classification" else None,
                target_names=targets.names if targets.problem != "classification" else (),
                num_classes=info.num_classes or None,
                augment=settings.augment if learns else None,
                transform=settings.transform if learns else None,
                originals=originals(kept) if kept is not None else None,
            )
        )
    return replace(Splits(datasets[0], datasets[1], datasets[2], info), bad=left_out)


def _described(
    source: Source,
    targets: Targets,
    parts: Parts,
    measured: tuple[tuple[float, ...], tuple[float, ...]],
    content: bytes,
) -> ImageInfo:
    info = image_info(
        classes=targets.names,
        counts=np.asarray(targets.counts(parts[0])),
        shape=(source.channels, source.height, source.width),
        statistics=measured,
        fit=source.fit,
        parts=parts,
        mark=fingerprint(content, targets.marks, parts),
    )
    return targets.described(info, parts[0])

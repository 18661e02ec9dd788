"""From pictures wherever they come from to Splits: what folders, tables and other sets share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from data.augmentation.batches import RandomResizedCrop
from data.bad_samples import OnError, failures, option_problems
from data.errors import DataError
from data.images.build import STATISTICS_SAMPLES, choice, fingerprint, image_info, statistics
from data.images.targets import Targets
from data.info import ImageInfo
from data.left_out import Parts, judge, without
from data.pixels.decoding import FITS, Fit
from data.splits import Indices, Splits

CACHE_BYTES = 1 << 30
PROBED_FILES = 50
Cache = bool | Literal["auto", "memory", "disk"]
CACHES = ("auto", "memory", "disk", True, False)


class Source(Protocol):
    """Pictures by their number, such as `data.images.files.Files`."""

    @property
    def names(self) -> tuple[str, ...]:
        """What to call each."""
        ...

    @property
    def channels(self) -> int:
        """1 for gray, 3 for RGB."""
        ...

    @property
    def height(self) -> int:
        """Rows that `one` gives."""
        ...

    @property
    def width(self) -> int:
        """Columns."""
        ...

    @property
    def fit(self) -> Fit:
        """How they get that size, see `data.pixels.decoding.decode`."""
        ...

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def one(self, index: int) -> NDArray[np.uint8]:
        """Return one at the size of the data, uint8 [H, W, C]; raises SampleError."""
        ...

    def original(self, index: int, short: int) -> NDArray[np.uint8]:
        """Return one whole, with at most `short` pixels on its shorter side."""
        ...

    def num_bytes(self, index: int, short: int) -> int:
        """Return how many bytes `original` would give, without decoding it; 0 if unknown."""
        ...

    def subset(self, places: Sequence[int] | Indices) -> Any:
        """Return some of the pictures."""
        ...

    def marks(self) -> list[str]:
        """Return for each picture what changes when it does."""
        ...


@dataclass(frozen=True)
class Settings:
    """What a user chooses about images, wherever they come from."""

    augment: Any = None
    """For training samples only, see `data.images.dataset.Images`."""
    transform: Any = None
    """Likewise."""
    cache: Cache = "auto"
    """Where decoded pictures are kept."""
    source_size: int | None = None
    """Shorter side of the pictures that RandomResizedCrop cuts from; None: twice the data's."""
    on_error: OnError = "stop"
    """What to do about pictures that can't be read."""
    max_bad: int = 20
    """With "skip", so many may be left out."""

    def problems(self) -> list[str]:
        """Return all that is wrong with them."""
        found = option_problems(self.on_error, self.max_bad)
        if self.cache not in CACHES:
            found.append(
                f"cache ({self.cache!r}) in data.cache; choose auto, memory, disk or false"
            )
        if self.source_size is not None and (
            type(self.source_size) is not int or self.source_size < 1
        ):
            found.append(
                f"source_size ({self.source_size!r}) in data.source_size; give pixels, 1 or more"
            )
        return found

    def short(self, source: Source) -> int:
        """Return the shorter side of whole pictures."""
        return self.source_size or 2 * min(source.height, source.width)


def size_problems(size: Any, channels: Any, fit: Any) -> list[str]:
    """Return what is wrong with the form that pictures are to get."""
    problems = []
    sides = [size, size] if isinstance(size, int) else list(size)
    if len(sides) != 2 or any(not isinstance(side, int) or side < 1 for side in sides):
        problems.append(f"size ({size}) in data.size; give a number of pixels or [height, width]")
    if channels not in (1, 3):
        problems.append(f"channels ({channels}) in data.channels; give 1 for gray or 3 for RGB")
    if fit not in FITS:
        problems.append(f"fit ({fit!r}) in data.fit; choose {', '.join(FITS)}")
    return problems


def cache_kind(settings: Settings, source: Source, train: int) -> str:
    """Return "memory", "disk" or "none"; "auto" is memory up to 1 GiB.

    `train` is how many of the pictures are for training.
    """
    if settings.cache is True:
        return "memory"
    if settings.cache in ("memory", "disk"):
        return str(settings.cache)
    if settings.cache is False:
        return "none"
    one = source.channels * source.height * source.width
    num_bytes = len(source) * one
    if isinstance(settings.augment, RandomResizedCrop):
        probed = choice(len(source), PROBED_FILES).tolist()
        sizes = [source.num_bytes(place, settings.short(source)) for place in probed]
        num_bytes += train * int(np.mean(sizes)) - train * one
    return "memory" if num_bytes <= CACHE_BYTES else "none"


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
    held, undecoded = _held(source, wanted, kind, bad)
    bad |= undecoded
    originals: Any = None
    if cropped:
        originals, undecoded = _originals(source, parts[0], settings, kind, bad)
        bad |= undecoded
    pixels = None
    if held is None or cropped:
        # Now only those that the statistics are taken over.
        train = [place for place in parts[0].tolist() if place not in bad]
        drawn = [train[number] for number in choice(len(train), STATISTICS_SAMPLES)]
        pixels, found = _decoded(source, drawn)
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


class _Pixels:
    """Decoded pictures at the size of the data, by their number in the source."""

    def __init__(self, held: Any, wanted: Indices, count: int) -> None:
        self._held = held
        self._rows = np.full(count, -1, dtype=np.int64)
        self._rows[wanted] = np.arange(len(wanted))

    def __call__(self, places: Indices) -> Any:
        rows = self._rows[places]
        if isinstance(self._held, np.ndarray):
            return self._held[rows]
        return self._held.read(rows)

    def part(self, places: Indices) -> Any:
        """Return them as `Images` takes them."""
        import torch

        if isinstance(self._held, np.ndarray):
            return torch.from_numpy(self._held[self._rows[places]])
        return self._held.subset(self._rows[places])


def _held(
    source: Source, wanted: Indices, kind: str, bad: dict[int, str]
) -> tuple[_Pixels | None, dict[int, str]]:
    """Return the pictures at the size of the data, and why some can't be decoded."""
    if kind == "none":
        return None, {}
    skipped = [row for row, place in enumerate(wanted.tolist()) if place in bad]
    if kind == "memory":
        pixels, found = _decoded(source, wanted.tolist(), skipped)
        held: Any = pixels
    else:
        from data.images.cache import on_disk

        own = source.subset(wanted)
        options = (
            f"fitted {source.channels} {source.height} {source.width} {source.fit} {_pillow()}"
        )
        held, found = on_disk(own.one, own.marks(), options, source.channels, skipped)
    undecoded = {int(wanted[row]): why for row, why in found.items()}
    return _Pixels(held, wanted, len(source)), undecoded


def _originals(
    source: Source, train: Indices, settings: Settings, kind: str, bad: dict[int, str]
) -> tuple[Callable[[Indices], Any], dict[int, str]]:
    """Return what gives some of the whole training pictures, and why some can't be decoded."""
    from data.images.cache import in_memory, on_disk
    from data.images.files import Originals

    own, short = source.subset(train), settings.short(source)
    if kind == "none":
        return lambda kept: Originals(own.subset(kept), short), {}
    skipped = [row for row, place in enumerate(train.tolist()) if place in bad]

    def decode(place: int) -> NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = own.original(place, short)
        return pixels

    if kind == "memory":
        held, found = in_memory(decode, len(train), source.channels, skipped)
    else:
        options = f"whole {source.channels} {short} {_pillow()}"
        held, found = on_disk(decode, own.marks(), options, source.channels, skipped)
    return held.subset, {int(train[row]): why for row, why in found.items()}


def _decoded(
    source: Source, places: Sequence[int], but: Sequence[int] = ()
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Decode pictures to uint8 [N, C, H, W], in threads; also why some can't be, by their number.

    Their pixels mean nothing, nor do those of the rows in `but`, which aren't tried.
    """
    shape = (source.channels, source.height, source.width)
    pixels = np.zeros((len(places), *shape), dtype=np.uint8)

    def store(row: int) -> None:
        pixels[row] = source.one(places[row]).transpose(2, 0, 1)

    skipped = set(but)
    found = failures(store, [row for row in range(len(places)) if row not in skipped])
    return pixels, found


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


def _pillow() -> str:
    import PIL

    return f"Pillow {PIL.__version__}"


def checked(problems: Sequence[str]) -> None:
    """Raise DataError if there are any."""
    if problems:
        raise DataError(*problems)


def sides(size: int | Sequence[int]) -> tuple[int, int]:
    """Return (height, width)."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])

"""Datasets of the Hugging Face Hub, or local files in the forms that its library reads."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from data.augmentation.batches import named as named_augmentation
from data.errors import DataError
from data.folds import fold_problems
from data.hub.files import opened
from data.hub.parquet import SPLIT, parquet_of
from data.hub.roles import Roles, roles_of
from data.images.items import Items
from data.images.options import Cache, Settings, cache_kind, checked, size_problems
from data.images.sets import image_splits
from data.images.targets import Targets
from data.info import ImageInfo
from data.pixels.decoding import Fit
from data.splits import Splits, check_fractions
from data.splitting import split as divided
from data.tables.info import TableInfo
from data.text.info import TextInfo

KINDS = ("images", "text", "table")
logger = logging.getLogger(__name__)


def hub(
    name: str | None = None,
    *,
    path: str | Path | None = None,
    config: str | None = None,
    revision: str | None = None,
    kind: Literal["images", "text", "table"] | None = None,
    image: str | None = None,
    text: str | None = None,
    target: str | None = None,
    options: Mapping[str, Any] | None = None,
    size: int | Sequence[int] | None = None,
    channels: int | None = None,
    fit: Fit = "crop",
    validation: float = 0.1,
    test: float = 0.2,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    augment: Any = None,
    source_size: int | None = None,
    transform: Any = None,
    cache: Cache = "auto",
    on_error: Literal["stop", "skip"] = "stop",
    max_bad: int = 20,
) -> Splits[ImageInfo | TableInfo | TextInfo]:
    """Return a dataset that the `datasets` library opens, in its own splits where it has them.

    Images with a target are read as one's own images are (`data.images`), texts as `data.text` does
    it, all else as `data.tables` does. A split that it lacks is taken from the training split.

    Args:
        name: on the Hub, such as "ylecun/mnist".
        path: local files instead: a folder or a file (imagefolder, CSV, JSON, Parquet, or what
            save_to_disk has written).
        config: which of several configurations of the dataset.
        revision: which version of it: a branch, a tag or a commit.
        kind: "images", "text" or "table"; None for what its columns look like.
        image: the column of images; None for the one there is.
        text: the column of texts; None for the one there is.
        target: what is to be learnt; None for a column that is called so, or the only class.
        options: further arguments for texts and tables: those of `data.text`, `data.tables`.
        size: of images: rows and columns, see `data.torchvision.named.torchvision`.
        channels: likewise.
        fit: likewise.
        validation: fraction of all samples, where the dataset has no validation split.
        test: likewise.
        split_seed: which split.
        folds: divide all but the test into so many parts.
        fold: which of them, from 0, is the validation.
        augment: of images, see `data.images.images`.
        source_size: likewise.
        transform: likewise.
        cache: likewise.
        on_error: what to do about samples that can't be read.
        max_bad: with "skip", so many may be left out.

    Raises:
        DataError: all that is wrong with the arguments; a dataset that can't be had, or columns
            that can't be told apart; the library is missing.
    """
    settings = Settings(
        named_augmentation(augment), transform, cache, source_size, on_error, max_bad
    )
    problems = settings.problems() + fold_problems(folds, fold)
    problems += size_problems(size or 1, channels or 3, fit)
    if kind is not None and kind not in KINDS:
        problems.append(f"kind ({kind!r}) in data.kind; choose {', '.join(KINDS)}")
    try:
        check_fractions(validation=validation, test=test)
    except DataError as error:
        problems += error.problems
    checked(problems)
    parts = opened(name, path, config, revision)
    roles = roles_of(parts, kind=kind, image=image, text=text, target=target)
    logger.warning("%s", roles.told)
    way = Way(validation, test, split_seed, folds, fold)
    if roles.kind == "images":
        if options:
            raise DataError(
                f"data.options ({', '.join(options)}) are for texts and tables; leave them out"
            )
        return _images(parts, roles, settings, way, size, channels, fit)
    return _handed_over(parts, roles, way, dict(options or {}), on_error, max_bad)


@dataclass(frozen=True)
class Way:
    """How what is not split yet is to be split."""

    validation: float
    test: float
    split_seed: int
    folds: int | None
    fold: int | None


@dataclass(frozen=True)
class Column:
    """Gets one column of an entry of a dataset."""

    name: str

    def __call__(self, dataset: Any, index: int) -> Any:
        """Return what entry number `index` has in that column."""
        return dataset[index][self.name]


def _images(
    parts: Mapping[str, Any],
    roles: Roles,
    settings: Settings,
    way: Way,
    size: int | Sequence[int] | None,
    channels: int | None,
    fit: Fit,
) -> Splits[Any]:
    """Return the splits of images."""
    given = [role for role, part in parts.items() for _ in range(len(part))]
    where = [(n, i) for n, part in enumerate(parts.values()) for i in range(len(part))]
    names = [f"{role or 'all'}[{i}]" for role, part in parts.items() for i in range(len(part))]
    assert roles.image is not None
    source = Items(
        tuple(part.select_columns([roles.image]) for part in parts.values()),
        Column(roles.image),
        tuple(where),
        tuple(names),
        mark=" ".join(str(getattr(part, "_fingerprint", "")) for part in parts.values()),
        fit=fit,
    ).sized(size, channels)
    targets = Targets(roles.problem, roles.names, roles.values)
    found = divided(
        count=len(source),
        method=None,
        validation=way.validation,
        test=way.test,
        seed=way.split_seed,
        labels=targets.split_labels,
        given=given if any(given) else None,
        names=names,
        classes=targets.names,
        folds=way.folds,
        fold=way.fold,
    )
    return image_splits(
        source,
        targets,
        found,
        settings=settings,
        kind=cache_kind(settings, source, len(found[0])),
        bad={},
        content=source.content(),
    )


def _handed_over(
    parts: Mapping[str, Any],
    roles: Roles,
    way: Way,
    options: dict[str, Any],
    on_error: Any,
    max_bad: int,
) -> Splits[Any]:
    """Write texts or a table to one Parquet file, and have it read as a user's own."""
    file = parquet_of(parts, roles)
    shared: dict[str, Any] = {
        "target": roles.target,
        "validation": way.validation,
        "test": way.test,
        "split_seed": way.split_seed,
        "folds": way.folds,
        "fold": way.fold,
        "on_error": on_error,
        "max_bad": max_bad,
    }
    if any(parts):
        shared["split_column"] = SPLIT
    if roles.kind == "text":
        from data.text.labelled import text

        make: Any = text
        shared["text"] = roles.text
    else:
        from data.tables.table import table

        make = table
    try:
        found: Splits[Any] = make(file, **{**shared, **options})
    except TypeError as error:
        raise DataError(
            f"data.options can't be used for {roles.kind} ({error}); give arguments of "
            f"data={roles.kind}"
        ) from error
    return found

"""What a run folder keeps about its data and its machine, of the first start and of later ones."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from trainer.protocols import Splits
from trainer.storage import atomic
from trainer.storage.comparison import Difference
from trainer.storage.environment import environment
from trainer.storage.folder import RunFolder
from trainer.storage.stored_environment import with_start

FORMULA = tuple("=+-@\t\r＝＋－＠")  # what a cell begins with that a spreadsheet would carry out
MOST_NAMES = 1_000_000  # of more samples, nobody reads the list


def write_records(
    folder: RunFolder,
    splits: Splits,
    device: str,
    seeds: Mapping[str, int],
    targets: Iterable[str] = (),
) -> None:
    """Write info.json and environment.json of a fresh run; raises CannotWrite.

    `targets` are the dotted names of what the run is made of.
    """
    info = splits.info
    folder.write_info(vars(info) if hasattr(info, "__dict__") else asdict(info))
    write_splits(folder, splits)
    folder.write_environment(
        environment(
            device=device,
            data_fingerprint=getattr(info, "fingerprint", None),
            samples=samples_of(splits),
            seeds=seeds,
            targets=targets,
        )
    )


def write_splits(folder: RunFolder, splits: Splits) -> None:
    """Write splits.csv, which split each sample is in, where all of them have names.

    `data.splits=` takes it again, so that another run is trained and tested on the same ones.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", "split"))
    gone: Sequence[Any] = getattr(splits, "bad", ())
    for split in ("train", "validation", "test"):
        dataset = getattr(splits, split)
        names = getattr(dataset, "names", None)
        if dataset is None:
            continue
        if names is None or len(names) > MOST_NAMES:
            return
        # Those that can't be read belong to their split still, when they can be read again.
        left_out = [bad.name for bad in gone if bad.split == split]
        names = [*names, *left_out]
        writer.writerows((f"'{name}" if name[:1] in FORMULA else name, split) for name in names)
    content = text.getvalue().encode("utf-8", "surrogateescape")
    atomic.write_bytes(folder.path / "splits.csv", content)


def samples_of(splits: Splits) -> dict[str, int]:
    """Return how many samples each split has, as far as they say it."""
    named = {name: getattr(splits, name) for name in ("train", "validation", "test")}
    return {name: len(split) for name, split in named.items() if hasattr(type(split), "__len__")}


def record_start(
    folder: RunFolder,
    stored: Mapping[str, Any],
    step: int,
    differences: Sequence[Difference],
    settings: Sequence[Difference] = (),
) -> None:
    """Add a later start to environment.json, if anything is otherwise than at the one before.

    `stored` is what it holds; where that is nothing readable, it stays as it is. Raises
    CannotWrite.
    """
    content = with_start(stored, step, differences, settings) if stored else None
    if content is not None:
        folder.write_environment(content)

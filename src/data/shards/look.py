"""What shards seem to hold, from the first few of them."""

import glob
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from data.errors import DataError, SampleError
from data.look import Look
from data.shards.listing import COMPRESSED, Shards, shards
from data.shards.tar_index import image_of, samples

LARGE_BYTES = 1 << 30
UNUSABLE = 0.3


def look_stream(path: Path | None, options: Mapping[str, Any]) -> Look:
    """Return what shards seem to be: one sample of a tar file, or the columns of a Parquet file.

    Tar files that can't be used are shards all the same: the builder says what is wrong with them.
    """
    source = path if path is not None else options.get("path")
    kind = ""
    try:
        found = shards(source)
        kind = found.kind
        return _images(found) if kind == "tar" else _rows(found, options)
    except (DataError, SampleError, OSError, ValueError):
        tars = kind == "tar" or _is_compressed(source)
        return Look("stream", "classification", "cnn", certainty=UNUSABLE if tars else 0.0)


def _is_compressed(source: Any) -> bool:
    """Whether a path stands for compressed tar files."""
    if not isinstance(source, str | Path) or not str(source).strip():
        return False
    place = Path(source).expanduser()
    try:
        files = place.iterdir() if place.is_dir() else map(Path, glob.iglob(str(place)))  # noqa: PTH207
        return any(file.name.lower().endswith(COMPRESSED) for file in files)
    except OSError:
        return False


def _images(found: Shards) -> Look:
    some = list(islice(samples(found.paths[0], found.names[0]), 3))
    if not some:
        return Look("stream", "classification", "cnn", certainty=UNUSABLE)
    fit = [members for _, members in some if image_of(members)]
    if not fit:
        return Look("stream", "classification", "cnn", certainty=0.1)
    about = (f"{_counted(found)}: samples of {', '.join(sorted(fit[0]))}",)
    return Look("stream", "classification", "cnn", about=about, certainty=0.95)


def _rows(found: Shards, options: Mapping[str, Any]) -> Look:
    from data.shards.columns import chosen_columns
    from data.shards.row_groups import row_groups
    from data.shards.row_targets import problem_of

    groups = row_groups(found)
    apart = [options.get(key) for key in ("group", "time", "split_column")]
    target = options.get("target")
    columns = chosen_columns(
        groups,
        target=target if isinstance(target, str | None) else list(target),
        features=options.get("features"),
        ignore=options.get("ignore") or (),
        apart=[name for name in apart if name is not None],
    )
    problem, why = problem_of(groups, columns.targets)
    problem = options.get("problem") or problem
    size = sum(path.stat().st_size for path in found.paths)
    about = (
        f"{_counted(found)}: {len(columns.features)} columns of numbers, {groups.count:,} rows",
        *columns.about,
        f"{problem}: {'as said' if options.get('problem') else why}",
    )
    # A single small file is a table that fits into memory.
    certainty = 0.8 if size >= LARGE_BYTES else 0.6 if len(found.names) > 1 else 0.3
    targets: Sequence[str] | str = columns.targets
    targets = columns.targets[0] if len(columns.targets) == 1 else list(columns.targets)
    return Look(
        "stream",
        problem,
        "mlp",
        about=about,
        data={"target": targets, "problem": problem},
        certainty=certainty,
    )


def _counted(found: Shards) -> str:
    number = len(found.names)
    return f"{number} {'shard' if number == 1 else 'shards'} (.{found.kind})"

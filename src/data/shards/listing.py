"""Which shards a path stands for, and which split their names say."""

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import DataError
from data.folders import split_in_name
from data.inputs import nearest
from data.splitting.rules import first

KINDS = {".tar": "tar", ".parquet": "parquet", ".pq": "parquet"}
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
REMOTE = re.compile(r"^(pipe:|[a-z0-9]{2,}://)")
NEEDED = (
    "data.path is needed: a folder of shards (.tar or .parquet), a pattern such as "
    "'shards/train-*.tar', or a list of these"
)


@dataclass(frozen=True)
class Shards:
    """Files of one kind in the order of their names."""

    root: Path
    """Folder that holds all of them."""
    names: tuple[str, ...]
    """Path of each below root, with forward slashes."""
    kind: str
    """"tar" or "parquet"."""
    splits: tuple[str, ...]
    """The split that each one's name says, "" where it says none."""

    @property
    def paths(self) -> list[Path]:
        """Path of each."""
        return [self.root / name for name in self.names]


def shards(path: str | Path | Sequence[str | Path] | None) -> Shards:
    """Return the shards of a folder, a file, a pattern (*, **, {000..009}), or a list of these.

    Raises:
        DataError: all that is wrong: nothing there, another kind of file, two kinds at once.
    """
    sources = [path] if isinstance(path, str | Path) or path is None else list(path)
    if not sources or any(source is None or not str(source).strip() for source in sources):
        raise DataError(NEEDED)
    problems, found = list[str](), dict[Path, None]()
    for source in sources:
        try:
            found |= dict.fromkeys(_files(str(source)))
        except DataError as error:
            problems += error.problems
    kinds = {KINDS[file.suffix.lower()] for file in found}
    if len(kinds) > 1:
        problems.append(
            f"{len(found)} shards in data.path are of two kinds (.tar and .parquet); give a "
            "pattern for one of them"
        )
    if problems:
        raise DataError(*problems)
    files = sorted(found)
    root = files[0].parent
    while not all(file.is_relative_to(root) for file in files):
        root = root.parent
    names = tuple(file.relative_to(root).as_posix() for file in files)
    return Shards(root, names, kinds.pop(), tuple(split_in_name(name) for name in names))


def _files(source: str) -> list[Path]:
    """Return the shards of one folder, file or pattern."""
    if REMOTE.match(source):
        raise DataError(
            f"{source} in data.path is no local path; fetch the shards first and give their folder"
        )
    path = Path(source).expanduser()
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if not file.name.startswith("."))
    elif path.exists():
        files = [path]
    else:
        texts = list(_ranged(str(path)))
        files = [Path(file) for text in texts for file in _matching(text)]
        if len(texts) > 1:
            lost = [text for text in texts if not glob.has_magic(text) and not Path(text).exists()]
            if lost:
                raise DataError(
                    f"{len(lost)} of {len(texts)} shards of {source} in data.path are missing "
                    f"({first(lost)}); restore them, or change the range"
                )
    _refuse_compressed([file for file in files if file.name.lower().endswith(COMPRESSED)])
    kept = [file for file in files if file.suffix.lower() in KINDS and file.is_file()]
    if kept:
        return kept
    if not files and not path.exists() and not glob.has_magic(source):
        raise DataError(f"{source} in data.path does not exist{nearest(path, '; check data.path')}")
    others = sorted({file.suffix or file.name for file in files if file.is_file()})
    raise DataError(
        f"{source} in data.path has no shards (.tar, .parquet), but {first(others) or 'no files'}; "
        "choose another data=KIND, or pack the samples into shards"
    )


def _matching(pattern: str) -> list[str]:
    # Path.glob wants the folder apart, which a pattern may have anywhere.
    return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207


def _refuse_compressed(files: Sequence[Path]) -> None:
    if files:
        raise DataError(
            f"{len(files)} compressed shards in data.path ({first([str(f) for f in files])}) can't "
            "be read from the middle; unpack them once to .tar (gunzip, bunzip2, unxz, unzstd): "
            "images don't get smaller by it anyway"
        )


def _ranged(text: str) -> Iterator[str]:
    """Return a pattern for each number of the first {000..009}, as WebDataset writes shards."""
    match = RANGE.search(text)
    if match is None:
        yield text
        return
    low, high = match.groups()
    for number in range(int(low), int(high) + 1):
        shard = f"{text[: match.start()]}{number:0{len(low)}d}{text[match.end() :]}"
        yield from _ranged(shard)

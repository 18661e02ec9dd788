"""How Speech Commands and YesNo lie on disk, as torchaudio unpacks them."""

import logging
from pathlib import Path

import numpy as np

from data.audio.listing import Recordings
from data.audio.targets import Targets, of_classes
from data.errors import DataError

# As torchaudio has it: of a file without this it isn't known who speaks.
SPEAKER_MARK = "_nohash_"
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
WORDS = 8
logger = logging.getLogger(__name__)


def spoken(folder: Path) -> Recordings:
    """Return the recordings of a Speech Commands folder, split by its lists."""
    found = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.wav"))
    names = [name for name in found if SPEAKER_MARK in name and not name.startswith("_")]
    labels = [name.partition("/")[0] for name in names]
    classes = sorted(set(labels))
    if len(classes) < 2:
        raise DataError(
            f"{len(classes)} folders of words in {folder}; each has files such as "
            f"WORD/0a7c2a8d{SPEAKER_MARK}0.wav: set data.download=true after removing the folder"
        )
    given = dict.fromkeys(names, "train")
    for split, file in LISTS.items():
        if not (folder / file).is_file():
            raise DataError(f"{folder / file} is missing; restore it from the archive")
        lines = (folder / file).read_text(encoding="utf-8").split("\n")
        listed = {line.strip() for line in lines} - {""}
        gone = len(listed - given.keys())
        if gone:
            logger.warning("%d of %d files in %s are not there", gone, len(listed), folder / file)
        given |= dict.fromkeys(listed & given.keys(), split)
    return Recordings(folder, names, of_classes(labels, classes), [given[name] for name in names])


def eights(folder: Path) -> Recordings:
    """Return the recordings of a YesNo folder: their names are their labels."""
    names = sorted(path.name for path in folder.glob("*.wav"))
    words = [name.removesuffix(".wav").split("_") for name in names]
    odd = [
        f"{folder / name} is not named by {WORDS} labels such as 0_1_0_1_0_1_1_1.wav; rename or "
        "remove it"
        for name, each in zip(names, words, strict=True)
        if len(each) != WORDS or not set(each) <= {"0", "1"}
    ]
    if odd:
        raise DataError(*odd)
    values = np.array([[int(word) for word in each] for each in words], dtype=np.float32)
    labels = tuple(f"word {number}" for number in range(1, WORDS + 1))
    return Recordings(folder, names, Targets("multilabel", values, labels))


def has_eights(folder: Path) -> bool:
    """Whether a folder has a recording whose name is eight labels."""
    return folder.is_dir() and next(folder.glob("?_?_?_?_?_?_?_?.wav"), None) is not None

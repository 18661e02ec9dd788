"""Pairs for translation: a table with two columns of text, or two files line by line."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from data.bad_samples import BadFile, option_problems
from data.errors import DataError
from data.left_out import judge
from data.splits import Indices, Splits
from data.splitting import split as divide
from data.text.answers import TranslationAnswer
from data.text.decoding import existing
from data.text.info import TextInfo
from data.text.labelled import fingerprint
from data.text.pairing import Pairs, gathered_pairs
from data.text.readers import TranslationReader, source_ids
from data.text.tokenizer import BOS, EOS, Tokenizer, padded
from data.text.vocabulary import count_problems, fitting, tell_cut, tokenizer_of

if TYPE_CHECKING:
    from data.text.dataset import Tokens

LONGEST = 128
logger = logging.getLogger(__name__)


def translation(
    path: str | Path | None = None,
    *,
    target_path: str | Path | None = None,
    source: str | None = None,
    target: str | None = None,
    source_length: int | None = None,
    target_length: int | None = None,
    vocabulary: int = 4000,
    tokenizer: str | Path | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    split: str | None = None,
    splits: str | Path | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    split_seed: int = 0,
    on_error: Literal["stop", "skip"] = "stop",
    max_bad: int = 20,
) -> Splits[TextInfo]:
    """Return pairs of texts, split into training, validation and test.

    `path` is a table (TSV, CSV, JSON lines, Parquet), a file with `target_path` beside it, or a
    folder with train.en and train.de. An input is int64 [source_length + target_length]: the source
    with <eos>, filled up with 0, then <bos> and the translation, filled up likewise. The target is
    int64 [target_length], the translation with <eos>, -100 behind it.

    Args:
        path: the table, the file with the sources, or the folder.
        target_path: the file with the translations, line by line.
        source: column of the sources, or in a folder the ending of their file; the first one.
        target: likewise of the translations; the second one.
        source_length: tokens of a source; longer ones are cut. None: as the longest of training,
            128 at most.
        target_length: likewise of a translation.
        vocabulary: tokens of the one tokenizer of both sides, 260 or more; small data have fewer.
        tokenizer: a tokenizer.json of the tokenizers library, instead of learning one.
        separator: between the cells of a table; found by looking.
        encoding: of the files; UTF-8, or Windows-1252 where they are none.
        header: whether the first row has the names of the columns; found by looking.
        split: random, hash, group (by source) or column; by what there is.
        splits: a splits.csv of another run to be followed.
        validation: fraction of the pairs, where the data has no validation split.
        test: likewise.
        split_seed: which split; independent of the run's seed.
        on_error: pairs that lack a side are an error ("stop"), or are left out ("skip").
        max_bad: with "skip", so many may be left out.

    Raises:
        DataError: all that is wrong with the arguments, or with the data.
    """
    lengths = {"source_length": source_length, "target_length": target_length}
    problems = [
        *count_problems(vocabulary=vocabulary, **lengths),
        *option_problems(on_error, max_bad),
    ]
    if problems:
        raise DataError(*problems)
    place = existing(path, "FILE, a table with two columns of text, or a folder with two files")
    other = None
    if target_path is not None:
        other = existing(target_path, "FILE, the translations", "data.target_path")
    found = gathered_pairs(
        place, other, source, target, separator=separator, encoding=encoding, header=header
    )
    judge([], list(found.bad.values()), on_error, max_bad)
    given = found.given or [""] * len(found.names)
    left_out = tuple(
        BadFile(given[place] or "train", None, found.names[place], reason)
        for place, reason in found.bad.items()
    )
    found = found.sound()
    if found.given is None and split is None and splits is None:
        repeated = len(found.sources) - len(set(found.sources))
        if repeated:
            split = "group"
            logger.warning("%d sources occur again; all of a kind stay in one split", repeated)
    parts = divide(
        count=len(found.names),
        method=split,
        validation=validation,
        test=test,
        seed=split_seed,
        groups=found.sources if split == "group" else None,
        given=found.given,
        names=found.names,
        splits=splits,
    )
    return _splits(found, parts, tokenizer, vocabulary, (source_length, target_length), left_out)


def _splits(
    found: Pairs,
    parts: Sequence[Indices],
    tokenizer: str | Path | None,
    vocabulary: int,
    lengths: tuple[int | None, int | None],
    left_out: tuple[BadFile, ...],
) -> Splits[TextInfo]:
    train = parts[0].tolist()
    both = [
        text for side in (found.sources, found.targets) for text in map(side.__getitem__, train)
    ]
    stored = tokenizer_of(tokenizer, both, vocabulary)
    words = Tokenizer(stored)
    ids = Encoded(list(words.encode_all(found.sources)), list(words.encode_all(found.targets)))
    wanted = (("source", ids.sources, lengths[0]), ("target", ids.targets, lengths[1]))
    source_length, target_length = (
        # One more, for <eos>.
        length or fitting([len(side[i]) + 1 for i in train], LONGEST)
        for _, side, length in wanted
    )
    tell_cut([len(each) + 1 for each in ids.sources], source_length, "data.source_length")
    tell_cut([len(each) + 1 for each in ids.targets], target_length, "data.target_length")
    info = TextInfo(
        problem="translation",
        about=(
            f"pairs of up to {source_length} and {target_length} tokens ({words.size:,} different "
            f"ones), {found.about}"
        ),
        num_outputs=words.size,
        vocabulary=words.size,
        length=source_length + target_length,
        input_shape=(source_length + target_length,),
        num_train=len(parts[0]),
        num_validation=len(parts[1]),
        num_test=len(parts[2]),
        fingerprint=fingerprint(
            [stored, f"{source_length} {target_length}", *found.sources, *found.targets], parts
        ),
        reader=TranslationReader(
            tokenizer=stored,
            source_length=source_length,
            target_length=target_length,
            column=found.column,
        ).node,
        answer=TranslationAnswer(stored, source_length, target_length, words.size).node,
        source_length=source_length,
        target_length=target_length,
    )
    made = [
        _dataset(found.of(part.tolist()), ids.of(part.tolist()), source_length, target_length)
        if len(part)
        else None
        for part in parts
    ]
    return Splits(made[0], made[1], made[2], info, left_out)


@dataclass(frozen=True)
class Encoded:
    """The ids of both sides."""

    sources: list[list[int]]
    targets: list[list[int]]

    def of(self, indices: Sequence[int]) -> "Encoded":
        """Return some of them."""
        return Encoded([self.sources[i] for i in indices], [self.targets[i] for i in indices])


def _dataset(pairs: Pairs, ids: Encoded, source_length: int, target_length: int) -> "Tokens":
    from data.text.dataset import IGNORED, Tokens

    sources = padded([source_ids(each, source_length) for each in ids.sources], source_length)
    begun = padded([[BOS, *each] for each in ids.targets], target_length)
    targets = padded([[*each, EOS] for each in ids.targets], target_length, IGNORED)

    def seen_as(info: Any, classes: Sequence[str]) -> Tokens:
        if info.problem != "translation":
            raise DataError(
                f"the data is pairs of texts, and the model was trained for {info.problem}; choose "
                "other data"
            )
        words = Tokenizer(info.reader["tokenizer"])
        sides = (list(words.encode_all(side)) for side in (pairs.sources, pairs.targets))
        return _dataset(pairs, Encoded(*sides), info.source_length, info.target_length)

    def shown(index: int) -> str:
        return f"{pairs.sources[index]} -> {pairs.targets[index]}"

    inputs = np.concatenate([sources, begun], axis=1)
    return Tokens(inputs, targets, names=pairs.names, shown=shown, seen_as=seen_as)

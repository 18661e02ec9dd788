"""Labelled texts: classification, several labels, or quantities."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.answers import ClassAnswer, LabelsAnswer, NumbersAnswer
from data.bad_samples import BadFile, option_problems
from data.errors import DataError
from data.left_out import judge
from data.splits import Indices, Splits
from data.splitting import split as divide
from data.text.columns import PROBLEMS, Labels
from data.text.decoding import existing
from data.text.gathering import Form, Gathered, gathered
from data.text.info import TextInfo
from data.text.readers import TextReader
from data.text.tokenizer import Tokenizer, padded
from data.text.vocabulary import (
    LONGEST,
    count_problems,
    fitting,
    tell_cut,
    tell_empty,
    tokenizer_of,
)

if TYPE_CHECKING:
    from data.text.dataset import Tokens

Parts = tuple[Indices, Indices, Indices]
logger = logging.getLogger(__name__)


def text(
    path: str | Path | None = None,
    *,
    text: str | Sequence[str] | None = None,
    target: str | Sequence[str] | None = None,
    problem: Literal["classification", "multilabel", "regression"] | None = None,
    length: int | None = None,
    vocabulary: int = 8000,
    tokenizer: str | Path | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    split: str | None = None,
    split_column: str | None = None,
    group: str | None = None,
    time: str | None = None,
    splits: str | Path | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    max_bad: int = 20,
) -> Splits[TextInfo]:
    """Return texts with what is said of them, split into training, validation and test.

    `path` is a table (CSV, TSV, JSON lines, Parquet), a folder with train.csv, test.csv and the
    like, or a folder with a folder of text files for each class, split already or not. An input is
    int64 [length]: ids of a byte-level BPE that is learnt from the training split, 0 where the text
    has ended.

    Args:
        path: the file or the folder.
        text: the column, or columns, with the text; found by its name, or as the longest text.
        target: the column with the answer, several for several labels or quantities; found by
            its name, or as the one that is left.
        problem: text and whole numbers are classes, lists and "a|b" several labels, other numbers
            quantities, unless it is said here.
        length: tokens of an input; longer texts are cut. None: as the longest training text, 256
            at most.
        vocabulary: tokens of the tokenizer, 260 or more; small data have fewer.
        tokenizer: a tokenizer.json of the tokenizers library, instead of learning one.
        separator: between the cells of a CSV; found by looking.
        encoding: of the files; UTF-8, or Windows-1252 where they are none.
        header: whether the first row has the names of the columns; found by looking.
        split: stratified, random, group, time, hash or column; by what there is.
        split_column: the column that says the split of each row.
        group: a column; rows of one group stay in one split.
        time: a column; the newest rows are the test.
        splits: a splits.csv of another run to be followed.
        validation: fraction of the texts, where the data has no validation split.
        test: likewise.
        split_seed: which split; independent of the run's seed.
        folds: divide all but the test into so many parts.
        fold: which of them, from 0, is the validation.
        on_error: texts that can't be read or have no target are an error ("stop"), or are left out
            ("skip").
        max_bad: with "skip", so many may be left out.

    Raises:
        DataError: all that is wrong with the arguments, or with the data.
    """
    problems = [
        *count_problems(vocabulary=vocabulary, length=length),
        *option_problems(on_error, max_bad),
    ]
    if problem is not None and problem not in PROBLEMS:
        problems.append(f"problem ({problem!r}) in data.problem; choose {', '.join(PROBLEMS)}")
    if problems:
        raise DataError(*problems)
    place = existing(path, "FILE, a table with a column of texts, or a folder for each class")
    form = Form(text, target, problem, split_column, group, time, separator, encoding, header)
    found = gathered(place, form)
    judge([], list(found.bad.values()), on_error, max_bad, "texts")
    found, left_out = sound(found)
    _check(found.labels)
    tell_empty(found.texts, found.names)
    labels = found.labels
    parts = divide(
        count=len(found.texts),
        method=split,
        validation=validation,
        test=test,
        seed=split_seed,
        labels=None if labels.problem == "regression" else labels.values,
        groups=found.groups,
        times=found.times,
        given=found.given,
        names=found.names,
        classes=labels.classes or None,
        folds=folds,
        fold=fold,
        splits=splits,
    )
    return _splits(found, parts, tokenizer, vocabulary, length, left_out)


def _splits(
    found: Gathered,
    parts: Parts,
    tokenizer: str | Path | None,
    vocabulary: int,
    length: int | None,
    left_out: tuple[BadFile, ...],
) -> Splits[TextInfo]:
    train, labels = parts[0], found.labels
    stored = tokenizer_of(tokenizer, [found.texts[i] for i in train.tolist()], vocabulary)
    words = Tokenizer(stored)
    ids = list(words.encode_all(found.texts))
    length = length or fitting([len(ids[i]) for i in train.tolist()], LONGEST)
    tell_cut([len(each) for each in ids], length, "data.length")
    inputs = padded(ids, length)
    mean, std = _scale(labels, train)
    info = TextInfo(
        problem=labels.problem,
        about=_about(labels, words.size, length),
        num_outputs=len(labels.classes) or len(labels.targets),
        vocabulary=words.size,
        length=length,
        input_shape=(length,),
        num_train=len(parts[0]),
        num_validation=len(parts[1]),
        num_test=len(parts[2]),
        fingerprint=fingerprint([stored, *found.texts], [inputs, labels.values, *parts]),
        reader=TextReader(tokenizer=stored, length=length, column=found.column).node,
        answer=_answer(labels, mean, std),
        classes=labels.classes,
        num_classes=len(labels.classes),
        class_counts=_counts(labels, train),
        targets=labels.targets,
        target_mean=mean,
        target_std=std,
    )
    made = [
        _dataset(Part(found, part), inputs[part], labels.values[part], info) if len(part) else None
        for part in parts
    ]
    return Splits(made[0], made[1], made[2], info, left_out)


@dataclass(frozen=True)
class Part:
    """The texts of one split, as they were gathered."""

    found: Gathered
    indices: Indices

    def text(self, index: int) -> str:
        """Return one of the texts."""
        return self.found.texts[int(self.indices[index])]

    def seen_as(self, info: Any, classes: Sequence[str]) -> "Tokens":
        """Return them as a model sees them that was trained on other data; raises DataError."""
        labels = self.found.labels
        values = labels.values[self.indices]
        problems = []
        if info.problem != labels.problem:
            problems.append(
                f"the data is for {labels.problem}, the model was trained for {info.problem}; "
                "set data.problem, or choose other data"
            )
        elif labels.problem == "regression":
            if list(labels.targets) != list(info.targets):
                problems.append(
                    f"targets {', '.join(labels.targets)} in the data, and the model gives "
                    f"{', '.join(info.targets)}; set data.target"
                )
        else:
            known = {str(name): place for place, name in enumerate(info.classes)}
            used = set(values.tolist()) if values.ndim == 1 else np.flatnonzero(values.any(axis=0))
            strange = [repr(classes[n]) for n in sorted(map(int, used)) if classes[n] not in known]
            if strange:
                more = ", ..." if len(strange) > 5 else ""
                problems.append(
                    f"{len(strange)} classes of the data ({', '.join(strange[:5])}{more}) unknown "
                    f"to the model, which knows {', '.join(map(repr, list(known)[:5]))}; rename or "
                    "remove them"
                )
            elif values.ndim == 1:
                places = np.array([known.get(name, -1) for name in classes], dtype=np.int64)
                values = places[values]
            else:
                table = np.zeros((len(values), len(known)), dtype=np.int64)
                for column, name in enumerate(classes):
                    if name in known:
                        table[:, known[name]] = values[:, column]
                values = table
        if problems:
            raise DataError(*problems)
        words = Tokenizer(info.reader["tokenizer"])
        texts = [self.text(index) for index in range(len(self.indices))]
        return _dataset(self, padded(list(words.encode_all(texts)), info.length), values, info)


def _dataset(part: Part, inputs: NDArray[np.int32], values: NDArray[Any], info: Any) -> "Tokens":
    from data.text.dataset import Tokens

    if info.problem == "regression":
        values = ((values - np.array(info.target_mean)) / np.array(info.target_std)).astype("f4")
    elif info.problem == "multilabel":
        values = values.astype(np.float32)
    names = [part.found.names[index] for index in part.indices.tolist()]
    return Tokens(inputs, values, names=names, shown=part.text, seen_as=part.seen_as)


def sound(found: Gathered) -> tuple[Gathered, tuple[BadFile, ...]]:
    """Return the texts less the bad ones, and the latter."""
    if not found.bad:
        return found, ()
    keep = [place for place in range(len(found.texts)) if place not in found.bad]
    if not keep:
        raise DataError(*found.bad.values())

    def kept(values: list[str] | None) -> list[str] | None:
        return None if values is None else [values[place] for place in keep]

    given = found.given or [""] * len(found.names)
    left_out = tuple(
        BadFile(given[place] or "train", None, found.names[place], why)
        for place, why in sorted(found.bad.items())
    )
    logger.warning("%d texts left out (loader.on_error=skip)", len(left_out))
    remaining = replace(
        found,
        texts=[found.texts[place] for place in keep],
        names=[found.names[place] for place in keep],
        labels=replace(found.labels, values=found.labels.values[keep], missing=()),
        given=kept(found.given),
        groups=kept(found.groups),
        times=None if found.times is None else found.times[keep],
        bad={},
    )
    return remaining, left_out


def fingerprint(texts: Sequence[str], arrays: Sequence[NDArray[Any]]) -> str:
    """Return the SHA-256 over texts and numbers."""
    digest = hashlib.sha256()
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.kind)).encode())
        digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def _check(labels: Labels) -> None:
    if labels.problem == "classification" and len(labels.classes) < 2:
        only = f" ({labels.classes[0]!r})" if labels.classes else ""
        raise DataError(
            f"{len(labels.classes)} class{only} in data.target; a classification needs two or more"
        )
    if labels.problem == "multilabel" and not labels.classes:
        raise DataError("no text has a label in data.target; check the column")


def _scale(labels: Labels, train: Indices) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if labels.problem != "regression":
        return (), ()
    values = labels.values[train]
    std = values.std(axis=0)
    std[std == 0] = 1.0
    return tuple(values.mean(axis=0).tolist()), tuple(std.tolist())


def _counts(labels: Labels, train: Indices) -> tuple[int, ...]:
    if labels.problem == "regression":
        return ()
    values = labels.values[train]
    if values.ndim == 2:
        return tuple(values.sum(axis=0).tolist())
    return tuple(np.bincount(values, minlength=len(labels.classes)).tolist())


def _answer(labels: Labels, mean: tuple[float, ...], std: tuple[float, ...]) -> dict[str, Any]:
    if labels.problem == "regression":
        return NumbersAnswer(labels.targets, mean, std).node
    if labels.problem == "multilabel":
        return LabelsAnswer(labels.classes).node
    return ClassAnswer(labels.classes).node


def _about(labels: Labels, size: int, length: int) -> str:
    what = {
        "classification": f"{len(labels.classes)} classes",
        "multilabel": f"{len(labels.classes)} labels",
        "regression": f"{', '.join(labels.targets)} to be estimated",
    }[labels.problem]
    return f"texts of up to {length} tokens ({size:,} different ones), {what}"

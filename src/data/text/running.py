"""Running text for language models: documents as a stream of tokens, cut into blocks."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from data.bad_samples import BadFile, option_problems
from data.errors import DataError, SampleError
from data.folders import split_in_name
from data.left_out import judge
from data.splits import Splits, check_fractions
from data.splitting import split as divide
from data.text.answers import LanguageAnswer
from data.text.columns import text_columns
from data.text.decoding import existing, read_text, tell_encodings
from data.text.files import TEXTS, text_files
from data.text.gathering import Form, read_table
from data.text.info import TextInfo
from data.text.labelled import fingerprint
from data.text.readers import LanguageReader, joined
from data.text.rows import TABLES
from data.text.tokenizer import BOS, EOS, Tokenizer, padded
from data.text.vocabulary import count_problems, tokenizer_of

if TYPE_CHECKING:
    from data.text.dataset import Tokens

SPLITS = ("train", "validation", "test")
METHODS = ("random", "hash", "contiguous")
FEW = 10
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Document:
    """A text, or a part of one."""

    name: str
    text: str


def language(
    path: str | Path | None = None,
    *,
    text: str | Sequence[str] | None = None,
    length: int = 64,
    vocabulary: int = 4000,
    tokenizer: str | Path | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    split: str | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    split_seed: int = 0,
    on_error: Literal["stop", "skip"] = "stop",
    max_bad: int = 20,
) -> Splits[TextInfo]:
    """Return running text in blocks, split into training, validation and test.

    `path` is a text file, a folder of these, or a table with a text in each row. All documents of a
    split make one stream, <bos> before each and <eos> behind it, which is cut into blocks of
    `length` tokens. A block's input is int64 [length], its target the same one token further on,
    -100 behind the end. Each token but the first of a split is a target once.

    Args:
        path: the file or the folder; train.txt, valid.txt and test.txt in it are the splits.
        text: column with the text, for a table.
        length: tokens of a block.
        vocabulary: tokens of the tokenizer, 260 or more; small data have fewer.
        tokenizer: a tokenizer.json of the tokenizers library, instead of learning one.
        separator: between the cells of a CSV; found by looking.
        encoding: of the files; UTF-8, or Windows-1252 where they are none.
        header: whether the first row of a CSV has the names of the columns.
        split: "random" or "hash" keep documents whole; "contiguous" takes the end of each document
            for the test, and what is before that for validation. None: random for 10 or more.
        validation: fraction of the documents, or of the letters of each document.
        test: likewise.
        split_seed: which split; independent of the run's seed.
        on_error: files that can't be read are an error ("stop"), or are left out ("skip").
        max_bad: with "skip", so many may be left out.

    Raises:
        DataError: all that is wrong with the arguments, or with the data.
    """
    problems = [
        *count_problems(vocabulary=vocabulary, length=length),
        *option_problems(on_error, max_bad),
    ]
    if split is not None and split not in METHODS:
        problems.append(f"split ({split!r}) in data.split; choose {', '.join(METHODS)}")
    try:
        check_fractions(validation=validation, test=test)
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError(*problems)
    place = existing(path, "FILE, a text, or a folder of texts (.txt)")
    form = Form(text=text, separator=separator, encoding=encoding, header=header)
    documents, column, bad = documents_of(place, form)
    judge([], [reason for _, reason in bad], on_error, max_bad, "texts")
    left_out = tuple(BadFile("train", None, name, reason) for name, reason in bad)
    parts = _divided(documents, place, split, validation, test, split_seed)
    return _splits(parts, tokenizer, vocabulary, length, column, left_out)


def documents_of(
    place: Path, form: Form
) -> tuple[list[Document], list[str], list[tuple[str, str]]]:
    """Return the documents, the columns that they were in, and (name, reason) of the bad files."""
    if place.is_file() and place.suffix.lower() in TABLES:
        rows = read_table(place, form)
        column = text_columns(rows, form.text, [])
        texts = [joined(rows, column, row) for row in range(len(rows))]
        documents = [Document(*pair) for pair in zip(rows.places, texts, strict=True)]
        filled = [document for document in documents if document.text.strip()]
        return _some(filled, len(documents) - len(filled), place), column, []
    if place.is_file():
        root, names = place.parent, [place.name]
    else:
        root, names = place, text_files(place)
    if not names:
        raise DataError(
            f"{place} in data.path holds no text file ({', '.join(TEXTS)}); give another folder"
        )
    documents, bad, encodings = [], [], {}
    for name in names:
        try:
            content, encodings[name] = read_text(root / name, form.encoding)
        except SampleError as error:
            bad.append((name, str(error)))
            continue
        documents.append(Document(name, content))
    tell_encodings(encodings)
    filled = [document for document in documents if document.text.strip()]
    if bad and not filled:
        raise DataError(*(reason for _, reason in bad))
    return _some(filled, len(documents) - len(filled), place), [], bad


def _some(documents: list[Document], empty: int, place: Path) -> list[Document]:
    if not documents:
        raise DataError(f"{place} in data.path has no text in it; give another file or folder")
    if empty:
        logger.warning("%d empty documents of %s left out", empty, place.name)
    return documents


def _divided(
    documents: list[Document],
    place: Path,
    method: str | None,
    validation: float,
    test: float,
    seed: int,
) -> list[list[Document]]:
    """Return the documents, or parts of them, of training, validation and test."""
    names = [document.name for document in documents]
    given = [split_in_name(name) for name in names] if place.is_dir() and method is None else []
    if "train" in given:
        rest = sorted(name for name, split in zip(names, given, strict=True) if not split)
        if rest:
            logger.warning("%d files of no split taken to train: %s", len(rest), rest[0])
        split = [each or "train" for each in given]
        parts = divide(
            count=len(names),
            method="column",
            validation=0.0,
            test=0.0,
            seed=seed,
            given=split,
            names=names,
        )
        return [[documents[i] for i in part.tolist()] for part in parts]
    if method is None and len(documents) < FEW:
        method = "contiguous"
        if len(documents) > 1:
            logger.warning(
                "%d documents are few to be split: the end of each is validation and test "
                "(data.split=random keeps them whole)",
                len(documents),
            )
    if method != "contiguous":
        parts = divide(
            count=len(names),
            method=method or "random",
            validation=validation,
            test=test,
            seed=seed,
            names=names,
        )
        return [[documents[i] for i in part.tolist()] for part in parts]
    cut = [contiguous(document, validation, test) for document in documents]
    return [[d[n] for d in cut if d[n].text.strip()] for n in range(3)]


def contiguous(document: Document, validation: float, test: float) -> list[Document]:
    """Return a document in three parts, divided at ends of lines or words where there are any."""
    text = document.text
    first = _boundary(text, round(len(text) * (1 - validation - test)), 0)
    second = _boundary(text, round(len(text) * (1 - test)), first)
    if not validation:
        second = first
    pieces = (text[:first], text[first:second], text[second:])
    return [
        Document(f"{document.name} ({split})", piece)
        for split, piece in zip(SPLITS, pieces, strict=True)
    ]


def _boundary(text: str, place: int, least: int) -> int:
    """Return the end of the line, or of the word, that is nearest before a place."""
    for mark in ("\n", " "):
        found = text.rfind(mark, max(least, place - len(text) // 20), place)
        if found >= 0:
            return found + 1
    return place


def _splits(
    parts: list[list[Document]],
    tokenizer: str | Path | None,
    vocabulary: int,
    length: int,
    column: list[str],
    left_out: tuple[BadFile, ...],
) -> Splits[TextInfo]:
    if not parts[0]:
        raise DataError("no text is left for training; lower data.validation and data.test")
    stored = tokenizer_of(tokenizer, [document.text for document in parts[0]], vocabulary)
    words = Tokenizer(stored)
    made = [blocks(part, words, length) if part else None for part in parts]
    counts = [0 if part is None else len(part) for part in made]
    texts = [piece for part in parts for each in part for piece in (each.name, each.text)]
    numbers = np.array([len(part) for part in parts], dtype=np.int64)
    letters = sum(len(document.text) for part in parts for document in part)
    info = TextInfo(
        problem="language",
        about=(
            f"blocks of {length} tokens ({words.size:,} different ones), {letters:,} letters in "
            f"{sum(map(len, parts)):,} documents or parts of them"
        ),
        num_outputs=words.size,
        vocabulary=words.size,
        length=length,
        input_shape=(length,),
        num_train=counts[0],
        num_validation=counts[1],
        num_test=counts[2],
        fingerprint=fingerprint([stored, str(length), *texts], [numbers]),
        reader=LanguageReader(tokenizer=stored, length=length, column=column).node,
        answer=LanguageAnswer(stored, length, words.size).node,
    )
    return Splits(made[0], made[1], made[2], info, left_out)


def blocks(documents: Sequence[Document], words: Tokenizer, length: int) -> "Tokens":
    """Return documents as one stream of tokens, in blocks."""
    from data.text.dataset import IGNORED, Tokens

    stream: list[int] = []
    starts = []
    for ids in words.encode_all([document.text for document in documents]):
        starts.append(len(stream))
        stream += [BOS, *ids, EOS]
    places = range(0, len(stream) - 1, length)
    inputs = padded([stream[p : p + length] for p in places], length)
    targets = padded([stream[p + 1 : p + 1 + length] for p in places], length, IGNORED)
    # In the last block, what follows <eos> is no target; it has no input either.
    inputs[targets == IGNORED] = 0
    owners = np.searchsorted(starts, list(places), side="right") - 1
    names = [
        f"{documents[owner].name}@{place - starts[owner]}"
        for owner, place in zip(owners.tolist(), places, strict=True)
    ]

    def seen_as(info: Any, classes: Sequence[str]) -> Tokens:
        if info.problem != "language":
            raise DataError(
                f"the data is running text, and the model was trained for {info.problem}; choose "
                "other data"
            )
        return blocks(documents, Tokenizer(info.reader["tokenizer"]), info.length)

    def shown(index: int) -> str:
        return words.decode(inputs[index].tolist())

    return Tokens(inputs, targets, names=names, shown=shown, seen_as=seen_as)

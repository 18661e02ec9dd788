"""What all data made of text do with their tokens: lengths, the tokenizer, what is said of them."""

import logging
from collections.abc import Sequence
from pathlib import Path

from data.text.decoding import existing
from data.text.tokenizer import SMALLEST, given, learnt

LONGEST = 256
STEP = 8
LARGEST = 1_000_000
logger = logging.getLogger(__name__)


def tokenizer_of(path: str | Path | None, texts: Sequence[str], size: int) -> str:
    """Return the JSON of the tokenizer: of a file, or learnt from texts. Raises DataError."""
    if path is not None:
        return given(existing(path, "FILE", "data.tokenizer"))
    return learnt(texts, size)


def fitting(lengths: Sequence[int], most: int) -> int:
    """Return the length that holds the longest text, a multiple of 8, but not above `most`."""
    longest = max(lengths, default=1)
    return min(most, max(STEP, -(-longest // STEP) * STEP))


def tell_cut(lengths: Sequence[int], length: int, key: str) -> None:
    """Say how many texts are longer than what the model takes."""
    cut = [each for each in lengths if each > length]
    if cut:
        logger.warning(
            "%s of %s texts longer than %s (%d tokens) and cut there; the longest has %s",
            f"{len(cut):,}",
            f"{len(lengths):,}",
            key,
            length,
            f"{max(cut):,}",
        )


def tell_empty(texts: Sequence[str], names: Sequence[str]) -> None:
    """Say which texts have nothing in them; they are kept."""
    empty = [name for text, name in zip(texts, names, strict=True) if not text.strip()]
    if empty:
        shown = ", ".join(empty[:3]) + (", ..." if len(empty) > 3 else "")
        logger.warning("%d empty texts kept (%s)", len(empty), shown)


def count_problems(vocabulary: int, **lengths: int | None) -> list[str]:
    """Return what is wrong with the numbers of tokens in a config."""
    problems = []
    if type(vocabulary) is not int or not SMALLEST <= vocabulary <= LARGEST:
        problems.append(
            f"vocabulary ({vocabulary}) in data.vocabulary; give {SMALLEST} (all bytes and the "
            f"special tokens) to {LARGEST:,}"
        )
    problems += [
        f"{name} ({value}) in data.{name}; give 1 token or more"
        for name, value in lengths.items()
        if value is not None and (type(value) is not int or value < 1)
    ]
    return problems

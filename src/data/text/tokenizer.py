"""Text to token ids and back: a byte-level BPE learnt from the training split, or a given file."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError

SPECIALS = ("<pad>", "<unk>", "<bos>", "<eos>")
PAD, UNK, BOS, EOS = range(4)
SMALLEST = 260  # all bytes, and the special tokens
CHUNK = 1000
LARGEST_TEXT = 4_000_000  # info.json, which holds it twice, may have ten million bytes
PARALLELISM = "TOKENIZERS_PARALLELISM"
OFF = "off"  # one of several words for it, by which our own is known


class Tokenizer:
    """Turns text into ids 0..size - 1, of which the first four are `SPECIALS`, and back.

    Args:
        text: the JSON of the `tokenizers` library. A tokenizer of another origin keeps its ids,
            moved up by four, so that padding is always 0.

    Raises:
        DataError: it is none.
    """

    def __init__(self, text: str) -> None:
        from tokenizers import Tokenizer as Backend

        try:
            self._backend: Any = Backend.from_str(text)
        except Exception as error:  # the library raises Exception itself
            raise DataError(
                f"the tokenizer can't be read ({' '.join(str(error).split())[:200]}); give a "
                "tokenizer.json of the tokenizers library"
            ) from error
        self._backend.no_padding()
        self._backend.no_truncation()
        # "<pad>" in a text is that text, and no padding.
        self._backend.encode_special_tokens = True
        own = all(self._backend.token_to_id(name) == n for n, name in enumerate(SPECIALS))
        self._shift = 0 if own else len(SPECIALS)
        self.size: int = self._backend.get_vocab_size(with_added_tokens=True) + self._shift

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without special tokens around it; from any thread."""
        return self._ids(self._backend.encode(text, add_special_tokens=False))

    def encode_all(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Yield the ids of each text, on all cores."""
        for first in range(0, len(texts), CHUNK):
            with on_all_cores():
                found = self._backend.encode_batch_fast(
                    list(texts[first : first + CHUNK]), add_special_tokens=False
                )
            yield from map(self._ids, found)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; special tokens are left out."""
        known = [int(i) - self._shift for i in ids if len(SPECIALS) <= i < self.size]
        text: str = self._backend.decode(known, skip_special_tokens=False)
        return text

    def _ids(self, encoding: Any) -> list[int]:
        ids: list[int] = encoding.ids
        return [number + self._shift for number in ids] if self._shift else ids


def learnt(texts: Sequence[str], size: int) -> str:
    """Return the JSON of a byte-level BPE tokenizer of `size` tokens or fewer.

    Every text can be encoded and comes back as it was. The same texts give the same tokenizer. The
    method is that of Radford et al., "Language Models are Unsupervised Multitask Learners" (2019).

    Args:
        texts: what it is learnt from; the training split.
        size: 260 (all bytes, and the special tokens) or more; small data give fewer tokens.
    """
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, pre_tokenizers, trainers

    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        special_tokens=list(SPECIALS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    with on_all_cores():
        backend.train_from_iterator(texts, trainer=trainer, length=len(texts))
    return storable(backend.to_str())


def given(path: Path) -> str:
    """Return the JSON of a tokenizer file; raises DataError where it can't be used."""
    try:
        text = path.read_text(encoding="utf-8")
        json.loads(text)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no JSON"
        raise DataError(
            f"{path} in data.tokenizer can't be read ({reason}); give a tokenizer.json of the "
            "tokenizers library"
        ) from error
    Tokenizer(text)
    return storable(text)


def storable(text: str) -> str:
    """Return the JSON of a tokenizer, short and without a dollar sign.

    A token may be "${", which a config would take for an interpolation; JSON has another way of
    writing it. Raises DataError for one that is too long to travel with a run.
    """
    short = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    short = short.replace("$", "\\u0024")
    if len(short.encode()) > LARGEST_TEXT:
        raise DataError(
            f"the tokenizer takes {len(short.encode()):,} bytes, more than the "
            f"{LARGEST_TEXT:,} that travel with a run; give one with a smaller vocabulary"
        )
    return short


def padded(rows: Sequence[Sequence[int]], length: int, value: int = PAD) -> NDArray[np.int32]:
    """Return ids as int32 [N, length], cut at `length` and filled up with `value`."""
    found = np.full((len(rows), length), value, dtype=np.int32)
    for place, ids in enumerate(rows):
        kept = ids[:length]
        found[place, : len(kept)] = kept
    return found


@contextmanager
def on_all_cores() -> Iterator[None]:
    """Let the library use threads, and switch them off afterwards unless the user decides.

    A process that is forked after they were used would wait for them for ever; the library warns
    of it as long as nobody has said what to do.
    """
    if os.environ.get(PARALLELISM, OFF) != OFF:
        yield
        return
    os.environ[PARALLELISM] = "on"
    try:
        yield
    finally:
        os.environ[PARALLELISM] = OFF

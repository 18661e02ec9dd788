"""From a model that says the next token to text that a user reads. No torch."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.text.generating import Outputs, continuations, translations
from data.text.tokenizer import Tokenizer


class LanguageAnswer:
    """The continuation of a text.

    Args:
        tokenizer: JSON of the tokenizer.
        length: tokens that the model sees at once.
        vocabulary: tokens that there are.
        tokens: how many to add at most.
        temperature: 0 for the likeliest token each time; higher is more varied.
        top_k: each token is one of so many likeliest.
        seed: which continuation.

    Raises:
        DataError: a number out of range.
    """

    columns = ("text",)

    def __init__(
        self,
        tokenizer: str,
        length: int,
        vocabulary: int,
        tokens: int = 50,
        temperature: float = 0.8,
        top_k: int = 40,
        seed: int = 0,
    ) -> None:
        if min(tokens, top_k) < 1 or not 0 <= temperature < float("inf"):
            raise DataError(
                f"tokens, top_k and temperature ({tokens}, {top_k}, {temperature}) of an answer; "
                "give 1 or more of the first two, and a temperature of 0 or more"
            )
        self.text, self.length, self.vocabulary = tokenizer, length, vocabulary
        self.tokens, self.temperature, self.top_k, self.seed = tokens, temperature, top_k, seed
        self.tokenizer = Tokenizer(tokenizer)
        self.shape: tuple[int, ...] = (length, vocabulary)

    @property
    def node(self) -> dict[str, Any]:
        """What makes this answer again."""
        return {
            "_target_": "data.text.answers.LanguageAnswer",
            "tokenizer": self.text,
            "length": self.length,
            "vocabulary": self.vocabulary,
            "tokens": self.tokens,
            "temperature": self.temperature,
            "top_k": self.top_k,
            "seed": self.seed,
        }

    def respond(
        self, outputs: Outputs, batch: NDArray[np.int64], top: int
    ) -> Iterator[dict[str, Any]]:
        """Return {"text": continuation} for each beginning, int64 [B, length]; {} if not finite.

        `outputs` is called once for each token, with int64 [b, length].
        """
        del top  # there is one continuation
        found = continuations(
            outputs,
            batch,
            tokens=self.tokens,
            temperature=self.temperature,
            top_k=self.top_k,
            seed=self.seed,
        )
        for ids in found:
            yield {} if ids is None else {"text": self.tokenizer.decode(ids)}


class TranslationAnswer:
    """The translation of a text, the likeliest token each time.

    Args:
        tokenizer: JSON of the tokenizer.
        source_length: tokens of a source.
        target_length: tokens of a translation.
        vocabulary: tokens that there are.
    """

    columns = ("text",)

    def __init__(
        self, tokenizer: str, source_length: int, target_length: int, vocabulary: int
    ) -> None:
        self.text, self.vocabulary = tokenizer, vocabulary
        self.source_length, self.target_length = source_length, target_length
        self.tokenizer = Tokenizer(tokenizer)
        self.shape: tuple[int, ...] = (target_length, vocabulary)

    @property
    def node(self) -> dict[str, Any]:
        """What makes this answer again."""
        return {
            "_target_": "data.text.answers.TranslationAnswer",
            "tokenizer": self.text,
            "source_length": self.source_length,
            "target_length": self.target_length,
            "vocabulary": self.vocabulary,
        }

    def respond(
        self, outputs: Outputs, batch: NDArray[np.int64], top: int
    ) -> Iterator[dict[str, Any]]:
        """Return {"text": translation} for each source in int64 [B, S + T]; {} if not finite.

        `outputs` is called once for each token, with int64 [b, S + T].
        """
        del top  # there is one translation
        for ids in translations(outputs, batch, self.source_length):
            yield {} if ids is None else {"text": self.tokenizer.decode(ids)}

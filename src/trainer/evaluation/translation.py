"""How a translator is judged: perplexity, tokens, and translations that are right as a whole."""

from typing import Any

import torch

from trainer.evaluation.language import METRICS, Language, TokenCounts


class Translation(Language):
    """Translations judged token by token, each after the true ones before it.

    Beside what `Language` has there is `exact_match`: the share of targets of which every token is
    the likeliest after the true ones before it. Just these are what decoding gives that takes the
    likeliest token each time, as `fivestep predict` does, so it is no guess from teacher forcing.
    BLEU and the like compare whole translations; they are taken from the output of `predict`.
    """

    problem = "translation"
    own = (*METRICS, "exact_match")

    def start(self, info: Any, device: torch.device | str, *, keep: bool = False) -> TokenCounts:
        """Begin an evaluation of `info.num_outputs` different tokens."""
        return ExactCounts(
            info.num_outputs,
            device,
            keep=keep,
            metrics=self.metrics,
            problem=self.problem,
            whole=True,
        )


class ExactCounts(TokenCounts):
    """`TokenCounts` that shows `exact_match` too."""

    shown = ("perplexity", "token_accuracy", "exact_match")

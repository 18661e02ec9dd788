"""Text made by a model, token after token: continuations and translations. No torch."""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data import keyed
from data.text.tokenizer import BOS, EOS, PAD

Outputs = Callable[[NDArray[Any]], NDArray[Any]]
Ids = NDArray[np.int64]


def continuations(
    outputs: Outputs,
    prompts: Ids,
    *,
    tokens: int,
    temperature: float,
    top_k: int,
    seed: int,
) -> list[list[int] | None]:
    """Return the ids that follow each prompt, up to <eos>, which is left out.

    Drawn from the `top_k` likeliest tokens at each place; a function of the prompt and `seed`, not
    of what else is in the batch. None where the model's output is not finite.

    Args:
        outputs: turns int64 [B, L] into logits [B, L, V], those at place i being of token i + 1.
        prompts: int64 [B, L], at least one token each, filled up with 0.
        tokens: most tokens to add.
        temperature: logits are divided by it; 0 takes the likeliest token.
        top_k: how many tokens are drawn from.
        seed: which draw.
    """
    window = prompts.copy()
    length = window.shape[1]
    streams = [
        keyed.key(seed, keyed.GENERATION, zlib.crc32(np.asarray(row, dtype="<i8").tobytes()))
        for row in prompts
    ]
    found: list[list[int] | None] = [[] for _ in prompts]
    ends = [max(1, int((row != PAD).sum())) for row in window]
    going = list(range(len(prompts)))
    for step in range(tokens):
        if not going:
            break
        logits = outputs(window[going])
        still = []
        for place, row in enumerate(going):
            draw = float(keyed.uniform(streams[row], np.array([step]), 1)[0, 0])
            token = chosen(logits[place, ends[row] - 1], temperature, top_k, draw)
            own = found[row]
            if token is None or own is None:
                found[row] = None
                continue
            if token == EOS:
                continue
            own.append(token)
            if ends[row] == length:  # the oldest token makes room
                window[row, :-1] = window[row, 1:]
            else:
                ends[row] += 1
            window[row, ends[row] - 1] = token
            still.append(row)
        going = still
    return found


def translations(outputs: Outputs, pairs: Ids, source_length: int) -> list[list[int] | None]:
    """Return the ids of the translation of each source, the likeliest token at each place.

    Up to <eos>, which is left out. None where the model's output is not finite.

    Args:
        outputs: turns int64 [B, S + T] into logits [B, T, V].
        pairs: int64 [B, S + T]; the target begins with <bos>.
        source_length: S.
    """
    window = pairs.copy()
    window[:, source_length:] = PAD
    window[:, source_length] = BOS
    target_length = window.shape[1] - source_length
    found: list[list[int] | None] = [[] for _ in pairs]
    going = list(range(len(pairs)))
    for step in range(target_length):
        if not going:
            break
        logits = outputs(window[going])
        still = []
        for place, row in enumerate(going):
            token, own = chosen(logits[place, step], 0.0, 1, 0.0), found[row]
            if token is None or own is None:
                found[row] = None
                continue
            if token == EOS:
                continue
            own.append(token)
            if step + 1 < target_length:
                window[row, source_length + step + 1] = token
                still.append(row)
        going = still
    return found


def chosen(logits: NDArray[Any], temperature: float, top_k: int, draw: float) -> int | None:
    """Return the token that a draw in [0, 1) stands for; None where logits are not finite.

    Padding, <unk> and <bos> are never taken. Of equals the first comes first.
    """
    wide = logits.astype(np.float64)
    if not np.isfinite(wide).all():
        return None
    wide[:EOS] = -np.inf
    if temperature == 0 or top_k == 1:
        return int(wide.argmax())
    order = np.argsort(-wide, kind="stable")[:top_k]
    with np.errstate(over="ignore"):  # what is far below the best has no share
        shares = np.exp((wide[order] - wide[order[0]]) / temperature)
    sums = np.cumsum(shares)
    place = int(np.searchsorted(sums, draw * sums[-1], side="right"))
    return int(order[min(place, len(order) - 1)])

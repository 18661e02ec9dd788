"""Continuations and translations: greedy as by hand, draws keyed by the prompt alone."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from data.errors import DataError
from data.text.answers import LanguageAnswer, TranslationAnswer
from data.text.generating import chosen, continuations, translations
from data.text.tokenizer import BOS, EOS, Tokenizer, learnt

VOCABULARY = 12


def counting(ids: NDArray[Any]) -> NDArray[Any]:
    """Logits of a model that takes the next number, and ends after 9."""
    following = np.where(ids >= 9, EOS, ids + 1)
    return one_hot(np.clip(following, 0, VOCABULARY - 1)) * 5


def one_hot(ids: NDArray[Any]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.eye(VOCABULARY)[ids]
    return found


def prompts(*rows: list[int], length: int = 6) -> NDArray[np.int64]:
    found = np.zeros((len(rows), length), dtype=np.int64)
    for place, row in enumerate(rows):
        found[place, : len(row)] = row
    return found


def continued(rows: NDArray[np.int64], **given: Any) -> Any:
    options = {"tokens": 20, "temperature": 0.0, "top_k": 5, "seed": 0}
    return continuations(counting, rows, **{**options, **given})


def test_the_likeliest_token_is_taken_until_the_end() -> None:
    rows = prompts([BOS, 4], [BOS, 9], [4, 5, 6, 7, 8, 4])
    before = rows.copy()
    assert continued(rows) == [[5, 6, 7, 8, 9], [], [5, 6, 7, 8, 9]]
    assert continued(rows, tokens=2) == [[5, 6], [], [5, 6]]
    np.testing.assert_array_equal(rows, before)


def test_a_full_window_moves_on() -> None:
    seen = []

    def model(ids: NDArray[Any]) -> NDArray[Any]:
        seen.append(ids.copy())
        return one_hot(np.full_like(ids, 7))

    continuations(model, prompts([4, 5, 6], length=4), tokens=3, temperature=0, top_k=1, seed=0)
    assert [window[0].tolist() for window in seen] == [[4, 5, 6, 0], [4, 5, 6, 7], [5, 6, 7, 7]]


def test_draws_depend_on_prompt_and_seed_and_not_on_the_company() -> None:
    def flat(ids: NDArray[Any]) -> NDArray[Any]:
        return np.zeros((*ids.shape, VOCABULARY))

    options: dict[str, Any] = {"tokens": 8, "temperature": 1.0, "top_k": 12}
    pair = continuations(flat, prompts([BOS, 4], [BOS, 5]), seed=0, **options)
    alone = continuations(flat, prompts([BOS, 5]), seed=0, **options)
    other = continuations(flat, prompts([BOS, 5]), seed=1, **options)
    assert pair[1] == alone[0] != other[0]
    assert pair[0] != pair[1]


def test_a_draw_follows_the_probabilities_of_the_top_tokens() -> None:
    logits = np.full(VOCABULARY, -50.0)
    logits[[4, 5, 6]] = np.log([0.5, 0.3, 0.2])
    logits[BOS] = 9.0  # never taken
    draws = [chosen(logits, 1.0, 2, draw) for draw in np.linspace(0, 0.999, 1000)]
    assert draws.count(4) / 1000 == pytest.approx(0.625, abs=0.002)
    assert set(draws) == {4, 5}
    assert {chosen(logits, 1.0, 12, d) for d in (0.0, 0.7, 0.95)} == {4, 5, 6}
    assert chosen(np.full(VOCABULARY, np.nan), 0.0, 1, 0.0) is None


def test_translations_are_greedy_and_end() -> None:
    def model(ids: NDArray[Any]) -> NDArray[Any]:
        # Says the source backwards: what it says next depends on how far it is.
        source, begun = ids[:, :3], ids[:, 3:]
        wanted = np.concatenate([source[:, ::-1], np.full((len(ids), 1), EOS)], axis=1)
        done = (begun != 0).cumsum(1) - 1
        return one_hot(np.take_along_axis(wanted, np.clip(done, 0, 3), axis=1))

    pairs = prompts([5, 6, 7, BOS], [9, 8, 4, BOS, 11, 11, 11], length=8)
    assert translations(model, pairs, 3) == [[7, 6, 5], [4, 8, 9]]
    assert translations(model, pairs[:, :5], 3) == [[7, 6], [4, 8]]


def test_answers_speak_and_say_nothing_where_the_output_is_not_finite() -> None:
    text = learnt(["a b c d"] * 4, 270)
    words = Tokenizer(text)
    letter = words.encode("b")[0]

    def model(ids: NDArray[Any]) -> NDArray[Any]:
        found = np.zeros((*ids.shape, words.size))
        found[..., letter] = 1.0
        found[ids[:, 0] == 9] = np.nan
        return found

    answer = LanguageAnswer(text, 4, words.size, tokens=3, temperature=0)
    rows = list(answer.respond(model, prompts([BOS, 5], [9, 5], length=4), 3))
    assert rows == [{"text": "bbb"}, {}]
    assert LanguageAnswer(**{k: v for k, v in answer.node.items() if k != "_target_"}).tokens == 3
    assert answer.shape == (4, words.size) and answer.columns == ("text",)

    def decoder(ids: NDArray[Any]) -> NDArray[Any]:
        return model(ids)[:, 4:]

    other = TranslationAnswer(text, 4, 2, words.size)
    rows = list(other.respond(decoder, prompts([5, EOS, 0, 0, BOS], [9, 3, 0, 0, BOS]), 3))
    assert rows == [{"text": "bb"}, {}]
    assert TranslationAnswer(**{k: v for k, v in other.node.items() if k != "_target_"}).shape == (
        2,
        words.size,
    )
    with pytest.raises(DataError, match="temperature"):
        LanguageAnswer(text, 4, words.size, temperature=-1)

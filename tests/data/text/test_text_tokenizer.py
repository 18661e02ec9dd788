"""The tokenizer: every text comes back, the same data give the same one, nothing interpolates."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.text import tokenizer as module
from data.text.tokenizer import PARALLELISM, Tokenizer, learnt, padded, storable

TEXTS = ["the cat sat on the mat", "the dog sat on ${info.x} the ${info.x} log", "a <pad> b"] * 5
TOKENIZER = learnt(TEXTS, 300)
LEARN = """
import hashlib, sys
sys.path.insert(0, {source!r})
from data.text.tokenizer import learnt
print(hashlib.sha256(learnt({texts!r}, 300).encode()).hexdigest())
"""


@given(st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=100)
def test_every_text_comes_back_as_it_was(text: str) -> None:
    words = Tokenizer(TOKENIZER)
    ids = words.encode(text)
    assert words.decode(ids) == text
    assert all(4 <= number < words.size for number in ids)


def test_names_of_special_tokens_in_a_text_are_plain_text() -> None:
    words = Tokenizer(TOKENIZER)
    assert words.decode(words.encode("<pad><eos>")) == "<pad><eos>"
    assert words.decode([2, *words.encode("hi"), 3, 0, 0]) == "hi"


def test_many_at_once_are_the_same_as_one_by_one() -> None:
    words = Tokenizer(TOKENIZER)
    texts = [f"text {number} on the mat" for number in range(1500)]
    assert list(words.encode_all(texts)) == [words.encode(text) for text in texts]


def test_the_same_texts_give_the_same_tokenizer_with_any_number_of_threads() -> None:
    source = str(Path(module.__file__).parents[2])
    command = [sys.executable, "-c", LEARN.format(source=source, texts=TEXTS)]
    found = set()
    for threads, hashes in (("1", "1"), ("3", "2")):
        environment = {**os.environ, "RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": hashes}
        environment.pop(PARALLELISM, None)
        done = subprocess.run(command, capture_output=True, check=True, env=environment)
        assert done.stderr == b""
        found.add(done.stdout)
    assert len(found) == 1


def test_no_dollar_is_stored_and_the_tokenizer_is_the_same() -> None:
    assert "$" in json.dumps(json.loads(TOKENIZER))
    assert "$" not in TOKENIZER and storable(TOKENIZER) == TOKENIZER
    words = Tokenizer(TOKENIZER)
    assert words.decode(words.encode("${oc.env:HOME}")) == "${oc.env:HOME}"


def test_the_library_may_not_use_threads_after_it_was_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(PARALLELISM, raising=False)
    with module.on_all_cores():
        assert os.environ[PARALLELISM] == "on"
    assert os.environ[PARALLELISM] == "off"
    monkeypatch.setenv(PARALLELISM, "false")  # the user's own choice stays
    with module.on_all_cores():
        assert os.environ[PARALLELISM] == "false"
    assert os.environ[PARALLELISM] == "false"


def test_a_given_tokenizer_of_another_origin_keeps_padding_free() -> None:
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, pre_tokenizers

    backend = Backend(models.WordLevel({"cat": 0, "mat": 1, "[UNK]": 2}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.enable_padding(length=9)
    backend.enable_truncation(2)
    words = Tokenizer(backend.to_str())
    assert words.encode("cat mat dog cat") == [4, 5, 6, 4]
    assert words.size == 7
    assert words.decode([4, 5, 0, 0]) == "cat mat"


def test_what_is_no_tokenizer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"the tokenizer can't be read"):
        Tokenizer('{"model": 3}')
    file = tmp_path / "t.json"
    file.write_text("no json")
    with pytest.raises(DataError, match=r"t.json in data.tokenizer can't be read \(it is no JSON"):
        module.given(file)
    monkeypatch.setattr(module, "LARGEST_TEXT", 1000)
    with pytest.raises(DataError, match=r"a smaller vocabulary"):
        learnt(TEXTS, 300)


def test_padding_cuts_and_fills() -> None:
    assert padded([[1, 2, 3], [4], []], 2).tolist() == [[1, 2], [4, 0], [0, 0]]
    assert padded([[7]], 3, -100).tolist() == [[7, -100, -100]]

"""data=language: documents as streams in blocks, each token a target once, split without leaks."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.folders import split_in_name
from data.text.readers import LanguageReader
from data.text.running import Document, blocks, contiguous, language
from data.text.tokenizer import BOS, EOS, Tokenizer, learnt
from trainer.config.assembly import facts

PROSE = "".join(
    f"Line {n}: the quick brown fox jumps over {n % 7} lazy dogs.\n" for n in range(300)
)
WORDS = Tokenizer(learnt([PROSE], 300))


def stream(dataset: Any) -> list[int]:
    """All ids of a dataset, the first input and then every target that counts."""
    pairs = [dataset[i] for i in range(len(dataset))]
    return [int(pairs[0][0][0])] + [t for _, y in pairs for t in y.tolist() if t != -100]


@given(
    st.lists(st.text(max_size=40).filter(str.strip), min_size=1, max_size=5),
    st.integers(min_value=1, max_value=9),
)
@settings(max_examples=40)
def test_each_token_is_a_target_once_and_inputs_come_before_them(
    texts: list[str], length: int
) -> None:
    texts = [text.encode(errors="ignore").decode() or "x" for text in texts]
    made = blocks([Document(str(n), text) for n, text in enumerate(texts)], WORDS, length)
    whole = [i for text in texts for i in (BOS, *WORDS.encode(text), EOS)]
    assert stream(made) == whole
    for index in range(len(made)):
        ids, targets = made[index]
        assert len(ids) == len(targets) == length
        assert (
            ids[1:].tolist()[: int((targets >= 0).sum()) - 1] == targets[targets >= 0][:-1].tolist()
        )
        assert ((targets == -100) == (ids == 0)).all()
    assert len(set(made.names)) == len(made)


def test_one_file_is_divided_at_line_ends_with_the_test_at_its_end(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    file = folder / "book.txt"
    file.write_text(PROSE)
    splits = language(file, length=32, vocabulary=300)
    texts = [
        WORDS_OF(splits.info).decode(stream(part))
        for part in (splits.train, splits.validation, splits.test)
    ]
    assert "".join(texts) == PROSE
    assert all(text.endswith("\n") for text in texts)
    assert 0.75 < len(texts[0]) / len(PROSE) < 0.85 and len(texts[2]) >= 0.1 * len(PROSE)
    assert splits.test.names[1] == "book.txt (test)@32"
    assert splits.info.num_outputs == splits.info.vocabulary <= 300
    assert splits.info.classes == () and splits.info.num_classes == 0
    assert splits.info == language(file, length=32, vocabulary=300).info
    assert facts(splits.info)["problem"] == "language"
    everything = language(file, length=32, vocabulary=300, validation=0, test=0)
    assert everything.validation is None and everything.test is None


def WORDS_OF(info: Any) -> Tokenizer:
    return Tokenizer(info.reader["tokenizer"])


def test_many_documents_stay_whole(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.txt").write_text(f"document {number} begins and ends " * 3)
    splits = language(tmp_path, length=8, vocabulary=300)
    owners = [
        {name.partition("@")[0] for name in part.names}
        for part in (splits.train, splits.validation, splits.test)
    ]
    assert not owners[0] & owners[1] and not owners[0] & owners[2] and not owners[1] & owners[2]
    texts = WORDS_OF(splits.info).decode(stream(splits.test))
    for number in range(20):
        assert (f"document {number} " in texts) == (texts.count(f"document {number} ") == 3)


def test_files_called_after_splits_are_the_splits(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        (tmp_path / f"wiki.{split}.tokens").write_text(f"only {split} here\n" * 9)
    splits = language(tmp_path, length=8, vocabulary=300)
    for split, part in (
        ("train", splits.train),
        ("valid", splits.validation),
        ("test", splits.test),
    ):
        assert set(WORDS_OF(splits.info).decode(stream(part)).split()) == {"only", split, "here"}
    assert (
        split_in_name("val/a.txt") == "validation" and split_in_name("training_data.txt") == "train"
    )
    assert split_in_name("trainers.txt") == ""


def test_a_table_has_a_document_in_each_row(tmp_path: Path) -> None:
    lines = [{"id": n, "text": f"story {n} is told"} for n in range(30)] + [{"id": 9, "text": ""}]
    (tmp_path / "s.jsonl").write_text("\n".join(map(json.dumps, lines)))
    splits = language(tmp_path / "s.jsonl", length=8, vocabulary=300)
    assert splits.info.reader["column"] == ["text"]
    assert "30 documents" in splits.info.about


def test_a_given_tokenizer_is_taken(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text(PROSE)
    (tmp_path / "t.json").write_text(learnt(["other words"] * 3, 280), encoding="utf-8")
    splits = language(tmp_path / "book.txt", tokenizer=tmp_path / "t.json")
    assert splits.info.vocabulary == Tokenizer((tmp_path / "t.json").read_text()).size


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        language(tmp_path, length=0, vocabulary=3, split="odd", validation=2)
    assert len(caught.value.problems) == 4
    with pytest.raises(DataError, match="holds no text file"):
        language(tmp_path)
    (tmp_path / "a.txt").write_text("  \n")
    with pytest.raises(DataError, match="has no text in it"):
        language(tmp_path)
    (tmp_path / "b.txt").write_bytes(b"\0\1")
    with pytest.raises(DataError, match=r"b.txt has a NUL character"):
        language(tmp_path)
    (tmp_path / "c.txt").write_text(PROSE)
    assert language(tmp_path, on_error="skip").bad[0].name == "b.txt"


@given(st.text(max_size=200), st.floats(0, 0.45), st.floats(0, 0.45))
@settings(max_examples=50)
def test_parts_of_a_document_make_the_whole(text: str, validation: float, test: float) -> None:
    parts = contiguous(Document("d", text), validation, test)
    assert "".join(part.text for part in parts) == text
    assert len(parts[2].text) >= round(len(text)) - round(len(text) * (1 - test))


def test_other_data_and_the_reader_use_the_runs_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text(PROSE)
    (tmp_path / "two.txt").write_text("Entirely other words are here. " * 50)
    trained, other = language(tmp_path / "one.txt", length=16), language(tmp_path / "two.txt")
    info = SimpleNamespace(**json.loads(json.dumps(facts(trained.info))))
    seen = other.test.seen_as(info, ())
    assert list(seen[0][0].shape) == [16]
    assert WORDS_OF(info).decode(stream(seen)) == WORDS_OF(other.info).decode(stream(other.test))
    with pytest.raises(DataError, match="the model was trained for classification"):
        other.test.seen_as(SimpleNamespace(problem="classification"), ())
    reader = LanguageReader(**{k: v for k, v in info.reader.items() if k != "_target_"})
    assert reader.node == info.reader
    prompt = reader.read("the quick")
    assert prompt.tolist()[: 1 + len(WORDS_OF(info).encode("the quick"))] == [
        BOS,
        *WORDS_OF(info).encode("the quick"),
    ]
    long = reader.read(PROSE)
    np.testing.assert_array_equal(long, WORDS_OF(info).encode(PROSE)[-16:])
    np.testing.assert_array_equal(
        reader.batch([seen.raw(0), seen.raw(1)]),
        seen.finish(seen.fetch(np.arange(2), 0, 0), np.arange(2), 0, 0)[0].numpy(),
    )

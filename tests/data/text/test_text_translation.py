"""data=translation: tables, parallel files and folders of pairs; inputs, targets, what is wrong."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from data.errors import DataError
from data.text.look import look_translation
from data.text.pairing import gathered_pairs
from data.text.pairs import translation
from data.text.readers import TranslationReader
from data.text.tokenizer import BOS, EOS, Tokenizer
from trainer.config.assembly import facts

PAIRS = [(f"the number {n}", f"die Zahl {n} ist da") for n in range(40)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "my pairs.tsv"
    file.write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS), encoding="utf-8")
    return file


def test_an_input_has_a_source_and_the_beginning_of_its_translation(table: Path) -> None:
    splits = translation(table)
    info, words = splits.info, Tokenizer(splits.info.reader["tokenizer"])
    assert info.length == info.source_length + info.target_length
    assert info.input_shape == (info.length,) and info.num_outputs == info.vocabulary
    for index in range(len(splits.train)):
        ids, target = splits.train[index]
        assert ids.dtype == target.dtype == torch.int64
        source, begun = ids[: info.source_length], ids[info.source_length :]
        place = int(splits.train.names[index].rpartition(":")[2]) - 1
        first, second = (words.encode(text) for text in PAIRS[place])
        assert source.tolist() == [*first, EOS] + [0] * (info.source_length - len(first) - 1)
        assert begun.tolist() == [BOS, *second] + [0] * (info.target_length - len(second) - 1)
        blank = [-100] * (info.target_length - len(second) - 1)
        assert target.tolist() == [*second, EOS, *blank]
    assert splits.train.sample_text(0) == " -> ".join(
        PAIRS[int(splits.train.names[0].rpartition(":")[2]) - 1]
    )
    assert facts(info)["problem"] == "translation"


def test_the_reader_gives_what_a_translation_begins_with(table: Path) -> None:
    splits = translation(table)
    info = splits.info
    reader = TranslationReader(**{k: v for k, v in info.reader.items() if k != "_target_"})
    assert reader.node == info.reader
    ids = reader.read(PAIRS[3][0])
    names = [int(n.rpartition(":")[2]) - 1 for n in splits.train.names]
    own = splits.train[names.index(3)][0] if 3 in names else None
    if own is not None:
        np.testing.assert_array_equal(ids[: info.source_length], own[: info.source_length])
    assert ids[info.source_length :].tolist() == [BOS] + [0] * (info.target_length - 1)
    assert reader.read("word " * 500)[info.source_length - 1] == EOS


def test_long_pairs_are_cut_and_counted(table: Path, caplog: pytest.LogCaptureFixture) -> None:
    splits = translation(table, source_length=3, target_length=2)
    ids, target = splits.train[0]
    assert list(ids.shape) == [5] and ids[2] == EOS and ids[3] == BOS and (target > 3).all()
    assert "40 of 40 texts longer than data.source_length (3 tokens)" in caplog.text
    assert "data.target_length (2 tokens)" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "names"),
    [
        ("a.tsv", "Go.\tGeh.\nHi.\tHallo.\n", ["a.tsv:1", "a.tsv:2"]),
        ("b.tsv", "en\tde\nGo.\tGeh.\nHi.\tHallo.\n", ["b.tsv:2", "b.tsv:3"]),
        ("c.csv", "source;target\nGo.;Geh.\nHi.;Hallo.\n", ["c.csv:2", "c.csv:3"]),
        ("d.tsv", "Go.\tGeh.\tCC-BY 1\nHi.\tHallo.\tCC-BY 2\n", ["d.tsv:1", "d.tsv:2"]),
        (
            "e.jsonl",
            '{"en": "Go.", "de": "Geh."}\n{"en": "Hi.", "de": "Hallo."}',
            ["e.jsonl:1", "e.jsonl:2"],
        ),
        (
            "f.jsonl",
            '{"translation": {"en": "Go.", "de": "Geh."}}\n'
            '{"translation": {"en": "Hi.", "de": "Hallo."}}',
            ["f.jsonl:1", "f.jsonl:2"],
        ),
    ],
)
def test_forms_of_tables(tmp_path: Path, name: str, content: str, names: list[str]) -> None:
    (tmp_path / name).write_text(content)
    found = gathered_pairs(tmp_path / name, None, None, None)
    assert (found.sources, found.targets) == (["Go.", "Hi."], ["Geh.", "Hallo."])
    assert found.names == names


def test_columns_and_directions_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,de,en\n1,Geh.,Go.\n2,Hallo.,Hi.\n")
    found = gathered_pairs(tmp_path / "t.csv", None, "en", "de")
    assert (found.sources, found.targets) == (["Go.", "Hi."], ["Geh.", "Hallo."])
    assert gathered_pairs(tmp_path / "t.csv", None, None, None).columns == ("de", "en")
    for ending, lines in (("en", "Go.\nHi.\n"), ("de", "Geh.\nHallo.\n")):
        (tmp_path / f"text.{ending}").write_text(lines)
    assert gathered_pairs(tmp_path, None, None, None).sources == ["Geh.", "Hallo."]
    assert gathered_pairs(tmp_path, None, "en", None).sources == ["Go.", "Hi."]
    both = gathered_pairs(tmp_path / "text.en", tmp_path / "text.de", None, None)
    assert both.targets == ["Geh.", "Hallo."] and both.names == ["text.en:1", "text.en:2"]


def test_the_direction_of_files_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for side, ending in enumerate(("en", "de")):
        lines = "".join(f"{pair[side]}\n" for pair in PAIRS[:30])
        (tmp_path / f"train.{ending}").write_text(lines)
    look = look_translation(tmp_path, {})
    assert look.data == {"source": "de", "target": "en"} and not caplog.text
    translation(tmp_path)
    assert caplog.text.count("from de to en") == 1


def test_a_folder_as_multi30k_has_it(tmp_path: Path) -> None:
    for split, count in (("train", 30), ("val", 5), ("test", 6)):
        for side, ending in enumerate(("en", "de")):
            lines = "".join(f"{split} {pair[side]}\n" for pair in PAIRS[:count])
            (tmp_path / f"{split}.{ending}").write_text(lines)
    info = translation(tmp_path, source="en").info
    assert (info.num_train, info.num_validation, info.num_test) == (30, 5, 6)
    assert "from en to de" in info.about


def test_a_source_that_comes_again_stays_in_one_split(tmp_path: Path) -> None:
    lines = "".join(f"word {n % 12}\tWort {n % 12} Nummer {n}\n" for n in range(60))
    (tmp_path / "p.tsv").write_text(lines)
    splits = translation(tmp_path / "p.tsv", test=0.25)
    sides = [
        {part.sample_text(i).split(" -> ")[0] for i in range(len(part))}
        for part in (splits.train, splits.validation, splits.test)
    ]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and sides[2]


def test_what_is_wrong_is_told(tmp_path: Path, table: Path) -> None:
    (tmp_path / "a.en").write_text("one\ntwo\nthree\n")
    (tmp_path / "a.de").write_text("eins\nzwei\n")
    with pytest.raises(DataError, match=r"a.en has 3 lines and a.de has 2"):
        translation(tmp_path / "a.en", target_path=tmp_path / "a.de")
    with pytest.raises(DataError, match=r"a.en in data.path is no table.*data.target_path"):
        translation(tmp_path / "a.en")
    (tmp_path / "one.tsv").write_text("a\nb\n")
    with pytest.raises(DataError, match="has too few columns, and a pair takes two"):
        translation(tmp_path / "one.tsv")
    with pytest.raises(DataError, match=r"no column 'xx' \(data.source\)"):
        translation(table, source="xx")
    (tmp_path / "a.fr").write_text("un\ndeux\n")
    with pytest.raises(DataError, match=r"files in 3 languages \(de, en, fr\)"):
        translation(tmp_path)
    with table.open("a") as file:
        file.write("no translation\t\n\tkeine Quelle\n")
    with pytest.raises(DataError) as caught:
        translation(table)
    assert [problem.split(";")[0] for problem in caught.value.problems] == [
        "my pairs.tsv:41 has no translation",
        "my pairs.tsv:42 has no source",
    ]
    assert len(translation(table, on_error="skip").bad) == 2
    wrong: dict[str, Any] = {"vocabulary": 3, "source_length": 0, "target_length": -1}
    with pytest.raises(DataError) as caught:
        translation(table, **wrong)
    assert len(caught.value.problems) == 3


def test_other_data_is_seen_with_the_runs_tokenizer_and_lengths(
    table: Path, tmp_path: Path
) -> None:
    trained = translation(table)
    info = SimpleNamespace(**json.loads(json.dumps(facts(trained.info))))
    (tmp_path / "o.tsv").write_text("".join(f"{a} now\t{b} jetzt\n" for a, b in PAIRS))
    other = translation(tmp_path / "o.tsv")
    seen = other.test.seen_as(info, ())
    reader = TranslationReader(**{k: v for k, v in info.reader.items() if k != "_target_"})
    source = other.test.sample_text(0).split(" -> ")[0]
    size = info.source_length
    np.testing.assert_array_equal(seen[0][0][:size], reader.read(source)[:size])
    again = trained.test.seen_as(info, ())
    assert all(torch.equal(again[i][0], trained.test[i][0]) for i in range(len(again)))

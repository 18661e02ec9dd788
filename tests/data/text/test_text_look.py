"""The first look: which of the three it is, and the same as the builder finds."""

import json
from pathlib import Path
from typing import Any

import pytest

from data.text.labelled import text
from data.text.look import look_language, look_text, look_translation
from data.text.pairs import translation


def kinds(path: Path) -> dict[str, float]:
    looks = (look_text(path, {}), look_language(path, {}), look_translation(path, {}))
    return {look.kind: look.certainty for look in looks}


def likeliest(path: Path) -> str:
    found = kinds(path)
    return max(found, key=lambda kind: found[kind])


SENTENCES = [f"this is the story of number {n} and its end" for n in range(40)]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found = tmp_path / "a place"
    found.mkdir()
    return found


def test_labelled_texts(place: Path) -> None:
    file = place / "r.csv"
    rows = "".join(f"{n},{s},{'yes' if n % 2 else 'no'}\n" for n, s in enumerate(SENTENCES))
    file.write_text("id,review,liked\n" + rows)
    look = look_text(file, {})
    assert likeliest(file) == "text" and look.certainty > 0.6
    assert look.data == {"text": "review", "target": "liked", "problem": "classification"}
    assert (look.model, look.problem, look.loss) == ("transformer", "classification", None)
    assert text(file, **look.data).info == text(file).info
    assert look_text(file, {"target": "id", "problem": "regression"}).data["target"] == "id"


def test_problems_are_seen(place: Path) -> None:
    file = place / "r.jsonl"
    lines: list[dict[str, Any]]
    lines = [{"text": s, "tags": ["a", "b"][: n % 3]} for n, s in enumerate(SENTENCES)]
    file.write_text("\n".join(map(json.dumps, lines)))
    assert look_text(file, {}).problem == "multilabel"
    lines = [{"text": s, "score": n / 8} for n, s in enumerate(SENTENCES)]
    file.write_text("\n".join(map(json.dumps, lines)))
    assert look_text(file, {}).problem == "regression" and likeliest(file) == "text"


def test_class_folders_and_running_text(place: Path) -> None:
    (place / "flat").mkdir()
    for label in ("pos", "neg"):
        (place / "imdb/train" / label).mkdir(parents=True)
        (place / "imdb/train" / label / "1.txt").write_text("a text")
        (place / "flat" / f"{label}.txt").write_text("a text")
    (place / "book.txt").write_text("A long story.\n" * 9)
    assert likeliest(place / "imdb") == "text"
    assert likeliest(place / "flat") == likeliest(place / "book.txt") == "language"
    look = look_language(place / "book.txt", {})
    assert (look.model, look.loss, look.problem) == ("language_model", "tokens", "language")
    (place / "only.csv").write_text("text\n" + "\n".join(SENTENCES))
    assert likeliest(place / "only.csv") == "language"


def test_pairs(place: Path) -> None:
    file = place / "p.tsv"
    file.write_text("".join(f"{s}\t{s[::-1]}\n" for s in SENTENCES))
    look = look_translation(file, {})
    assert likeliest(file) == "translation"
    assert (look.model, look.loss, look.problem) == ("seq2seq", "tokens", "translation")
    assert translation(file, **look.data).info == translation(file).info
    for ending in ("en", "de"):
        (place / f"train.{ending}").write_text("\n".join(SENTENCES))
    look = look_translation(place, {"source": "en"})
    assert look.data == {"source": "en", "target": "de"} and look.certainty > 0.6
    assert look_translation(place / "train.en", {"target_path": "train.de"}).certainty > 0.6


def test_named_languages_may_repeat_their_sentences(place: Path) -> None:
    file = place / "p.tsv"
    file.write_text("en\tde\n" + "the cat\tdie katze\na red house\trotes haus\n" * 20)
    assert likeliest(file) == "translation" and look_translation(file, {}).certainty > 0.8
    file.write_text("hp\tkw\n" + "100\t73.5\n90\t66.2\n" * 20)
    assert look_translation(file, {}).certainty < 0.5


def test_a_broken_line_changes_nothing(place: Path) -> None:
    rows = [f'{{"text": "{s}", "label": {n % 2}}}\n' for n, s in enumerate(SENTENCES)]
    (place / "a.jsonl").write_text("".join([*rows[:3], '{"text": "x", \n', *rows[3:]]))
    assert likeliest(place / "a.jsonl") == "text"
    (place / "b.jsonl").write_text("{no\n{no\n")
    assert look_text(place / "b.jsonl", {}).certainty == 0


def test_what_it_cannot_be(place: Path) -> None:
    (place / "numbers.csv").write_text("a,b,y\n" + "1,2,0\n3,4,1\n" * 20)
    (place / "people.csv").write_text(
        "Name,Age,Sex,Fare,Deck,Alive\n" + "Mr. John Smith,3,m,7.5,B,yes\n" * 20
    )
    (place / "ids.csv").write_text(
        "id,text\n" + "".join(f"{n},{s}\n" for n, s in enumerate(SENTENCES))
    )
    (place / "picture.png").write_bytes(b"\x89PNG\0\0")
    (place / "fake.txt").write_bytes(b"\0\1\2")
    (place / "broken.parquet").write_bytes(b"no")
    for name in ("numbers.csv", "people.csv", "picture.png", "fake.txt", "broken.parquet", "no"):
        assert max(kinds(place / name).values()) <= 0.2, name
    assert look_translation(place / "ids.csv", {}).certainty < 0.5
    for look in (look_text, look_language, look_translation):
        assert look(None, {}).certainty == 0

"""What a user hands in: words, files, folders, tables; without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import DataError, SampleError
from data.text import readers
from data.text.readers import LanguageReader, TextReader
from data.text.tokenizer import learnt

TOKENIZER = learnt(["some text to learn from"] * 3, 280)
ALONE = """
import sys
sys.path.insert(0, {source!r})
sys.modules["torch"] = sys.modules["pandas"] = None
from data.text.answers import LanguageAnswer, TranslationAnswer
from data.text.look import look_language, look_text, look_translation
from data.text.readers import TextReader
import data.text.labelled, data.text.pairs, data.text.running
reader = TextReader(tokenizer={tokenizer!r}, length=8)
read = [reader.read(given.source) for given in reader.expand("a word")]
assert reader.batch(read).shape == (1, 8)
assert "tokenizers" in sys.modules and "pyarrow" not in sys.modules
"""


@pytest.fixture
def reader() -> TextReader:
    return TextReader(tokenizer=TOKENIZER, length=8, column=["review"])


def test_any_word_is_a_text_unless_it_names_a_file(reader: TextReader, tmp_path: Path) -> None:
    for word in ("good", "Is it good? [no]", "", "x" * 5000, "a\nb"):
        (given,) = reader.expand(word)
        assert given.source == word and len(given.name) <= 80
    with pytest.raises(
        DataError, match=r"reviews.csv does not exist; did you mean .*review.csv\?$"
    ):
        (tmp_path / "review.csv").touch()
        reader.expand(str(tmp_path / "reviews.csv"))


def test_rows_of_a_table_bring_their_cells_along(reader: TextReader, tmp_path: Path) -> None:
    file = tmp_path / "a file.csv"
    file.write_text('id,review\n7,"good, very"\n8,bad\n')
    first, second = reader.expand(str(file))
    assert first == (f"{file}:2", "good, very", {"id": "7", "review": "good, very"})
    assert second.columns["id"] == "8"
    file.write_text("id,story\n7,good\n")
    with pytest.raises(DataError, match=r"no column 'review', where the text was in training"):
        list(reader.expand(str(file)))
    file.write_text("story\ngood\nbad\n")
    assert [given.source for given in reader.expand(str(file))] == ["good", "bad"]


def test_files_and_folders_are_read_when_they_are_needed(
    reader: TextReader, tmp_path: Path
) -> None:
    for name in ("b.txt", "a.txt"):
        (tmp_path / name).write_text(f"text of {name}")
    (tmp_path / "c.png").write_bytes(b"\0")
    found = list(reader.expand(str(tmp_path)))
    assert [Path(given.name).name for given in found] == ["a.txt", "b.txt"]
    assert reader.read(found[0].source).tolist() == reader.read("text of a.txt").tolist()
    assert [g.name for g in reader.expand(str(tmp_path / "*.txt"))] == [g.name for g in found]
    with pytest.raises(SampleError, match=r"c.png has a NUL character"):
        reader.read(tmp_path / "c.png")
    with pytest.raises(SampleError, match=r"gone.txt can't be read"):
        reader.read(tmp_path / "gone.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no text file"):
        list(reader.expand(str(tmp_path / "empty")))


def test_standard_input_is_a_table_or_lines(reader: TextReader) -> None:
    rows = list(reader.expand_bytes(b"id,review\n1,good\n2,bad\n"))
    assert [(row.name, row.source, row.columns["id"]) for row in rows] == [
        ("-:2", "good", "1"),
        ("-:3", "bad", "2"),
    ]
    rows = list(reader.expand_bytes(b'{"review": "good"}\n{"review": "bad"}\n'))
    assert [row.source for row in rows] == ["good", "bad"]
    rows = list(reader.expand_bytes("good, I say\n\nbad café".encode("cp1252")))
    assert [row.source for row in rows] == ["good, I say", "bad café"]


def test_readers_and_looks_need_no_torch() -> None:
    source = str(Path(readers.__file__).parents[2])
    script = ALONE.format(source=source, tokenizer=TOKENIZER)
    subprocess.run([sys.executable, "-c", script], check=True)


def test_what_a_reader_cannot_be_is_told() -> None:
    with pytest.raises(DataError, match="length"):
        TextReader(tokenizer=TOKENIZER, length=0)
    with pytest.raises(SampleError, match="int is no text"):
        LanguageReader(tokenizer=TOKENIZER, length=4).read(3)  # type: ignore[arg-type]
    assert TextReader(tokenizer=TOKENIZER, length=3).script() is None

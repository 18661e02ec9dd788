"""What the command line names: found in order, refused when it isn't there, told apart on stdin."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from answering import Numbers, files
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from data.errors import DataError
from trainer.errors import Refused
from trainer.inference import sources
from trainer.inference.sources import Item, inputs, is_list


def stdin(content: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(content))


def names(items: Iterator[Item]) -> list[str]:
    return [item.name for item in items]


def encoded(form: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB" if form == "WEBP" else "L", (5, 4), 7).save(content, form)
    return content.getvalue()


def test_words_are_taken_in_order(tmp_path: Path) -> None:
    single = files(tmp_path / "a", "1")
    several = files(tmp_path / "b", "1", "2")
    found = inputs([str(tmp_path / "b"), *single], Numbers(), None)
    assert names(found) == [*several, *single]


def test_all_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    words = [str(tmp_path / "missing"), *files(tmp_path / "a", "1"), str(tmp_path / "empty")]
    with pytest.raises(Refused) as caught:
        inputs(words, Numbers(), None)
    assert [problem.rpartition("/")[2] for problem in caught.value.problems] == [
        "missing does not exist",
        "empty holds no number; give another",
    ]


def test_nothing_is_listed_before_it_is_wanted(tmp_path: Path) -> None:
    class Endless(Numbers):
        listed = 0

        def expand(self, source: str) -> Iterator[str]:
            while True:
                self.listed += 1
                yield f"{source}{self.listed}"

    reader = Endless()
    found = inputs(["x"], reader, None)
    assert [next(found).name for _ in range(3)] == ["x1", "x2", "x3"]
    assert reader.listed == 3


def test_a_folder_that_fails_later_is_an_item_with_an_error() -> None:
    class Failing(Numbers):
        def expand(self, source: str) -> Iterator[str]:
            yield "a"
            raise DataError(f"{source} can't be listed")

    found = list(inputs(["folder", "folder"], Failing(), None))
    assert [(item.name, item.error) for item in found[:2]] == [
        ("a", None),
        ("folder", "folder can't be listed"),
    ]
    assert len(found) == 4


@pytest.mark.parametrize("separator", [b"\n", b"\r\n", b"\0"])
def test_a_list_on_standard_input(separator: bytes, tmp_path: Path) -> None:
    a, b, c = files(tmp_path, "1", "2", "0")
    content = separator.join(os.fsencode(path) for path in (a, b, "missing", c)) + separator
    found = list(inputs(["-"], Numbers(), stdin(content)))
    assert names(iter(found)) == [a, b, "missing", c]
    assert [item.error for item in found] == [None, None, "missing does not exist", None]


def test_a_list_is_read_while_it_grows(tmp_path: Path) -> None:
    a, b = files(tmp_path, "1", "2")
    reading, writing = os.pipe()
    os.write(writing, f"{a}\n".encode())
    with os.fdopen(reading, "rb") as stream:
        found = inputs(["-"], Numbers(), stream)
        assert next(found).name == a  # the other end is still open
        os.write(writing, f"{b}\n".encode())
        assert next(found).name == b
        os.close(writing)
        assert list(found) == []


def test_names_that_are_no_utf8_and_paths_without_end(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/caf\xe9"
    with open(odd, "w") as file:  # noqa: PTH123  # a path in bytes
        file.write("1")
    (item,) = inputs(["-"], Numbers(), stdin(odd + b"\n"))
    assert os.fsencode(item.name) == odd
    endless = b"a" * (3 * sources.LONGEST_PATH)
    _, second = inputs(["-"], Numbers(), stdin(odd + b"\n" + endless + b"\n"))
    assert second.error is not None and "too long for a path" in second.error


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_a_picture_on_standard_input(form: str) -> None:
    content = encoded(form)
    assert not is_list(content[: sources.LONGEST_PATH])
    (item,) = inputs(["-"], Numbers(), stdin(content))
    assert (item.name, item.source) == ("-", content)


def test_a_picture_of_netpbm_as_text() -> None:
    (item,) = inputs(["-"], Numbers(), stdin(b"P2\n2 1\n255\n0 255\n"))
    assert isinstance(item.source, bytes)


def test_a_file_that_is_called_like_one_is_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("P2 x").write_text("1")
    assert names(inputs(["-"], Numbers(), stdin(b"P2 x\n"))) == ["P2 x"]


def test_standard_input_that_holds_nothing_or_is_named_twice() -> None:
    for content in (b"", b"\n\n"):
        with pytest.raises(Refused, match="standard input, which is empty"):
            inputs(["-"], Numbers(), stdin(content))
    with pytest.raises(Refused, match="closed"):
        inputs(["-"], Numbers(), None)
    with pytest.raises(Refused, match="more than once"):
        inputs(["-", "-"], Numbers(), stdin(b"1"))


def test_a_picture_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LARGEST_INPUT", 1000)
    monkeypatch.setattr(sources, "LONGEST_PATH", 100)
    with pytest.raises(Refused, match="more than 1,000 bytes"):
        inputs(["-"], Numbers(), stdin(b"\x89PNG" + b"\0" * 2000))


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1)))
def test_a_list_comes_back_as_it_was_given(words: list[str]) -> None:
    class Any(Numbers):
        def expand(self, source: str) -> Iterator[str]:
            return iter([source])

    content = "".join(f"x{word}\n" for word in words)
    if not words or not is_list(content.encode()):
        return
    assert names(inputs(["-"], Any(), stdin(content.encode()))) == [f"x{word}" for word in words]


@given(st.binary(max_size=200))
def test_whatever_comes_is_one_or_the_other(content: bytes) -> None:
    class Any(Numbers):
        def expand(self, source: str) -> Iterator[str]:
            raise DataError(f"{source} does not exist")

    if not content.strip(b"\r\n\0"):
        return
    found = list(inputs(["-"], Any(), stdin(content)))
    assert found and all((item.error is None) == isinstance(item.source, bytes) for item in found)

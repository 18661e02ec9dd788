"""Files, folders and patterns: every image once, sorted, in little memory; mistakes are named."""

import glob
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import inputs
from data.errors import DataError, SampleError
from data.inputs import expand
from data.pixels.decoding import decode


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(folder: Path, source: str | None = None) -> list[str]:
    paths = expand(str(folder) if source is None else source)
    return [Path(path).relative_to(folder).as_posix() for path in paths]


def test_a_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", ".hidden", "a[1].png")
    for name in ("notes.txt", ".hidden", "a[1].png"):
        assert found(tmp_path, str(tmp_path / name)) == [name]


def test_a_folder_gives_all_images_below_it_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "b.PNG", "a/2.jpg", "a/10.jpg", "a.png", "c/d/e.webp", "c/notes.txt", "png")
    touch(tmp_path, ".git/x.png", "c/.cache/x.png", ".x.png")
    (tmp_path / "empty").mkdir()
    assert found(tmp_path) == ["a/10.jpg", "a/2.jpg", "a.png", "b.PNG", "c/d/e.webp"]


PATTERNS = ["*", "*.png", "**/*.png", "a*/**/b*", "**", "*/*", "**/[ab]/*.png", "?.png", "**/**/a*"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_match_what_glob_matches(tmp_path: Path, pattern: str) -> None:
    touch(tmp_path, "a.png", "b.png", "a/b.png", "a/b/a.png", "ab/b/b.jpg", "c/a/x.png", "c/bb.png")
    touch(tmp_path, ".h/a.png", "a/.a.png")
    # A folder that matches stands for all images below it.
    expected = set()
    for match in glob.glob(str(tmp_path / pattern), recursive=True):  # noqa: PTH207 - its rules
        below = [*Path(match).rglob("*.*")] if Path(match).is_dir() else [Path(match)]
        expected |= {p.relative_to(tmp_path).as_posix() for p in below if p.is_file()}
    expected = {name for name in expected if "/." not in f"/{name}"}
    ours = found(tmp_path, str(tmp_path / pattern))
    assert len(ours) == len(set(ours)) and set(ours) == expected


def test_a_pattern_may_name_hidden_things_and_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, ".h/a.png", "b/c.png")
    assert found(tmp_path, str(tmp_path / ".*" / "*.png")) == [".h/a.png"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert found(tmp_path, "~/b/*.png") == ["b/c.png"] == found(tmp_path, "~/b")


TREES = st.recursive(
    st.just(None),
    lambda below: st.dictionaries(st.sampled_from(["a", "b", "c", ".x"]), below, max_size=5),
)


@settings(max_examples=60, deadline=None)
@given(TREES, st.integers(1, 4))
def test_any_tree_is_walked_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, tree: Any, kept: int
) -> None:
    top = tmp_path_factory.mktemp("tree")
    expected: list[str] = []

    def grow(folder: Path, node: dict[str, Any], hidden: bool) -> None:
        for name, below in sorted(node.items(), key=lambda item: entry_name(*item)):
            path = folder / entry_name(name, below)
            if below is None:
                path.touch()
                if not hidden and not name.startswith("."):
                    expected.append(path.relative_to(top).as_posix())
            else:
                path.mkdir()
                grow(path, below, hidden or name.startswith("."))

    grow(top, tree or {}, False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "KEPT_NAMES", kept)
        if expected:
            assert found(top) == expected
        else:
            with pytest.raises(DataError, match="holds no image"):
                found(top)


def entry_name(name: str, below: Any) -> str:
    return f"{name}.png" if below is None else name


class Listing:
    """A folder of very many files, as os.scandir gives it."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __enter__(self) -> Iterator[Any]:
        return (
            SimpleNamespace(name=f"{i * 7919 % self.count:07}.png", is_dir=lambda: False)
            for i in range(self.count)
        )

    def __exit__(self, *error: object) -> None:
        pass


def peak_of_first(kept: int, monkeypatch: pytest.MonkeyPatch, folder: Path) -> int:
    monkeypatch.setattr(inputs, "KEPT_NAMES", kept)
    monkeypatch.setattr(os, "scandir", lambda path: Listing(10_000))
    tracemalloc.start()
    try:
        paths = expand(str(folder))
        count, last = 0, ""
        for path in paths:
            assert path > last
            count, last = count + 1, path
        assert count == 10_000
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = peak_of_first(1000, monkeypatch, tmp_path)
    all_at_once = peak_of_first(10_000, monkeypatch, tmp_path)
    assert few < 500_000 < all_at_once


def test_nothing_is_read_before_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, *(f"{name}/1.png" for name in "abcdef"))
    read: list[str] = []
    scandir = os.scandir

    def watched(path: str) -> Any:
        read.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", watched)
    paths = expand(str(tmp_path))
    assert len(read) == 2
    assert len(list(paths)) == 6 and len(read) == 7


def test_a_link_back_is_not_followed(tmp_path: Path) -> None:
    touch(tmp_path, "a/b/1.png")
    (tmp_path / "a" / "b" / "back").symlink_to(tmp_path / "a")
    (tmp_path / "other").symlink_to(tmp_path / "a" / "b")
    assert found(tmp_path) == ["a/b/1.png", "other/1.png"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("dgo.png", r"dgo\.png does not exist; did you mean .*/dog\.png\?"),
        ("phots/dog.png", r"does not exist; did you mean .*/photos\?"),
        ("zzz/y/x.png", r"does not exist \(.* does, without 'zzz'\)"),
        ("phots/*.png", r"phots of .*/phots/\*\.png does not exist; did you mean .*/photos\?"),
        ("photos/*.bmp", r"matches no image \(\.bmp, .*\); give another path"),
        ("void", r"void holds no image"),
    ],
)
def test_what_is_missing_is_told_at_once(tmp_path: Path, source: str, text: str) -> None:
    touch(tmp_path, "dog.png", "photos/cat.png", "void/notes.txt")
    with pytest.raises(DataError, match=text) as error:
        expand(str(tmp_path / source))
    assert error.value.exit_code == 2 and "\n" not in str(error.value)


def test_what_cannot_be_read_comes_along_and_is_named_when_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/1.png", "locked/2.png", "z/3.png")
    (tmp_path / "z" / "gone.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "z" / "pipe.png")
    for name in ("scandir", "listdir"):
        listed = getattr(os, name)

        def guarded(path: Any, listed: Any = listed) -> Any:
            if str(path).endswith("locked"):
                raise PermissionError(13, "Permission denied", str(path))
            return listed(path)

        monkeypatch.setattr(os, name, guarded)
    assert found(tmp_path) == ["a/1.png", "locked", "z/3.png", "z/gone.png", "z/pipe.png"]
    for name, text in (
        ("locked", r"locked is a folder that can't be listed \(Permission denied\)"),
        ("z/gone.png", r"gone\.png is missing"),
        ("z/pipe.png", r"pipe\.png is no file but a pipe or a device"),
        ("z", r"z is a folder; give an image in it"),
    ):
        with pytest.raises(SampleError, match=text):
            decode(str(tmp_path / name), height=2, width=2, channels=1)

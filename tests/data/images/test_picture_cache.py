"""The cache of decoded pictures: shared by workers, remade when it is damaged or out of date."""

import os
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from data.augmentation.batches import RandomResizedCrop
from data.errors import DataError, SampleError
from data.images import cache, images
from data.images.cache import Bytes, Held, in_memory, on_disk


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "the cache"
    monkeypatch.setenv("FIVESTEP_CACHE", str(folder))
    return folder


class Decoder:
    """Pictures of all sizes; counts how often it is asked."""

    def __init__(self, bad: int | None = None) -> None:
        self.asked, self.bad = 0, bad

    def __call__(self, index: int) -> np.ndarray:
        self.asked += 1
        if index == self.bad:
            raise SampleError(f"number {index} is bad")
        shape = (3 + index % 5, 4 + index % 3, 3)
        return np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8)


def marks(count: int = 20) -> list[str]:
    return [f"file {index}" for index in range(count)]


def same(held: Held, decode: Decoder, count: int = 20) -> bool:
    return len(held) == count and all(
        np.array_equal(held.one(index), decode(index)) for index in range(count)
    )


def test_memory_and_disk_hold_the_same_pictures(place: Path) -> None:
    decode = Decoder()
    held, bad = in_memory(decode, 20, 3)
    assert same(held, decode) and not bad and not held.is_uniform
    stored, bad = on_disk(decode, marks(), "a", 3)
    assert same(stored, decode) and not bad
    asked = decode.asked
    again, _ = on_disk(decode, marks(), "a", 3)
    assert decode.asked == asked and len(list(place.iterdir())) == 1
    assert same(again.subset(np.arange(20)), decode)
    part = stored.subset(np.array([7, 2]))
    assert np.array_equal(part.one(0), decode(7)) and np.array_equal(part.one(1), decode(2))


def test_what_changes_the_pixels_changes_the_file(place: Path) -> None:
    decode = Decoder()
    for options, names in (("a", marks()), ("b", marks()), ("a", [*marks()[:-1], "other"])):
        on_disk(decode, names, options, 3)
    assert len(list(place.iterdir())) == 3


@pytest.mark.parametrize("how", ["cut", "flip", "longer", "empty", "end"])
def test_a_damaged_file_is_made_again(
    place: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    decode = Decoder()
    on_disk(decode, marks(), "a", 3)
    (path,) = place.iterdir()
    content = bytearray(path.read_bytes())
    if how == "flip":
        content[100] ^= 1
    if how == "end":
        content[-30] ^= 1
    cut: Any = {"cut": content[:-200], "longer": content + b"x", "empty": b""}.get(how, content)
    path.write_bytes(cut)
    held, _ = on_disk(decode, marks(), "a", 3)
    assert same(held, decode) and "is damaged; it is made again" in caplog.text


def test_pictures_that_cannot_be_decoded_are_remembered(place: Path) -> None:
    decode = Decoder(bad=5)
    for _ in range(2):
        held, bad = on_disk(decode, marks(), "a", 3)
        assert bad == {5: "number 5 is bad"}
        assert np.array_equal(held.one(6), decode(6))
    memory, bad = in_memory(decode, 20, 3, but=[2])
    assert bad == {5: "number 5 is bad"} and memory.sizes[2].tolist() == [0, 0]


def test_a_worker_gets_the_name_of_the_file_and_not_its_content(place: Path) -> None:
    held, _ = on_disk(Decoder(), marks(), "a", 3)
    assert same(held, Decoder())
    sent = pickle.dumps(held)
    assert len(sent) < 2000 < held.num_bytes + 2000
    assert same(pickle.loads(sent), Decoder())  # noqa: S301  # our own bytes


def test_two_that_make_it_at_once(place: Path) -> None:
    found: list[Held] = []

    def make() -> None:
        found.append(on_disk(Decoder(), marks(200), "a", 3)[0])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(held, Decoder(), 200) for held in found) and len(found) == 4
    assert [path.suffix for path in place.iterdir()] == [".bin"]


def test_a_build_that_fails_leaves_nothing_and_old_parts_go(place: Path) -> None:
    def fail(index: int) -> np.ndarray:
        raise KeyError(index)

    with pytest.raises(KeyError):
        on_disk(fail, marks(), "a", 3)
    assert not list(place.iterdir())
    old, new = place / "images-a.part", place / "images-b.part"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    on_disk(Decoder(), marks(), "a", 3)
    assert not old.exists() and new.exists()


def test_no_room_is_one_line(place: Path) -> None:
    place.write_text("a file where the folder is to be")
    with pytest.raises(DataError, match=r"can't be written .* FIVESTEP_CACHE, or set data\.cache"):
        on_disk(Decoder(), marks(), "a", 3)


def test_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FIVESTEP_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.folder() == tmp_path / ".cache" / "fivestep"


def test_pictures_of_one_size_are_read_as_a_batch() -> None:
    pixels = torch.arange(2 * 3 * 4 * 3, dtype=torch.uint8)
    sizes = np.array([[3, 4], [3, 4]])
    held = Held(Bytes(pixels), np.array([0, 36]), sizes, 3)
    assert held.is_uniform and (held.height, held.width) == (3, 4)
    assert torch.equal(held.read(np.array([1, 0]))[0], pixels[36:].view(3, 4, 3).permute(2, 0, 1))


def filled(folder: Path) -> Path:
    for number in range(20):
        path = folder / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(Decoder()(number)).save(path)
    return folder


@pytest.mark.parametrize("augment", [None, RandomResizedCrop()])
@pytest.mark.parametrize("kind", ["memory", "disk", True])
def test_a_data_set_is_the_same_with_and_without(tmp_path: Path, kind: Any, augment: Any) -> None:
    folder = filled(tmp_path / "pictures")
    plain = images(folder, size=8, cache=False, augment=augment)
    for _ in range(2):
        cached = images(folder, size=8, cache=kind, augment=augment)
        assert cached.info == plain.info
        for split in ("train", "validation", "test"):
            ours, theirs = getattr(cached, split), getattr(plain, split)
            indices = np.arange(len(ours))
            pairs = zip(
                ours.finish(ours.fetch(indices, 1, 2), indices, 1, 2),
                theirs.finish(theirs.fetch(indices, 1, 2), indices, 1, 2),
                strict=True,
            )
            assert all(torch.equal(*pair) for pair in pairs)
            assert theirs.is_costly and not ours.is_costly


def test_a_changed_picture_is_decoded_again(tmp_path: Path, place: Path) -> None:
    folder = filled(tmp_path / "pictures")
    images(folder, size=8, cache="disk")
    before = {path.name for path in place.iterdir()}
    Image.new("RGB", (5, 5), (1, 2, 3)).save(folder / "cat" / "0.png")
    found = images(folder, size=8, cache="disk")
    assert {path.name for path in place.iterdir()} > before
    part = next(p for p in (found.train, found.validation, found.test) if "cat/0.png" in p.names)
    assert tuple(part.picture(part.names.index("cat/0.png"))[0, 0]) == (1, 2, 3)


@pytest.mark.parametrize("kind", ["memory", "disk", False])
@pytest.mark.parametrize("augment", [None, RandomResizedCrop()])
def test_bad_files_are_left_out_whatever_the_cache(tmp_path: Path, kind: Any, augment: Any) -> None:
    folder = filled(tmp_path / "pictures")
    for name in ("cat/2.png", "dog/3.png"):
        (folder / name).write_text("no picture")
    found = images(folder, size=8, cache=kind, on_error="skip", augment=augment)
    assert sorted(each.name for each in found.bad) == ["cat/2.png", "dog/3.png"]
    names = [*found.train.names, *found.validation.names, *found.test.names]
    assert len(names) == 18 and "cat/2.png" not in names
    assert found.train.fetch(np.arange(len(found.train)), 0, 0)[0].dtype == torch.uint8
    with pytest.raises(DataError, match="2 problems"):
        images(folder, size=8, cache=kind, augment=augment)


def test_pictures_are_not_held_unless_asked_for(tmp_path: Path) -> None:
    folder = filled(tmp_path / "pictures")
    assert images(folder, size=8, augment=RandomResizedCrop(), cache=False).train.is_costly
    with pytest.raises(DataError, match=r"cache \('ram'\) in data\.cache; choose"):
        images(folder, cache="ram")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"source_size \(0\)"):
        images(folder, source_size=0)

"""Images in tar shards: the same pixels as from files, in any order, and every fault by name."""

import bz2
import gzip
import lzma
import pickle
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from packing import folder_of_pictures, jpeg, labelled, pictures, tar

from data.augmentation.batches import RandomResizedCrop
from data.errors import DataError, SampleError
from data.images import images
from data.images.reader import ImageReader
from data.loading.loaders import loader
from data.loading.order import BufferedOrder
from data.pixels.decoding import decode
from data.shards.names import PackedNames, packed
from data.shards.streaming import stream as streamed
from trainer.storage.records import write_splits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of_pictures(tmp_path_factory.mktemp("all of my") / "shards")


def stream(path: Any, **options: Any) -> Any:
    return streamed(path, **options)


def make(dataset: Any, **options: Any) -> Any:
    chosen: dict[str, Any] = {"batch_size": 6, "shuffle": True, "seed": 1, "device": "cpu"}
    return loader(dataset, **(chosen | options))


def test_pixels_classes_and_statistics_are_those_of_the_same_images_in_folders(
    folder: Path, tmp_path: Path
) -> None:
    streamed = stream(folder, size=10)
    names: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for split, part in zip(
        names, (streamed.train, streamed.validation, streamed.test), strict=True
    ):
        for name, label in zip(part.names, part.labels.tolist(), strict=True):
            number = int(name.rpartition("/")[2])
            path = tmp_path / split / str(label) / f"{number:06d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(number % 3, number))
            names[split].append(name)
    assert sum(map(len, names.values())) == 60 and len(set().union(*names.values())) == 60
    stored = images(tmp_path, size=10)
    for ours, theirs in (
        (streamed.train, stored.train),
        (streamed.validation, stored.validation),
        (streamed.test, stored.test),
    ):
        place = {Path(name).stem: index for index, name in enumerate(theirs.names)}
        for index, name in enumerate(ours.names):
            image, label = theirs[place[name.rpartition("/")[2]]]
            # Same pixels; their statistics add up in another order.
            assert torch.allclose(ours[index][0], image, atol=1e-5) and ours[index][1] == label
    assert streamed.info.classes == stored.info.classes == ("0", "1", "2")
    assert np.allclose(streamed.info.mean, stored.info.mean)
    assert streamed.info.class_counts == stored.info.class_counts


def test_reader_gives_what_the_dataset_gives(folder: Path, tmp_path: Path) -> None:
    splits = stream(folder, size=[8, 12], channels=1)
    test = splits.test
    node = dict(splits.info.reader)
    reader = ImageReader(**{key: value for key, value in node.items() if key[0] != "_"})
    number = int(test.names[0].rpartition("/")[2])
    path = tmp_path / "one.png"
    path.write_bytes(jpeg(number % 3, number))
    raw = reader.read(str(path))
    assert np.array_equal(raw, test.raw(0))
    assert torch.equal(torch.from_numpy(reader.batch([raw]))[0], test[0][0])


@pytest.mark.parametrize("way", [{"num_workers": 0}, {"num_workers": 2}])
def test_order_is_that_of_the_buffer_and_any_place_can_be_entered(
    folder: Path, way: dict[str, Any]
) -> None:
    train = stream(folder, size=8, buffer=7).train
    order = BufferedOrder(len(train), starts=train.locality[0], buffer=7, batch_size=6, seed=1)
    expected = make(train, num_workers=0)
    whole = list(expected.epoch(2))
    other = make(train, **way)
    next(other.epoch(0))
    for number, (batch, same) in enumerate(zip(other.epoch(2, start=3), whole[3:], strict=True), 3):
        assert torch.equal(batch[0], same[0]) and torch.equal(batch[1], same[1])
        assert other.indices(2, number) == order.members(2, number)
    other.close()
    # Read in the order of the shards: a batch touches two of them at most.
    shard = np.searchsorted(train.locality[0], np.arange(len(train)), side="right")
    assert max(len(set(shard[order.members(2, b)])) for b in range(len(whole))) <= 2


def test_memory_does_not_grow_with_what_has_been_read(tmp_path: Path) -> None:
    # Pictures of 200 kB decoded; all of them together would take 12 MB.
    for number in range(2):
        members = []
        for key in range(30):
            members.append((f"{number}{key:03d}.png", jpeg(key % 2, key, side=14)))
            members.append((f"{number}{key:03d}.cls", str(key % 2).encode()))
        tar(tmp_path / f"{number}.tar", members)
    train = stream(tmp_path, size=256, validation=0, test=0.1).train
    source = make(train, batch_size=2, num_workers=0, limit_batches=None)
    for _ in source.epoch(0):
        pass
    tracemalloc.start()
    for _ in source.epoch(1):
        pass
    before = tracemalloc.get_traced_memory()[0]
    for epoch in range(2, 4):
        for _ in source.epoch(epoch):
            pass
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 50_000 and peak < 4_000_000
    assert len(pickle.dumps(train)) < 30_000


def test_classes_may_be_names_numbers_or_fields_of_json(tmp_path: Path) -> None:
    samples = [(f"dir.x/{n}.a.png", f"dir.x/{n}.json") for n in range(20)]
    named = [
        member
        for n, (image, fields) in enumerate(samples)
        for member in (
            (image, jpeg(n % 2, n)),
            (fields, labelled({"id": n, "label": ("dog", "cat")[n % 2], "kind": n % 4})),
        )
    ]
    tar(tmp_path / "a.tar", named)
    assert stream(tmp_path).info.classes == ("cat", "dog")
    assert stream(tmp_path, target="json.kind").info.classes == ("0", "1", "2", "3")
    kinds = stream(tmp_path, target="json.kind", classes=["w", "x", "y", "z", "none"])
    assert kinds.info.classes[3] == "z" and kinds.info.num_classes == 5
    assert set(stream(tmp_path).train.names[:1]) <= {f"a.tar/dir.x/{n}" for n in range(20)}
    with pytest.raises(DataError, match=r"2 classes of the shards \(2, 3\) are beyond the 2 names"):
        stream(tmp_path, target="json.kind", classes=["w", "x"])
    with pytest.raises(DataError, match=r"1 classes .* not in data\.classes \('dog'\)"):
        stream(tmp_path, classes=["cat", "bird"])
    with pytest.raises(DataError, match="json without a class in field 'colour'"):
        stream(tmp_path, target="json.colour")


def test_numbers_sort_as_numbers_and_text_members_will_do(tmp_path: Path) -> None:
    members = []
    for number in range(36):
        members.append((f"{number}.jpg", jpeg(0, number, kind="JPEG")))
        members.append((f"{number}.txt", f" {number % 12}\n".encode()))
    tar(tmp_path / "a.tar", members)
    assert stream(tmp_path, target="txt", split="stratified").info.classes == tuple(
        map(str, range(12))
    )


def test_shards_named_for_a_split_are_that_split(tmp_path: Path) -> None:
    tar(tmp_path / "train-0.tar", pictures(0, 20))
    tar(tmp_path / "val-0.tar", pictures(20, 6))
    tar(tmp_path / "holdout" / "testing" / "0.tar", pictures(26, 9))
    splits = stream(tmp_path, size=8)
    found = (splits.info.num_train, splits.info.num_validation, splits.info.num_test)
    assert found == (20, 6, 9)
    assert all(name.startswith("val-0.tar/") for name in splits.validation.names)
    # Without shards for a test, it is taken from those for training.
    taken = stream(tmp_path / "{train,val}-0.tar".replace("{train,val}", "*"), size=8, test=0.3)
    assert (taken.info.num_train, taken.info.num_validation, taken.info.num_test) == (14, 6, 6)
    mixed = stream(tmp_path, size=8, split="stratified")
    assert mixed.info.num_test == 7


def test_written_splits_and_folds(folder: Path, tmp_path: Path) -> None:
    first = stream(folder, size=8, split="stratified")
    run: Any = SimpleNamespace(path=tmp_path)
    write_splits(run, cast(Any, first))
    again = stream(folder, size=8, splits=str(tmp_path / "splits.csv"), split_seed=5)
    assert list(again.test.names) == list(first.test.names)
    assert again.info.fingerprint == first.info.fingerprint
    assert stream(folder, size=8, split_seed=5).info.fingerprint != first.info.fingerprint
    folds = [stream(folder, size=8, folds=3, fold=fold) for fold in range(3)]
    assert len({name for fold in folds for name in fold.validation.names}) == 60 - len(
        folds[0].test
    )


@pytest.mark.parametrize(
    ("source", "count"),
    [("*.tar", 60), ("part-{000..002}.tar", 45), ("part-00[01].tar", 30), ("part-003.tar", 15)],
)
def test_shards_may_be_given_by_pattern(folder: Path, source: str, count: int) -> None:
    info = stream(f"{folder}/{source}", size=8).info
    assert info.num_train + info.num_validation + info.num_test == count
    both = stream([f"{folder}/part-000.tar", folder / "part-003.tar", folder / "part-003.tar"])
    assert sum(len(part) for part in (both.train, both.validation, both.test)) == 30


def test_what_is_no_shard_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"x")
    tar(tmp_path / "none" / "empty.tar", [])
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.csv").write_text("a,b\n")
    for path, text in (
        (None, "data.path is needed: a folder of shards"),
        ([], "data.path is needed"),
        (tmp_path / "a.tar.gz", r"1 compressed shards .* unpack them once to \.tar \(gunzip"),
        (tmp_path / "none", r"1 shards in data\.path hold no samples"),
        (tmp_path / "text", r"has no shards \(\.tar, \.parquet\), but '\.csv'"),
        (f"{folder}/part-{{000..005}}.tar", r"2 of 6 shards .* are missing \('.*part-004.tar', "),
        (f"{folder}x", r"does not exist; did you mean .*shards\?"),
        ("https://example.org/a.tar", "is no local path; fetch the shards first"),
        ([folder / "part-000.tar", folder / "part-999.tar"], "does not exist; did you mean"),
    ):
        with pytest.raises(DataError, match=text):
            stream(path)


def test_options_are_checked_together(folder: Path) -> None:
    with pytest.raises(DataError) as error:
        stream(folder, size=0, channels=2, buffer=0, features=["a"], group="g", on_error="no")
    assert len(error.value.problems) == 6


def faulty(folder: Path) -> Path:
    """A sample without a class, one without an image, one whose image is cut off, one twice."""
    sound = pictures(0, 40)
    image = jpeg(0)
    odd = [
        ("x1.png", image),
        ("x2.cls", b"0"),
        ("x3.png", image[:60]),
        ("x3.cls", b"0"),
        ("000001.png", image),
        ("000001.cls", b"1"),
        ("x4.png", image),
        ("x4.cls", b""),
    ]
    tar(folder / "b.tar", [*sound, *odd])
    return folder


def test_samples_that_lack_something_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        stream(faulty(tmp_path), size=8)
    assert "b.tar: sample 'x1' has no cls (it has png)" in str(error.value)
    assert "'x2' has no image, or several (it has cls)" in str(error.value)
    assert "'000001' comes twice" in str(error.value) and "'x4' has an empty cls" in str(
        error.value
    )
    assert len(error.value.problems) == 4


def test_with_skip_they_are_left_out_and_listed(tmp_path: Path) -> None:
    splits = stream(faulty(tmp_path), size=8, on_error="skip", validation=0, test=0, split="random")
    assert splits.info.num_train == 40
    assert [bad.name for bad in splits.bad] == [
        "b.tar/x1",
        "b.tar/x2",
        "b.tar/000001",
        "b.tar/x4",
        "b.tar/x3",
    ]
    assert "can't be decoded" in splits.bad[4].reason
    with pytest.raises(
        DataError, match=r"4 samples can't be read, more than loader\.max_bad \(3\)"
    ):
        stream(tmp_path, size=8, on_error="skip", max_bad=3)
    with pytest.raises(
        DataError, match=r"5 samples can't be read, more than loader\.max_bad \(4\)"
    ):
        stream(tmp_path, size=8, on_error="skip", max_bad=4, validation=0, test=0, split="random")


@pytest.mark.parametrize(("cut", "sound"), [(0.6, True), (1200, False), (0, False)])
def test_a_truncated_shard_is_named_with_its_last_sample(
    tmp_path: Path, cut: float, sound: bool
) -> None:
    tar(tmp_path / "a.tar", pictures(0, 30))
    path = tar(tmp_path / "b.tar", pictures(30, 30))
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content)) if cut < 1 else int(cut)])
    with pytest.raises(DataError, match=r"b\.tar is truncated or no tar file \(.*\) after "):
        stream(tmp_path, size=8)
    splits = stream(tmp_path, size=8, on_error="skip", split="stratified")
    kept = splits.info.num_train + splits.info.num_validation + splits.info.num_test
    assert (40 < kept < 60) if sound else kept == 30
    assert [bad.name for bad in splits.bad] == ["b.tar"]


@pytest.mark.parametrize(("module", "told"), [(gzip, "gunzip"), (bz2, "bunzip2"), (lzma, "unxz")])
def test_a_compressed_shard_is_told_by_its_content(tmp_path: Path, module: Any, told: str) -> None:
    tar(tmp_path / "a.tar", [("0.cls", b"0"), ("0.png", b"-")])
    (tmp_path / "a.tar").write_bytes(module.compress((tmp_path / "a.tar").read_bytes()))
    with pytest.raises(DataError, match=rf"a\.tar is compressed, .* unpack it \({told}\)"):
        stream(tmp_path)


def test_a_shard_that_changes_while_it_is_read_is_told_with_the_sample(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", pictures(0, 30))
    train = stream(tmp_path, size=8).train
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(
        SampleError, match=r"a\.tar/0000\d\d \(sample \d+\) has .* bytes left"
    ) as error:
        list(make(train, num_workers=0).epoch(0))
    assert error.value.exit_code == 7
    source = make(train, num_workers=0, on_error="skip", max_bad=30)
    kept = sum(len(batch[0]) for batch in source.epoch(0) if batch is not None)
    assert 0 < len(source.bad) == len(train) - kept
    path.unlink()
    with pytest.raises(SampleError, match=r"can't be read .*restore the shard"):
        train[0]


def test_pictures_that_are_wide_and_odd_members_are_fine(tmp_path: Path) -> None:
    members = [("._junk.png", b"x"), ("./__meta__/a.png", b"x")]
    for number in range(20):
        members += [
            (f"{number}.seg.png", jpeg(2, number)),
            (f"./{number}.JPG", jpeg(number % 2, number, kind="JPEG")),
            (f"{number}.cls", str(number % 2).encode()),
        ]
    tar(tmp_path / "a.tar", members)
    splits = stream(tmp_path, size=8, split="random")
    index = int(splits.train.names[0].rpartition("/")[2])
    expected = decode(
        jpeg(index % 2, index, kind="JPEG"), height=8, width=8, channels=3, name="sample"
    )
    assert np.array_equal(splits.train.picture(0), expected)


def test_random_crops_are_those_of_the_same_images_in_folders(tmp_path: Path) -> None:
    members = []
    for number in range(12):
        picture = jpeg(number % 2, number, side=40, kind="JPEG")
        members += [(f"{number:02d}.jpg", picture), (f"{number:02d}.cls", b"%d" % (number % 2))]
    tar(tmp_path / "shards" / "train.tar", members)
    for number in range(12):
        path = tmp_path / "folders" / str(number % 2) / f"{number:02d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(members[2 * number][1])
    options: dict[str, Any] = {"size": 10, "validation": 0, "test": 0}
    options["augment"] = RandomResizedCrop()
    ours = stream(tmp_path / "shards", **options).train
    theirs = images(tmp_path / "folders", cache=False, **options).train
    place = {Path(name).stem: index for index, name in enumerate(theirs.names)}
    order = np.array([place[name.rpartition("/")[2]] for name in ours.names])
    plain = make(ours, shuffle=False, num_workers=0, batch_size=12)
    # The same samples under the same numbers, so that they are cut alike.
    theirs.crops.pictures = [theirs.crops.pictures.one(index) for index in order.tolist()]
    theirs.crops.pictures = type("Held", (), {"one": theirs.crops.pictures.__getitem__})()
    cut = theirs.crops.early(np.arange(12), 0, 1)
    assert torch.equal(ours.crops.early(np.arange(12), 0, 1), cut)
    assert next(plain.epoch(0))[0].shape == (12, 3, 10, 10)


def test_a_model_trained_on_other_data_sees_its_own_scale_and_classes(folder: Path) -> None:
    splits = stream(folder, size=8)
    info = type("Info", (), {"classes": ("2", "0", "1"), "input_shape": [3, 8, 8], "targets": ()})
    info.mean, info.std, info.problem = (0.5,) * 3, (0.25,) * 3, "classification"  # type: ignore[attr-defined]
    seen = splits.test.seen_as(info, splits.info.classes)
    assert seen[0][1] == (splits.test[0][1] + 1) % 3
    pixels = torch.from_numpy(splits.test.picture(0)).permute(2, 0, 1).float() / 255
    assert torch.allclose(seen[0][0], (pixels - 0.5) / 0.25, atol=1e-6)


def test_packed_names_are_a_sequence() -> None:
    keys = ["a/ü", "", "b\udcff", "long" * 50]
    text, ends = packed(keys)
    names = PackedNames(["s.tar", "t.tar"], np.array([0, 0, 1, 1]), text, ends)
    assert list(names) == ["s.tar/a/ü", "s.tar/", "t.tar/b\udcff", "t.tar/" + "long" * 50]
    some = names.of(np.array([3, 0])).of(np.array([1]))
    assert list(some) == [names[0]] == names[:1] and names[-1] == names[3]
    with pytest.raises(IndexError):
        some[1]

"""Samples that can't be read: left out of their batch, and nothing else changes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from odd_datasets import Broken, Holed
from PIL import Image

from data.digits import digits
from data.errors import DataError, SampleError
from data.images import images
from data.loading.loaders import loader

WAYS = (0, 1, 2)


def make(dataset: Any, **options: Any) -> Any:
    chosen: dict[str, Any] = {"shuffle": True, "seed": 3, "device": "cpu", "num_workers": 0}
    return loader(dataset, **(chosen | {"on_error": "skip", "batch_size": 4} | options))


def batches(source: Any, epochs: int = 2) -> list[Any]:
    """All batches, and which samples are said to be in each."""
    found = []
    for epoch in range(epochs):
        for number, batch in enumerate(source.epoch(epoch)):
            found.append((source.indices(epoch, number), batch))
    return found


def same(ours: list[Any], theirs: list[Any]) -> bool:
    if [indices for indices, _ in ours] != [indices for indices, _ in theirs]:
        return False
    pairs = [(a, b) for (_, a), (_, b) in zip(ours, theirs, strict=True)]
    return all(
        a is b is None or all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
        for a, b in pairs
    )


@pytest.mark.parametrize("bad", [{3, 4, 11}, {0, 1, 2, 3, 4, 5}])
def test_the_others_keep_batch_order_and_random_numbers_every_way(bad: set[int]) -> None:
    whole = batches(make(Holed(())))
    listed = []
    for workers in WAYS:
        source = make(Holed(bad), num_workers=workers)
        found = batches(source)
        source.close()
        assert len(found) == len(whole)
        for (indices, batch), (all_of_it, sound) in zip(found, whole, strict=True):
            kept = [place for place, index in enumerate(all_of_it) if index not in bad]
            assert indices == [all_of_it[place] for place in kept]
            if not kept:
                assert batch is None
                continue
            assert all(torch.equal(x, y[kept]) for x, y in zip(batch, sound, strict=True))
        listed.append(source.bad)
    assert listed[0] == listed[1] == listed[2] and {each.sample for each in listed[0]} == bad
    assert not same(whole, batches(make(Holed(()), seed=4)))  # the comparison can fail


@pytest.mark.parametrize("workers", WAYS)
def test_a_batch_of_which_nothing_is_left_is_none(workers: int) -> None:
    source = make(Holed({4, 5, 6, 7, 18}), shuffle=False, num_workers=workers)
    for _ in range(2):
        found = [batch if batch is None else len(batch[0]) for batch in source.epoch(0)]
        assert found == [4, None, 4, 4, 3]
    assert source.indices(0, 1) == [] and source.indices(0, 4) == [16, 17, 19]
    assert (len(source), source.num_samples) == (5, 20)
    source.close()


def test_they_are_listed_once_with_name_and_reason() -> None:
    source = make(Holed({9, 2}), shuffle=False)
    assert source.bad == ()
    batches(source, epochs=3)
    assert [(each.sample, each.name) for each in source.bad] == [(2, "Holed[2]"), (9, "Holed[9]")]
    reason = source.bad[0].reason
    assert reason.startswith("sample 2 of Holed failed (OSError: no row 2, at ")
    assert "\n" not in reason


def test_what_fails_by_chance_is_tried_again_each_epoch() -> None:
    """So an epoch that is entered in its middle, by a new process, holds the same."""
    some = range(20)
    source = make(Holed((), later=some))
    found = batches(source, epochs=3)
    sizes = {epoch: [len(i) for i, _ in found[5 * epoch : 5 * epoch + 5]] for epoch in range(3)}
    assert len({tuple(each) for each in sizes.values()}) > 1
    fresh = make(Holed((), later=some), num_workers=1)
    last = [(fresh.indices(2, n + 1), batch) for n, batch in enumerate(fresh.epoch(2, start=1))]
    assert same(last, found[11:])
    fresh.close()


@pytest.mark.parametrize("workers", WAYS)
def test_too_many(workers: int) -> None:
    source = make(Holed(range(0, 20, 2)), shuffle=False, num_workers=workers, max_bad=7)
    given = source.epoch(0)
    for _ in range(3):
        next(given)
    assert len(source.bad) == 6
    with pytest.raises(SampleError) as error:
        next(given)
    told = str(error.value)
    assert error.value.exit_code == 7
    assert told.startswith("8 samples can't be read, more than loader.max_bad (7) allows; mend")
    assert "or raise loader.max_bad:\n  1. sample 0 of Holed failed (OSError: no row 0" in told
    assert "  5. sample 8 of" in told and told.endswith("\n  and 3 more")
    source.close()


def test_just_as_many_as_allowed_are_not_too_many() -> None:
    assert len(batches(make(Holed({1, 2}), max_bad=2))) == 10
    with pytest.raises(SampleError, match="1 samples can't be read"):
        batches(make(Holed({1}), max_bad=0))


def test_sound_samples_are_read_once() -> None:
    data = Holed(())
    batches(make(data), epochs=1)
    assert data.asked == 20


@pytest.mark.parametrize("workers", WAYS)
def test_samples_that_do_not_fit_together_are_no_bad_samples(workers: int) -> None:
    source = make(Broken("shape"), shuffle=False, num_workers=workers)
    with pytest.raises(SampleError, match="samples 4, 5, 6, 7 can't be put in one batch"):
        list(source.epoch(0))
    assert source.bad == ()
    source.close()


def test_the_first_samples_may_be_bad_when_workers_are_chosen() -> None:
    source = make(Holed({0, 1}), num_workers="auto")
    assert source.kind == "in this process"
    with pytest.raises(SampleError, match="sample 0 of Holed failed"):
        make(Holed({0, 1}), num_workers="auto", on_error="stop")


def test_what_is_in_memory_is_never_bad() -> None:
    source = make(digits().test, num_workers="auto")
    batches(source, epochs=1)
    assert source.kind == "resident on cpu" and source.bad == ()


@pytest.mark.parametrize("workers", (0, 1))
def test_finished_elsewhere(workers: int, tmp_path: Path) -> None:
    train = pictures(tmp_path, cache=False).train
    damage(tmp_path / train.names[5])
    source = make(train, device="meta", num_workers=workers, shuffle=False)
    assert [tuple(x.shape) for x, _ in source.epoch(0)][:2] == [(4, 3, 8, 8), (3, 3, 8, 8)]
    source.close()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"on_error": "ignore"}, r"on_error \('ignore'\) in loader\.on_error; choose stop or skip"),
        ({"max_bad": -1}, r"max_bad \(-1\) in loader\.max_bad; give 0 or more"),
        ({"max_bad": True}, r"max_bad \(True\)"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=text):
        make(Holed(()), **options)
    with pytest.raises(DataError, match=text):
        images(tmp_path, **options)


def pictures(folder: Path, **options: Any) -> Any:
    """Twelve pictures of two classes each, made once."""
    for number in range(24 * (not (folder / "cat").exists())):
        path = folder / ("cat", "dog")[number % 2] / f"{number:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return images(folder, **({"size": 8, "validation": 0.2, "test": 0.2} | options))


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def spoil(folder: Path) -> dict[str, str]:
    """Spoil a picture in each way; the reasons."""
    damage(folder / "cat/00.jpg")
    (folder / "cat/04.jpg").write_text("no picture")
    (folder / "dog/01.jpg").write_bytes(b"")
    (folder / "dog/05.jpg").unlink()
    (folder / "dog/05.jpg").symlink_to("nowhere")
    Image.new("1", (20_000, 20_000)).save(folder / "dog/07.jpg", format="png")
    assert (folder / "dog/07.jpg").stat().st_size < 60_000
    return {
        "cat/00.jpg": "can't be decoded (image file is truncated",
        "cat/04.jpg": "is not an image that Pillow",
        "dog/01.jpg": "is an empty file (0 bytes)",
        "dog/05.jpg": "is no file but a broken link",
        "dog/07.jpg": "can't be decoded (Image size (400000000 pixels) exceeds limit",
    }


@pytest.mark.parametrize("cache", [True, False])
def test_files_are_left_out_after_the_split(tmp_path: Path, cache: bool) -> None:
    whole = pictures(tmp_path, cache=cache)
    reasons = spoil(tmp_path)
    with pytest.raises(DataError) as error:
        pictures(tmp_path, cache=cache)
    assert error.value.exit_code == 2
    assert len(error.value.problems) == 5
    for problem in error.value.problems:
        assert any(f"{tmp_path}/{name} {why}" in problem for name, why in reasons.items())

    splits = pictures(tmp_path, cache=cache, on_error="skip")
    for split in ("train", "validation", "test"):
        before, after = getattr(whole, split), getattr(splits, split)
        kept = [place for place, name in enumerate(before.names) if name not in reasons]
        assert list(after.names) == [before.names[place] for place in kept]
        assert after.labels.tolist() == before.labels[kept].tolist()
        bad = [each for each in splits.bad if each.split == split]
        assert [each.name for each in bad] == [n for n in before.names if n in reasons]
        assert all(reasons[each.name] in each.reason for each in bad)
        assert len(after) == getattr(splits.info, f"num_{split}")
    assert len(splits.bad) == 5
    assert splits.info.fingerprint != whole.info.fingerprint
    with pytest.raises(DataError, match="5 images can't be read, more than") as some:
        pictures(tmp_path, cache=cache, on_error="skip", max_bad=4)
    assert some.value.exit_code == 2 and "  5. " in str(some.value)


def test_cached_and_on_demand_leave_out_the_same(tmp_path: Path) -> None:
    pictures(tmp_path)
    spoil(tmp_path)
    cached, files = (pictures(tmp_path, cache=cache, on_error="skip") for cache in (True, False))
    assert cached.info == files.info and cached.train.names == files.train.names
    # A truncated picture of another split is met by the loader alone.
    assert {each.name for each in files.bad} <= {each.name for each in cached.bad}


def test_without_bad_files_nothing_differs(tmp_path: Path) -> None:
    assert pictures(tmp_path).info == pictures(tmp_path, on_error="skip", max_bad=0).info


def test_kinds_of_pictures_that_are_no_trouble(tmp_path: Path) -> None:
    pictures(tmp_path)
    names = ("cat/00.jpg", "cat/02.jpg", "cat/04.jpg")
    Image.new("CMYK", (12, 12)).save(tmp_path / names[0])
    deep = np.arange(144, dtype=np.uint16).reshape(12, 12) * 400
    Image.fromarray(deep).save(tmp_path / names[1], format="png")
    Image.new("P", (12, 12)).save(tmp_path / names[2], format="png")
    splits = pictures(tmp_path, on_error="skip", max_bad=0)
    used = [name for part in (splits.train, splits.validation, splits.test) for name in part.names]
    assert len(used) == 24 and set(names) <= set(used) and splits.bad == ()


def test_nothing_left_of_a_split_or_a_class(tmp_path: Path) -> None:
    whole = pictures(tmp_path, cache=True)
    for name in whole.validation.names:
        damage(tmp_path / name)
    with pytest.raises(DataError, match=r"all \d images of the validation split can't be read"):
        pictures(tmp_path, cache=True, on_error="skip")
    for name in [name for name in whole.train.names if name.startswith("dog")]:
        damage(tmp_path / name)
    with pytest.raises(DataError, match="no training image of class 'dog' can be read"):
        pictures(tmp_path, cache=True, on_error="skip")


def halved(image: torch.Tensor) -> torch.Tensor:
    """A transform that can't take some pictures."""
    if int(image.sum()) % 4 == 0:
        raise ValueError("four")
    return image // 2


@pytest.mark.parametrize("workers", (0, 1))
def test_a_transform_that_raises_and_stopping_names_path_and_sample(
    workers: int, tmp_path: Path
) -> None:
    train = pictures(tmp_path, cache=False).train
    train.transform = halved
    sound = [i for i in range(len(train)) if int(train._pixels(np.array([i])).sum()) % 4]
    assert 0 < len(sound) < len(train)
    damage(tmp_path / train.names[sound[0]])
    source = make(train, num_workers=workers)
    assert sorted(i for indices, _ in batches(source, 1) for i in indices) == sound[1:]
    reasons = {each.name: each.reason for each in source.bad}
    assert set(reasons) == {n for i, n in enumerate(train.names) if i not in sound[1:]}
    path = tmp_path / train.names[sound[0]]
    assert reasons[train.names[sound[0]]].startswith(f"{path} (sample {sound[0]}) can't be decoded")
    assert sum("data.transform failed on" in reason for reason in reasons.values()) > 0
    source.close()
    stopping = make(train, num_workers=workers, on_error="stop", shuffle=False)
    with pytest.raises(SampleError) as error:
        list(stopping.epoch(0))
    assert error.value.exit_code == 7 and "\n" not in str(error.value)
    stopping.close()

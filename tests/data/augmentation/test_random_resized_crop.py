"""RandomResizedCrop: torchvision's pixels and boxes, the same however it is applied."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

from data.augmentation.batches import Boxes, RandomResizedCrop
from data.errors import DataError
from data.images import images
from data.loading.loaders import loader

KINDS = ("bilinear", "nearest")


def pictures(count: int, height: int = 40, width: int = 56, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (count, 9, 11, channels), dtype=np.uint8)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(small).permute(0, 3, 1, 2).float(), (height, width), mode="bicubic"
    )
    noisy = large.permute(0, 2, 3, 1).numpy() + rng.normal(0, 9, (count, height, width, channels))
    return noisy.clip(0, 255).astype(np.uint8)


def boxes_of(crop: RandomResizedCrop, stack: np.ndarray, epoch: int = 0) -> Boxes:
    sizes = np.tile(np.array(stack.shape[1:3]), (len(stack), 1))
    return crop.boxes(sizes, np.arange(len(stack)), epoch, 7)


def test_boxes_are_those_of_torchvision_in_distribution() -> None:
    """Areas and ratios as uniform as they are drawn; every box lies in its picture."""
    crop = RandomResizedCrop(scale=(0.2, 0.5), ratio=(0.5, 2.0))
    sizes = np.tile(np.array([400, 400]), (4000, 1))
    boxes = crop.boxes(sizes, np.arange(4000), 0, 0)
    area = boxes.height * boxes.width / 160000
    ratio = np.log(boxes.width / boxes.height)
    assert area.min() > 0.195 and area.max() < 0.505 and abs(area.mean() - 0.35) < 0.01
    assert abs(ratio).max() < 0.7 and abs(ratio.mean()) < 0.03
    assert (boxes.top >= 0).all() and (boxes.top + boxes.height <= 400).all()
    assert (boxes.left >= 0).all() and (boxes.left + boxes.width <= 400).all()
    assert abs(boxes.mirrored.mean() - 0.5) < 0.03
    share = boxes.top / np.maximum(1, 400 - boxes.height)
    assert abs(share.mean() - 0.5) < 0.02 and share.max() > 0.97


def test_a_picture_that_no_box_fits_is_cut_in_its_centre() -> None:
    crop = RandomResizedCrop(scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=False)
    boxes = crop.boxes(np.array([[10, 400], [400, 10]]), np.arange(2), 0, 0)
    assert boxes.height.tolist() == boxes.width.tolist() == [10, 10]
    assert boxes.top.tolist() == [0, 195] and boxes.left.tolist() == [195, 0]


def test_bilinear_is_torchvisions_resized_crop_within_one_level() -> None:
    stack, crop = pictures(60), RandomResizedCrop(flip=False)
    boxes = boxes_of(crop, stack)
    for place, picture in enumerate(stack):
        top, left, height, width = (int(part[place]) for part in boxes[:4])
        theirs = functional.resized_crop(
            torch.from_numpy(picture).permute(2, 0, 1),
            *(top, left, height, width),
            [24, 20],
            antialias=True,
        )
        ours = crop.one(picture, boxes, place, 24, 20).transpose(2, 0, 1).astype(int)
        assert np.abs(ours - theirs.numpy()).max() <= 1
    # The check can fail: another box gives other pixels.
    other = crop.one(stack[-1], boxes, 1, 24, 20).transpose(2, 0, 1)
    assert np.abs(ours - other).max() > 1


def test_nearest_is_what_torch_calls_nearest_exact() -> None:
    stack, crop = pictures(30), RandomResizedCrop(flip=False, interpolation="nearest")
    boxes = boxes_of(crop, stack)
    for place, picture in enumerate(stack):
        top, left, height, width = (int(part[place]) for part in boxes[:4])
        part = torch.from_numpy(picture[top : top + height, left : left + width])
        theirs = torch.nn.functional.interpolate(
            part.permute(2, 0, 1)[None], (24, 20), mode="nearest-exact"
        )[0]
        assert np.array_equal(crop.one(picture, boxes, place, 24, 20), theirs.permute(1, 2, 0))


@pytest.mark.parametrize("interpolation", KINDS)
@pytest.mark.parametrize("shape", [(40, 56, 3), (64, 33, 1), (12, 90, 3)])
@pytest.mark.parametrize("size", [(24, 20), (64, 64)])
def test_a_batch_has_the_pixels_of_single_samples(
    interpolation: Any, shape: tuple[int, int, int], size: tuple[int, int]
) -> None:
    stack, crop = pictures(40, *shape), RandomResizedCrop(interpolation=interpolation)
    boxes = boxes_of(crop, stack)
    batch = crop.batch(torch.from_numpy(stack), boxes, *size).permute(0, 2, 3, 1).numpy()
    single = [crop.one(picture, boxes, place, *size) for place, picture in enumerate(stack)]
    assert np.array_equal(batch, np.stack(single))
    assert not np.array_equal(
        batch,
        crop.batch(torch.from_numpy(stack), boxes_of(crop, stack, 1), *size)
        .permute(0, 2, 3, 1)
        .numpy(),
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("interpolation", KINDS)
def test_cuda_has_the_same_pixels(interpolation: Any) -> None:
    stack, crop = pictures(40), RandomResizedCrop(interpolation=interpolation)
    boxes = boxes_of(crop, stack)
    ours = crop.batch(torch.from_numpy(stack).cuda(), boxes, 24, 24).cpu()
    assert torch.equal(ours, crop.batch(torch.from_numpy(stack), boxes, 24, 24))


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"scale": [0.5]}, "scale"),
        ({"scale": [0.5, 0.2]}, "scale"),
        ({"scale": [0.5, 1.5]}, "scale"),
        ({"ratio": [0, 1]}, "ratio"),
        ({"interpolation": "cubic"}, "interpolation"),
    ],
)
def test_values_out_of_range(wrong: dict[str, Any], name: str) -> None:
    with pytest.raises(DataError, match=rf"data\.augment\.{name}; "):
        RandomResizedCrop(**wrong)


def test_a_name_will_do(tmp_path: Path) -> None:
    folder = drawn(tmp_path, (30, 40))
    for name, interpolation in (("crop", "bilinear"), ("crop_nearest", "nearest")):
        by_name = epochs(images(folder, size=16, augment=name))
        crop = RandomResizedCrop(interpolation=interpolation)  # type: ignore[arg-type]
        assert all(map(torch.equal, by_name, epochs(images(folder, size=16, augment=crop))))
    with pytest.raises(DataError, match=r"augment \('corp'\) in data\.augment; choose crop, crop_"):
        images(folder, augment="corp")


def drawn(folder: Path, *sizes: tuple[int, int]) -> Path:
    for number in range(24):
        width, height = sizes[number % len(sizes)]
        place = folder / ("cat", "dog")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = pictures(1, height, width)[0] // 2 + 5 * number
        Image.fromarray(pixels).save(place / f"{number}.jpg", quality=90)
    return folder


def epochs(made: Any, **options: Any) -> list[torch.Tensor]:
    """The batches of two epochs, whatever the way of loading."""
    given = loader(made.train, batch_size=5, shuffle=True, seed=3, device="cpu", **options)
    found = [batch[0] for epoch in range(2) for batch in given.epoch(epoch)]
    given.close()
    return found


@pytest.mark.parametrize("interpolation", KINDS)
@pytest.mark.parametrize("sizes", [[(40, 30)], [(40, 30), (22, 48), (100, 70)]])
def test_every_way_of_loading_gives_the_same_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: Any, interpolation: Any
) -> None:
    monkeypatch.setenv("FIVESTEP_CACHE", str(tmp_path / "the cache"))
    folder = drawn(tmp_path / "pictures", *sizes)
    crop = RandomResizedCrop(interpolation=interpolation)

    def made(cache: Any) -> Any:
        return images(folder, size=[16, 20], validation=0, augment=crop, cache=cache)

    reference = epochs(made(False), num_workers=0)
    assert len(reference) == 8 and reference[0].shape == (5, 3, 16, 20)
    assert not torch.equal(reference[0], reference[4])
    ways: list[tuple[str, dict[str, Any]]] = [
        ("memory", {"num_workers": "auto"}),
        ("memory", {"num_workers": 0}),
    ]
    for cache, options in [*ways, ("disk", {"num_workers": 0})]:
        found = epochs(made(cache), **options)
        assert all(map(torch.equal, found, reference)), (cache, options)


def test_workers_give_the_same_batches_and_share_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIVESTEP_CACHE", str(tmp_path / "cache"))
    folder = drawn(tmp_path / "pictures", (40, 30), (30, 40))
    made = images(folder, size=16, augment=RandomResizedCrop(), cache="disk")
    found = epochs(made, num_workers=1)
    assert all(map(torch.equal, found, epochs(made, num_workers=0)))


def test_evaluation_sees_whole_pictures_and_the_same_statistics(tmp_path: Path) -> None:
    folder = drawn(tmp_path, (40, 30), (22, 48))
    cropped = images(folder, size=16, augment=RandomResizedCrop())
    plain = images(folder, size=16)
    assert cropped.info == plain.info
    for split in ("train", "validation", "test"):
        ours, theirs = getattr(cropped, split), getattr(plain, split)
        assert ours.names == theirs.names
        assert torch.equal(ours[1][0], theirs[1][0])
        assert np.array_equal(ours.raw(1), theirs.raw(1))
    assert torch.equal(cropped.test.samples, plain.test.samples)


def test_crops_are_cut_from_pictures_no_larger_than_they_have_to_be(tmp_path: Path) -> None:
    folder = drawn(tmp_path, (100, 70), (20, 24))
    held = images(folder, size=16, augment=RandomResizedCrop(), source_size=32).train.crops.pictures
    sides = {tuple(held.one(index).shape) for index in range(len(held))}
    assert sides == {(32, 46, 3), (24, 20, 3)}


def test_stored_pixels_can_be_cropped_too() -> None:
    from data.digits import digits

    made = digits(augment=RandomResizedCrop(scale=(0.5, 1.0), flip=False))
    batches = epochs(made)
    assert batches[0].shape == (5, 1, 8, 8)
    assert all(map(torch.equal, batches, epochs(made, num_workers=0)))

"""Augmentation: right geometry, exact moves, and no sample that depends on another."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from data.augmentation.batches import RandomAffine
from data.errors import DataError

SMOOTH: dict[str, Any] = {"rotate": 12, "scale": 0.1, "shift": 0.06, "shear": 8}
FULL: dict[str, Any] = SMOOTH | {"flip": True, "crop": 2}
KINDS: list[dict[str, Any]] = [
    FULL,
    {"rotate": 180},
    {"shear": 30, "fill": 0.5},
    {"shift": 0.3, "fill": "edge"},
    {"flip": True},
    {"crop": 3},
    {"crop": 3, "flip": True, "fill": "edge"},
    {"crop": 2, "fill": 0.25},
]


def images(count: int, channels: int = 3, height: int = 9, width: int = 7) -> Tensor:
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3, 9, 7), (1, 8, 8), (3, 32, 32)])
def test_any_batching_gives_the_same_bits(
    kind: dict[str, Any], shape: tuple[int, int, int], threads: int
) -> None:
    torch.set_num_threads(threads)
    augment, batch, samples = RandomAffine(**kind), images(67, *shape), np.arange(67) * 13
    whole = augment(batch, samples, 4, 2**63)
    for size in (1, 2, 3, 5, 16, 66):
        parts = [
            augment(batch[i : i + size], samples[i : i + size], 4, 2**63)
            for i in range(0, 67, size)
        ]
        assert torch.equal(torch.cat(parts), whole), size
    backwards = augment(batch.flip(0), samples[::-1].copy(), 4, 2**63)
    assert torch.equal(backwards.flip(0), whole)


@pytest.mark.parametrize("kind", KINDS)
def test_seed_epoch_and_sample_all_matter(kind: dict[str, Any]) -> None:
    augment, batch, samples = RandomAffine(**kind), images(64), np.arange(64)
    first = augment(batch, samples, 0, 0)
    for epoch, seed, shift in ((1, 0, 0), (0, 1, 0), (0, 0, 64)):
        assert not torch.equal(augment(batch, samples + shift, epoch, seed), first)


def test_nothing_to_do_gives_the_images_back() -> None:
    batch = images(5)
    assert RandomAffine()(batch, np.arange(5), 0, 0) is batch


def test_flip_mirrors_about_half_and_changes_no_pixel() -> None:
    batch = images(400)
    flipped = RandomAffine(flip=True)(batch, np.arange(400), 0, 0)
    mirrored = [torch.equal(a, b.flip(-1)) for a, b in zip(flipped, batch, strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(flipped, batch, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 150 < sum(mirrored) < 250


@pytest.mark.parametrize("fill", [0.0, 0.25, "edge"])
def test_crop_is_padding_and_cutting(fill: Any) -> None:
    batch = images(200)
    moved = RandomAffine(crop=2, fill=fill)(batch, np.arange(200), 0, 0)
    options = {"mode": "replicate"} if fill == "edge" else {"value": fill}
    padded = torch.nn.functional.pad(batch, (2, 2, 2, 2), **options)
    seen = set()
    for sample in range(200):
        places = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(padded[sample, :, top : top + 9, left : left + 7], moved[sample])
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) == 25


def test_resampling_is_affine_grid_and_grid_sample() -> None:
    augment, batch, samples = RandomAffine(**FULL), images(16, 2, 8, 8), np.arange(16)
    drawn: list[Tensor] = []

    class Watched(RandomAffine):
        def _resampled(self, images: Tensor, matrices: Tensor) -> Tensor:
            drawn.append(matrices)
            return super()._resampled(images, matrices)

    ours = Watched(**FULL)(batch, samples, 0, 0)
    theta = drawn[0].view(16, 2, 3)
    theirs = grid_sample(
        batch, affine_grid(theta, list(batch.shape), align_corners=False), align_corners=False
    )
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert torch.equal(ours, augment(batch, samples, 0, 0))


def test_a_rotation_keeps_its_centre_and_its_aspect() -> None:
    batch = torch.zeros(300, 1, 41, 81)
    batch[:, :, 18:23, 60] = 1  # a short bar, 20 pixels right of the centre
    turned = RandomAffine(rotate=90)(batch, np.arange(300), 0, 0)
    rows, columns = torch.arange(41.0)[:, None], torch.arange(81.0)
    weight = turned.sum((1, 2, 3))
    inside = weight > 4.5
    down = (turned[:, 0] * rows).sum((1, 2)) / weight - 20
    across = (turned[:, 0] * columns).sum((1, 2)) / weight - 40
    distance = (down**2 + across**2).sqrt()[inside]
    assert inside.sum() > 50
    assert (distance - 20).abs().max() < 0.5
    angle = torch.atan2(down, across)[inside]
    assert angle.min() < -math.pi / 4 and angle.max() > math.pi / 4


def test_shift_stays_within_its_share() -> None:
    batch = torch.zeros(500, 1, 20, 40)
    batch[:, :, 10, 20] = 1
    shifted = RandomAffine(shift=0.1)(batch, np.arange(500), 0, 0)
    across = (shifted[:, 0] * torch.arange(40.0)).sum((1, 2)) - 20
    down = (shifted[:, 0] * torch.arange(20.0)[:, None]).sum((1, 2)) - 10
    assert 3.5 < across.abs().max() <= 4.001
    assert 1.7 < down.abs().max() <= 2.001


@pytest.mark.parametrize(
    "wrong",
    [
        {"rotate": -1},
        {"rotate": 181},
        {"scale": 1.0},
        {"shift": float("nan")},
        {"shear": 90},
        {"crop": -1},
        {"crop": 1.5},
        {"fill": 2.0},
        {"fill": "reflect"},
    ],
)
def test_values_out_of_range(wrong: dict[str, Any]) -> None:
    name = next(iter(wrong))
    with pytest.raises(DataError, match=rf"data\.augment\.{name}; give"):
        RandomAffine(**wrong)


def test_all_problems_at_once() -> None:
    with pytest.raises(DataError, match="2 problems"):
        RandomAffine(rotate=-1, scale=3)

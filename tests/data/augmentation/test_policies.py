"""Augmentation policies by name: torchvision's, the same for a sample in any batch."""

from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from data.augmentation.batches import RandomResizedCrop
from data.augmentation.policies import POLICIES, policy
from data.errors import DataError
from data.images.dataset import Images
from data.loading.randomness import own_randomness, reseed


def pixels_of(made: Images) -> torch.Tensor:
    assert isinstance(made.samples, torch.Tensor)
    return made.samples


def data(channels: int = 3, **options: Any) -> Images:
    pixels = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (12, channels, 16, 16), dtype=np.uint8)
    )
    names = [str(number) for number in range(12)]
    return Images(
        pixels, [0] * 12, names=names, mean=[0.5] * channels, std=[0.5] * channels, **options
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", POLICIES)
def test_a_sample_gets_the_same_in_any_company(name: str, channels: int) -> None:
    made = data(channels, transform=name)
    whole, _ = made.fetch(np.arange(12), 1, 2)
    assert whole.dtype == torch.uint8 and not torch.equal(whole, pixels_of(made))
    alone = [made.fetch(np.array([index]), 1, 2)[0] for index in range(12)]
    assert torch.equal(torch.cat(alone), whole)
    assert not torch.equal(made.fetch(np.arange(12), 2, 2)[0], whole)


def test_it_is_torchvisions() -> None:
    image = pixels_of(data())[0]
    made = policy("RandAugment ")
    assert made is not None
    with own_randomness():
        reseed(5)
        theirs = v2.RandAugment()(image)
        reseed(5)
        assert torch.equal(made(image), theirs)
    assert policy(None) is None and policy(made) is made


def test_after_a_crop() -> None:
    made = data(transform="trivialaugment", augment=RandomResizedCrop())
    pixels, _ = made.fetch(np.arange(12), 0, 0)
    crops, _ = data(augment=RandomResizedCrop()).fetch(np.arange(12), 0, 0)
    assert pixels.shape == (12, 3, 16, 16) and crops.shape == (12, 16, 16, 3)
    assert made.resident_bytes is None


def test_an_unknown_name() -> None:
    with pytest.raises(DataError, match=r"did you mean randaugment\? choose randaugment, triv"):
        policy("randaug")

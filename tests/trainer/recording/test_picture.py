"""The grid holds the very pixels that were normalised."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.recording.picture import GAP, png, sample_grid


def tile(grid: np.ndarray, row: int, column: int, height: int, width: int) -> np.ndarray:
    y, x = GAP + row * (height + GAP), GAP + column * (width + GAP)
    return grid[y : y + height, x : x + width]


def test_normalised_pixels_come_back_exactly() -> None:
    pixels = torch.randint(0, 256, (9, 3, 64, 64), dtype=torch.uint8)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
    m, s = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
    grid = sample_grid((pixels.float() / 255 - m) / s, mean, std)
    assert grid.dtype == np.uint8
    assert grid.shape == (2 * (64 + GAP) + GAP, 8 * (64 + GAP) + GAP, 3)
    for number in range(9):
        found = tile(grid, number // 8, number % 8, 64, 64)
        assert np.array_equal(found, pixels[number].permute(1, 2, 0).numpy())
    assert np.array_equal(sample_grid(pixels), grid)  # uint8 is shown as it is


def test_a_tiny_grey_image_is_enlarged_without_smoothing() -> None:
    images = torch.rand(2, 1, 8, 8)
    grid = sample_grid(images)
    found = tile(grid, 0, 1, 64, 64)
    expected = (images[1, 0] * 255).round().to(torch.uint8).numpy().repeat(8, 0).repeat(8, 1)
    assert np.array_equal(found, np.stack([expected] * 3, axis=2))


def test_large_images_are_reduced_and_the_count_is_kept() -> None:
    grid = sample_grid(np.zeros((40, 4, 300, 600), np.uint8), count=3)
    assert grid.shape == (128 + 2 * GAP, 3 * (256 + GAP) + GAP, 3)


def test_labels_stand_under_their_images() -> None:
    images = torch.ones(2, 1, 8, 8)
    bare = sample_grid(images)
    grid = sample_grid(images, labels=["cat", "a very long class name that can't fit"])
    assert grid.shape[0] > bare.shape[0]
    under = grid[GAP + 64 : -GAP]
    assert under[:, GAP : GAP + 64].min() < 100
    assert under[:, -GAP:].min() == 255  # cut to the tile's width
    with pytest.raises(ValueError, match="1 labels for 2 images"):
        sample_grid(images, labels=["cat"])


def test_halves_and_nan_and_out_of_range_are_shown() -> None:
    images = torch.tensor([float("nan"), -3.0, 9.0, 0.5], dtype=torch.bfloat16).view(1, 1, 2, 2)
    found = tile(sample_grid(images), 0, 0, 64, 64)[::32, ::32, 0]
    assert found.tolist() == [[0, 0], [255, 128]]


def test_what_is_no_batch_of_images_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[4, 10\].*\[B, C, H, W\]"):
        sample_grid(torch.zeros(4, 10))


def test_png_is_lossless() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(pixels)))), pixels)
    with pytest.raises(ValueError, match=r"uint8 \[4, 6\]"):
        png(pixels[:, :, 0])

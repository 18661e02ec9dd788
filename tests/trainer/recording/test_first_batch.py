"""The first batch is shown as what it is: pictures, texts, or numbers."""

from types import SimpleNamespace

import numpy as np
import torch

from trainer.recording import look
from trainer.recording.picture import GAP

NUMBERS = SimpleNamespace(
    problem="regression", targets=("rent",), target_mean=(100.0,), target_std=(10.0,)
)


def test_numbers_are_told_with_their_targets() -> None:
    splits = SimpleNamespace(train=SimpleNamespace(names=["a", "b", "c"]), info=NUMBERS)
    batch = (torch.arange(40.0).view(2, 20), torch.tensor([[1.0], [-0.5]]))
    first, second = look.numbers(splits, batch, [2, 0]).split("\n\n")
    assert first == "c  110\nfloat32 [20]: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ..."
    assert second.startswith("a  95\n")
    assert look.numbers(splits, {"x": batch[0]}, [0, 1]) == ""
    assert look.picture(splits, batch, [2, 0]) is None


def test_images_that_nobody_describes_are_stretched() -> None:
    images = torch.linspace(-2, 3, 2 * 64 * 64).view(2, 1, 64, 64)
    classes = SimpleNamespace(problem="classification", classes=["x", "y"])
    splits = SimpleNamespace(train=object(), info=classes)
    grid = look.picture(splits, (images, torch.tensor([0, 1])), [0, 1])
    assert grid is not None
    assert grid[GAP, GAP].tolist() == [0, 0, 0]
    assert grid[GAP + 63, GAP + 64 + GAP + 63].tolist() == [255, 255, 255]
    same = look.picture(splits, (torch.ones(1, 1, 8, 8), torch.tensor([0])), [0])
    assert isinstance(same, np.ndarray)

"""The detector, and the loss that tells it where objects are."""

import pytest
import torch

from models.detector import Detector
from models.vision_losses import DetectionLoss


@pytest.mark.parametrize(("size", "grid"), [((32, 32), (8, 8)), ((33, 47), (9, 12))])
def test_one_dense_output_of_any_size(size: tuple[int, int], grid: tuple[int, int]) -> None:
    model = Detector((1, *size), 7, width=2).eval()
    found = model(torch.rand(2, 1, *size))
    assert found.shape == (2, 7, *grid)
    # Nearly nothing is taken for an object before it has learnt.
    assert found[:, :3].sigmoid().max() < 0.1


def test_it_is_exported_with_any_batch() -> None:
    model = Detector((3, 18, 25), 6, width=2, depth=3).eval()
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(
        model, (torch.rand(2, 3, 18, 25),), dynamic_shapes={"images": {0: batch}}
    )
    images = torch.rand(5, 3, 18, 25)
    assert torch.allclose(program.module()(images), model(images), atol=1e-6)


def test_what_cannot_be() -> None:
    for num_outputs, width, depth in ((4, 16, 4), (6, 16, 2), (6, 0, 4), (6, 16, 6)):
        with pytest.raises(ValueError, match="depth"):
            Detector((3, 32, 32), num_outputs, width, depth)
    with pytest.raises(ValueError, match="spread"):
        DetectionLoss(32, 32, spread=0)


def boxes() -> torch.Tensor:
    nothing = [-1.0, 0, 0, 0, 0]
    return torch.tensor(
        [
            [[0.0, 2, 3, 13, 11], [1, 16, 14, 30, 31], nothing],
            [nothing, nothing, nothing],
            [[1, 0, 0, 32, 32], [1, 10, 10, 16, 15], [0, 20, 2, 30, 8]],
        ]
    )


def test_peaks_and_boxes_are_where_the_objects_are() -> None:
    loss = DetectionLoss(32, 32)
    peaks, assigned, corners = loss._dense(boxes(), torch.zeros(3, 2, 8, 8))
    assert peaks.max() == 1 and (peaks == 1).flatten(1).sum(1).tolist() == [2, 0, 3]
    assert peaks[0, 0, 1, 1] == 1 and peaks[0, 1, 5, 5] == 1
    assert 0 < peaks[0, 1, 4, 5] < 1 and not assigned[1].any()
    assert corners[0, :, 1, 1].tolist() == [2, 3, 13, 11]
    # The small box lies within the large one, which learns from what is left of its centre.
    assert corners[2, :, 3, 3].tolist() == [10, 10, 16, 15]
    assert corners[2, :, 4, 4].tolist() == [0, 0, 32, 32]


def perfect(target: torch.Tensor) -> torch.Tensor:
    """Outputs that say just what the targets are."""
    loss = DetectionLoss(32, 32)
    peaks, assigned, corners = loss._dense(target, torch.zeros(len(target), 2, 8, 8))
    grid = 4 * torch.arange(8) + 2
    x, y = grid[None, None, :], grid[None, :, None]
    x1, y1, x2, y2 = corners.unbind(1)
    sides = torch.stack((x - x1, y - y1, x2 - x, y2 - y), 1).clamp(min=0.1) / 4
    return torch.cat((torch.where(peaks == 1, 9.0, -9.0), sides.log() * assigned[:, None]), 1)


def test_the_truth_costs_nothing_and_all_else_costs() -> None:
    loss, target = DetectionLoss(32, 32), boxes()
    total, weight = loss(perfect(target), target)
    assert weight == 3 and total / weight < 0.1
    missed = perfect(target)
    missed[:, :2] = -9
    shifted = perfect(target)
    shifted[:, 2:] += 0.5
    invented = perfect(target)
    invented[1, 0, 4, 4] = 9
    for worse in (missed, shifted, invented):
        assert loss(worse, target)[0] > total + 0.3


def test_parts_add_up_and_no_boxes_are_no_nan() -> None:
    loss, target = DetectionLoss(32, 32), boxes()
    outputs = torch.randn(3, 6, 8, 8)
    whole = loss(outputs, target)
    parts = [loss(outputs[cut], target[cut]) for cut in (slice(0, 1), slice(1, 3))]
    assert torch.allclose(whole[0], parts[0][0] + parts[1][0])
    assert whole[1] == parts[0][1] + parts[1][1] == 3
    # Padding counts for nothing.
    padded = torch.cat((target, torch.tensor([-1.0, 5, 5, 9, 9]).expand(3, 2, -1)), 1)
    assert torch.equal(loss(outputs, padded)[0], whole[0])
    outputs.requires_grad_()
    total, _ = loss(outputs, target[1:2].expand(3, -1, -1))
    total.backward()
    assert total > 0 and outputs.grad is not None and outputs.grad.isfinite().all()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(outputs.bfloat16(), target)[0].dtype == torch.float32

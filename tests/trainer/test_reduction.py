"""Losses in parts: for torch's own losses, sums over sums equal the loss of the whole batch."""

import pytest
import torch
from torch import Tensor, nn

from trainer.reduction import in_parts

LOGITS = torch.randn(8, 5, generator=torch.Generator().manual_seed(1))
LABELS = torch.tensor([0, 1, 2, 3, 4, 4, 1, -100])
REAL = torch.randn(8, 5, generator=torch.Generator().manual_seed(2))
CLASS_WEIGHTS = torch.tensor([0.1, 2.0, 1.0, 0.5, 3.0])

CASES: list[tuple[nn.Module, Tensor]] = [
    (nn.CrossEntropyLoss(), LABELS),
    (nn.CrossEntropyLoss(weight=CLASS_WEIGHTS), LABELS),
    (nn.CrossEntropyLoss(weight=CLASS_WEIGHTS, label_smoothing=0.1), LABELS),
    (nn.CrossEntropyLoss(label_smoothing=0.2, ignore_index=4), LABELS.clamp(min=0)),
    (nn.CrossEntropyLoss(), REAL.softmax(1)),
    (nn.NLLLoss(weight=CLASS_WEIGHTS), LABELS),
    (nn.MSELoss(), REAL),
    (nn.L1Loss(), REAL),
    (nn.SmoothL1Loss(), REAL),
    (nn.HuberLoss(), REAL),
    (nn.BCEWithLogitsLoss(pos_weight=CLASS_WEIGHTS), (REAL > 0).float()),
    (nn.MultiLabelSoftMarginLoss(), (REAL > 0).float()),
    (nn.MultiMarginLoss(), LABELS.clamp(min=0)),
    (nn.KLDivLoss(reduction="batchmean"), REAL.softmax(1)),
]


@pytest.mark.parametrize(("loss", "target"), CASES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("cut", [1, 2, 5])
def test_parts_put_together_are_the_whole(loss: nn.Module, target: Tensor, cut: int) -> None:
    parts = in_parts(loss, None)
    assert parts is not None
    outputs = LOGITS.log_softmax(1) if isinstance(loss, nn.NLLLoss | nn.KLDivLoss) else LOGITS
    first = parts(outputs[:cut], target[:cut])
    second = parts(outputs[cut:], target[cut:])
    together = (first[0] + second[0]) / (first[1] + second[1])
    torch.testing.assert_close(together, loss(outputs, target), rtol=1e-6, atol=1e-6)


def test_the_mean_of_means_is_not_the_whole() -> None:
    """Negative control."""
    loss = nn.CrossEntropyLoss(weight=CLASS_WEIGHTS)
    naive = (loss(LOGITS[:2], LABELS[:2]) + loss(LOGITS[2:], LABELS[2:])) / 2
    assert abs(naive - loss(LOGITS, LABELS)) > 1e-3


def test_a_loss_of_the_user_says_what_it_counts_or_has_no_parts() -> None:
    def mine(outputs: Tensor, target: Tensor) -> Tensor:
        return (outputs - target).pow(2).mean()

    assert in_parts(mine, None) is None
    for weight, number in (("samples", 3.0), ("elements", 15.0)):
        parts = in_parts(mine, weight)  # type: ignore[arg-type]
        assert parts is not None
        total, count = parts(LOGITS[:3], REAL[:3])
        assert count.item() == number
        torch.testing.assert_close(total / count, mine(LOGITS[:3], REAL[:3]))


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_a_loss_without_a_mean_has_no_parts(reduction: str) -> None:
    assert in_parts(nn.CrossEntropyLoss(reduction=reduction), None) is None


def test_only_ignored_targets_weigh_nothing() -> None:
    parts = in_parts(nn.CrossEntropyLoss(), None)
    assert parts is not None
    total, weight = parts(LOGITS[:2], torch.tensor([-100, -100]))
    assert total.item() == 0 and weight.item() == 0

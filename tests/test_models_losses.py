"""Losses that count rare classes: what torch's own say with the weights of scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from models.losses import BalancedBCE, BalancedCrossEntropy

LABELS = torch.tensor([0] * 7 + [1] * 2 + [2])
OUTPUTS = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))


def test_cross_entropy_is_torchs_with_balanced_weights() -> None:
    weights = compute_class_weight("balanced", classes=np.arange(3), y=LABELS.numpy())
    expected = functional.cross_entropy(
        OUTPUTS, LABELS, weight=torch.tensor(weights).float(), label_smoothing=0.1
    )
    total, weight = BalancedCrossEntropy([7, 2, 1], label_smoothing=0.1)(OUTPUTS, LABELS)
    assert torch.allclose(total / weight, expected)


def test_parts_make_the_whole_and_mixed_targets_are_taken() -> None:
    loss = BalancedCrossEntropy([7, 2, 1])
    total, weight = loss(OUTPUTS, LABELS)
    parts = [loss(OUTPUTS[part], LABELS[part]) for part in (slice(0, 2), slice(2, 10))]
    assert torch.allclose(sum(t for t, _ in parts) / sum(w for _, w in parts), total / weight)
    soft, soft_weight = loss(OUTPUTS, functional.one_hot(LABELS, 3).float())
    assert torch.allclose(soft / soft_weight, total / weight)


def test_labels_weigh_a_rare_yes() -> None:
    target = (torch.rand(10, 3, generator=torch.Generator().manual_seed(1)) < 0.3).float()
    total, number = BalancedBCE([2, 5, 0], 10)(OUTPUTS, target)
    expected = functional.binary_cross_entropy_with_logits(
        OUTPUTS, target, pos_weight=torch.tensor([4.0, 1.0, 1.0])
    )
    assert torch.allclose(total / number, expected)


def test_the_weights_are_no_part_of_a_checkpoint_and_need_classes() -> None:
    assert not BalancedCrossEntropy([1, 2]).state_dict()
    with pytest.raises(ValueError, match="data that has classes"):
        BalancedCrossEntropy([])
    with pytest.raises(ValueError, match="data that has labels"):
        BalancedBCE([], 3)

"""Parameter groups: who is trained, with which options."""

import pytest
import torch
from torch import nn

from trainer.errors import Refused
from trainer.parameters import groups


def model() -> nn.Module:
    torch.manual_seed(0)
    parts = {
        "features": nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)),
        "head": nn.Linear(2, 3),
    }
    return nn.ModuleDict(parts)


def named(module: nn.Module, group: dict[str, object]) -> set[str]:
    members = {id(p) for p in group["params"]}  # type: ignore[attr-defined]
    return {name for name, p in module.named_parameters() if id(p) in members}


def test_biases_and_norms_do_not_decay() -> None:
    module = model()
    decaying, rest = groups(module)
    assert named(module, decaying) == {"features.0.weight", "head.weight"}
    assert "weight_decay" not in decaying and rest["weight_decay"] == 0.0
    made = torch.optim.AdamW(groups(module), lr=0.1, weight_decay=0.3)
    assert [group["weight_decay"] for group in made.param_groups] == [0.3, 0.0]


def test_unless_they_are_asked_to() -> None:
    assert len(groups(model(), decay_vectors=True)) == 1


def test_patterns_give_rates_and_the_first_match_wins() -> None:
    module = model()
    rules = [{"match": "head.bias", "lr": 0.5}, {"match": "head.*", "lr_scale": 10}]
    found = groups(module, lr=0.01, rules=rules, decay_vectors=True)
    rates = {frozenset(named(module, group)): group.get("lr") for group in found}
    assert rates[frozenset({"head.bias"})] == 0.5
    assert rates[frozenset({"head.weight"})] == pytest.approx(0.1)


def test_frozen_parameters_get_no_gradient_and_are_in_no_group() -> None:
    module = model()
    found = groups(module, freeze=["features.*"])
    assert set().union(*(named(module, group) for group in found)) == {"head.weight", "head.bias"}
    assert not any(p.requires_grad for p in module["features"].parameters())  # type: ignore[index]


def test_every_pattern_without_a_match_is_told_at_once() -> None:
    with pytest.raises(Refused) as caught:
        groups(model(), freeze=["backbone.*"], rules=[{"match": "tail.*", "lr": 1}])
    assert "'backbone.*'" in str(caught.value) and "'tail.*'" in str(caught.value)
    assert "features.0.weight" in str(caught.value)


def test_freezing_everything_is_refused() -> None:
    with pytest.raises(Refused, match="nothing to train"):
        groups(model(), freeze=["*"])

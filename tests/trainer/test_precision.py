"""Precision: what a device can do, and that what it can't is refused with the reason."""

import pytest
import torch

from trainer.errors import Refused
from trainer.precision import Precision, choose

CPU = torch.device("cpu")


def test_fp16_on_the_cpu_is_refused_with_the_reason() -> None:
    with pytest.raises(Refused, match=r"slower than fp32; use trainer\.precision=bf16"):
        choose("fp16", CPU)


def test_auto_on_the_cpu_is_bf16_only_in_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    import trainer.precision

    for native, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(trainer.precision, "native_bf16_cpu", lambda native=native: native)
        assert choose("auto", CPU) == expected


@pytest.mark.parametrize(("device", "expected"), [("mps", "fp16"), ("cuda", "fp16")])
def test_auto_elsewhere(device: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)
    assert choose("auto", torch.device(device)) == expected


def test_fp32_uses_neither_autocast_nor_a_scaler() -> None:
    precision = Precision("fp32", CPU)
    with precision.context:
        assert not torch.is_autocast_enabled("cpu")
    assert precision.scaler is None and precision.state_dict() == {}


def test_bf16_autocasts_and_the_context_can_be_entered_again() -> None:
    precision = Precision("bf16", CPU)
    for _ in range(2):
        with precision.context:
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    assert not torch.is_autocast_enabled("cpu")


def test_clipping_by_value_bounds_every_gradient() -> None:
    parameter = torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    parameter.grad = torch.tensor([5.0, -0.2, -7.0])
    Precision("fp32", CPU, clip_value=1.0).step(
        optimizer, [parameter], torch.tensor(1.0), measure=False
    )
    assert parameter.tolist() == pytest.approx([-1.0, 0.2, 1.0])

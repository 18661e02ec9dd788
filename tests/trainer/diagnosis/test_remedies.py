"""Remedies fit what was found."""

from pathlib import Path
from typing import Any

import pytest

from trainer.diagnosis.finding import Finding
from trainer.diagnosis.remedies import BY_OPERATION, explodes, operation_name, remedies
from trainer.diagnosis.replaying import Look

CONFIG: dict[str, Any] = {
    "trainer": {"clip_norm": None, "precision": "fp32"},
    "scheduler": {"warmup": 0},
    "optimizer": {"eps": 1e-8},
}
RUN = Path("run")


def look(finding: Finding | None, *losses: float, in_fp32: bool | None = None) -> Look:
    rows = [{"step": float(n), "loss": loss, "lr": 0.1} for n, loss in enumerate(losses)]
    return Look(5, 0, 4, [1], None, 0, None, rows, finding, None, in_fp32, [])


def found(operation: str = "", largest: float = 1.0) -> Finding:
    return Finding("forward", "", "model", "model", "nan", {}, operation, largest)


def test_nothing_is_to_be_done_where_nothing_is_wrong() -> None:
    assert remedies(look(None, 1.0), CONFIG, RUN) == []


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("torch.log", "log"),
        ("torch.Tensor.log_", "log"),
        ("LogBackward0", "log"),
        ("torch.Tensor.__rtruediv__", "__rtruediv"),
        ("torch.nn.functional.softmax", "softmax"),
        ("LinalgVectorNormBackward0", "linalgvectornorm"),
    ],
)
def test_operations_are_known_in_forward_and_backward(operation: str, name: str) -> None:
    assert operation_name(operation) == name
    (known,) = [advice for names, advice in BY_OPERATION if name in names]
    assert remedies(look(found(operation), 1.0, 1.0), CONFIG, RUN)[0] == known


def test_explosions_are_large_and_have_grown() -> None:
    assert explodes(look(None, 1.0, 5e4), found())
    assert not explodes(look(None, 5e4, 6e4, 5e4), found())  # targets in the thousands
    assert not explodes(look(None, 0.001, 5.0), found())  # grown, but not large
    assert explodes(look(None, 1.0, 1.0), found(largest=1e9))
    assert explodes(look(None, 1.0, 5e4, float("nan")), found())
    advice = remedies(look(found(), 1.0, 5e4), CONFIG, RUN)
    assert "lower rate than 0.1" in advice[0] and "clip_norm" in advice[1] and "warm" in advice[2]
    clipped = CONFIG | {"trainer": {"clip_norm": 1.0}, "scheduler": {"warmup": 0.1}}
    assert len(remedies(look(found(), 1.0, 5e4), clipped, RUN)) == 1
    assert "on_nonfinite=skip" not in " ".join(advice)
    assert "on_nonfinite=skip" in " ".join(remedies(look(found(), 1.0), CONFIG, RUN))


def test_precision_is_blamed_only_where_fp32_is_finite() -> None:
    for in_fp32, told in ((True, True), (False, False), (None, False)):
        advice = remedies(look(found("torch.log"), 1.0, in_fp32=in_fp32), CONFIG, RUN)
        assert ("trainer.precision=fp32" in " ".join(advice)) is told

"""The networks for series: they learn what simple rules can't, and export."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from models.series import Forecaster, SeriesCNN


def windows(values: np.ndarray, window: int, horizon: int) -> tuple[Tensor, Tensor]:
    """All windows of series [T, channels], and what follows in the first channel."""
    scaled = torch.from_numpy((values - values.mean(axis=0)) / values.std(axis=0)).float()
    whole = scaled.unfold(0, window + horizon, 1).transpose(1, 2)
    return whole[:, :window], whole[:, window:, 0]


def trained(
    model: nn.Module, inputs: Tensor, targets: Tensor, loss: nn.Module, epochs: int
) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for rows in torch.randperm(len(inputs), generator=generator).split(32):
            optimizer.zero_grad()
            loss(model(inputs[rows]), targets[rows]).backward()
            optimizer.step()
    model.eval()


def rmse(outputs: Tensor, targets: Tensor) -> float:
    return float((outputs - targets).detach().square().mean().sqrt())


def sine(steps: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, float]:
    """A trend, a day, and noise, whose standard deviation comes second."""
    clean = 0.01 * steps + 2 * np.sin(2 * np.pi * steps / 24)
    return (clean + random.normal(0, 0.3, len(steps)))[:, None], 0.3


def demand(steps: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, float]:
    """Electricity by hour of the day and day of the week, and by a temperature that wanders."""
    heat = (
        10 + 4 * np.sin(2 * np.pi * (steps - 6) / 24) + random.normal(0, 0.15, len(steps)).cumsum()
    )
    weekend = (steps // 24) % 7 >= 5
    load = 500 + 120 * np.sin(2 * np.pi * (steps - 7) / 24) - 90 * weekend - 6 * heat
    return np.stack([load + random.normal(0, 15, len(steps)), heat], axis=1), 15.0


@pytest.mark.parametrize(
    ("made", "count", "window", "season"), [(sine, 1000, 48, 24), (demand, 24 * 7 * 10, 168, 168)]
)
def test_it_beats_what_needs_no_training(made: Any, count: int, window: int, season: int) -> None:
    values, noise = made(np.arange(count), np.random.default_rng(0))
    inputs, targets = windows(values, window, 24)
    cut = len(inputs) * 7 // 10
    model = Forecaster(window, 24, values.shape[1])
    before = rmse(model(inputs[cut + 24 :]), targets[cut + 24 :])
    trained(model, inputs[:cut], targets[:cut], nn.MSELoss(), 6)
    late, truth = inputs[cut + 24 :], targets[cut + 24 :]
    with torch.no_grad():
        own = rmse(model(late), truth)
    last_value = rmse(late[:, -1:, 0].expand(-1, 24), truth)
    start = window - season
    last_season = rmse(late[:, start : start + 24, 0], truth)
    assert own < before and own < last_value / 3 and own < last_season * 0.85
    assert own < 1.6 * noise / values.std(axis=0)[0]  # near what nothing can foretell


def test_a_level_that_has_moved_away_does_no_harm() -> None:
    model = Forecaster(24, 4, 2, dropout=0.0).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    inputs = torch.randn(5, 24, 2)
    moved = inputs * 3 + torch.tensor([100.0, -50.0])
    with torch.no_grad():
        # All but the small number that keeps a flat window from being blown up.
        assert torch.allclose(model(moved), model(inputs) * 3 + 100, atol=1e-2)
        assert torch.isfinite(model(torch.ones(2, 24, 2))).all()


def test_several_targets_share_the_linear_part() -> None:
    model = Forecaster(24, 3, 4, 2, width=0).eval()
    inputs = torch.randn(5, 24, 4)
    with torch.no_grad():
        both = model(inputs).view(5, 3, 2)
        single = Forecaster(24, 3, 1, 1, width=0).eval()
        single.load_state_dict(model.state_dict())
        for target in range(2):
            assert torch.allclose(both[:, :, target], single(inputs[:, :, target, None]), atol=1e-6)


def test_classes_of_waves_are_learnt_and_padding_does_not_count() -> None:
    steps = torch.arange(40.0)
    shapes = (torch.sin(steps * 0.8), torch.sign(torch.sin(steps * 0.8)), steps % 8 / 4 - 1)
    labels = torch.arange(120) % 3
    inputs = torch.stack([shapes[k].roll(i) for i, k in enumerate(labels.tolist())])[..., None]
    inputs = inputs + torch.randn(inputs.shape) * 0.2
    model = SeriesCNN((40, 1), 3, width=16)
    trained(model, inputs[:90], labels[:90], nn.CrossEntropyLoss(), 12)
    with torch.no_grad():
        assert (model(inputs[90:]).argmax(1) == labels[90:]).float().mean() > 0.9
        ahead = nn.functional.pad(inputs[:4], (0, 0, 0, 24))
        more = nn.functional.pad(inputs[:4], (0, 0, 0, 48))
        assert torch.allclose(model(ahead), model(more), atol=1e-5)
        assert not torch.allclose(model(ahead), model(ahead + 0.1), atol=1e-3)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (Forecaster(24, 6, 3, 2), (24, 3)),
        (Forecaster(24, 6, 3, width=0), (24, 3)),
        (Forecaster(1, 1, 1), (1, 1)),
        (SeriesCNN((30, 2), 4), (30, 2)),
    ],
    ids=["forecaster", "linear", "one step", "cnn"],
)
def test_exports_take_any_number_of_samples(
    model: nn.Module, shape: tuple[int, ...], tmp_path: Any
) -> None:
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    model.eval()
    example, other = torch.randn(3, *shape), torch.randn(7, *shape)
    sizes = ({0: torch.export.Dim("batch", min=1)},)
    program = torch.export.export(model, (example,), dynamic_shapes=sizes)
    with torch.no_grad():
        expected = model(other)
    assert torch.equal(program.module()(other), expected)
    file = tmp_path / "model.onnx"
    if isinstance(model, Forecaster) and model.horizon * model.num_targets != 12:
        return  # an export to ONNX takes seconds, and these are the same but for a part
    torch.onnx.export(program, (), file, verbose=False)
    session = onnxruntime.InferenceSession(file)
    for count in (1, 7):
        feed = {session.get_inputs()[0].name: other[:count].numpy()}
        (outputs,) = session.run(None, feed)
        assert np.allclose(outputs, expected[:count].numpy(), atol=1e-4)


def test_sizes_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="window 0"):
        Forecaster(0, 1, 1)
    with pytest.raises(ValueError, match="2 targets are more than the 1"):
        Forecaster(4, 1, 1, 2)
    with pytest.raises(ValueError, match="shape \\[3, 8, 8\\]"):
        SeriesCNN((3, 8, 8), 2)
    with pytest.raises(ValueError, match="width is 0"):
        SeriesCNN((8, 1), 2, width=0)

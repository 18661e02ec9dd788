"""Counts equal those done by hand; the model is left as it was."""

import random
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from trainer.recording.summary import MOST_ROWS, Summary, shortened, summarise


def shown(summary: Summary) -> dict[str, tuple[str, int]]:
    return {layer.name: (layer.shape, layer.parameters) for layer in summary.layers}


def test_a_perceptron_by_hand() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    model[3].bias.requires_grad_(False)
    summary = summarise(model, torch.zeros(32, 1, 8, 8))
    assert summary.parameters == 64 * 128 + 128 + 128 * 10 + 10
    assert summary.trainable == summary.parameters - 10
    assert summary.flops == 2 * 32 * (64 * 128 + 128 * 10)
    assert summary.num_bytes == 4 * summary.parameters
    assert shown(summary) == {
        "0": ("[32, 64]", 0),
        "1": ("[32, 128]", 64 * 128 + 128),
        "2": ("[32, 128]", 0),
        "3": ("[32, 10]", 128 * 10 + 10),
    }


def test_convolutions_by_hand() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, bias=False), nn.BatchNorm2d(8))
    summary = summarise(model, (torch.zeros(2, 3, 9, 9),))
    assert summary.flops == 2 * (2 * 8 * 4 * 4) * (3 * 3 * 3)
    assert summary.num_bytes == 4 * (8 * 27 + 8 + 8 + 8 + 8) + 8  # running mean, variance, count


@pytest.mark.parametrize("causal", [False, True])
def test_attention_by_hand(causal: bool) -> None:
    class Attention(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.scaled_dot_product_attention(x, x, x, is_causal=causal)

    summary = summarise(Attention(), torch.zeros(2, 3, 5, 8))
    assert summary.flops == 2 * (2 * 3) * (5 * 8 * 5) * 2
    assert [layer.name for layer in summary.layers] == ["(model)"]


def test_resnet18_has_the_published_figures() -> None:
    from torchvision.models import resnet18

    summary = summarise(resnet18(), torch.zeros(1, 3, 224, 224))
    assert summary.parameters == 11_689_512  # torchvision's table
    assert summary.flops / 2e9 == pytest.approx(1.814, abs=0.001)  # torchvision counts products
    assert sum(layer.parameters for layer in summary.layers) == summary.parameters
    assert shown(summary)["layer4"] == ("[1, 512, 7, 7]", 0)
    assert len(summary.layers) <= MOST_ROWS


def test_a_timm_model_with_its_own_parameters() -> None:
    import timm

    model = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, num_classes=5)
    summary = summarise(model, torch.zeros(1, 3, 32, 32))
    assert summary.layers[0].name == "(own parameters)"  # class token and positions
    assert sum(layer.parameters for layer in summary.layers) == summary.parameters
    assert len(summary.layers) <= MOST_ROWS


@dataclass
class Output:
    logits: Tensor
    hidden: tuple[Tensor, ...]


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)
        self.unused = nn.Linear(3, 3)
        self.inner = Inner()

    def forward(self, *, x: Tensor, scale: float) -> Output:
        hidden = self.layer(self.layer(self.layer(x)) * scale)
        return Output(self.head(self.inner(hidden)["value"]), (hidden,))


class Inner(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor | Output]:
        return {"value": x, "more": Output(x[:1], (x[:, :1], x))}


def test_named_inputs_structured_outputs_and_repeated_calls() -> None:
    summary = summarise(Named(), kwargs={"x": torch.zeros(3, 4), "scale": 2.0})
    rows = shown(summary)
    assert rows["layer"] == ("[3, 4]", 20)
    assert rows["unused"] == ("not called", 12)
    assert rows["inner"][0] == "[3, 4], [1, 4], [3, 1], [3, 4]"
    assert summary.flops == 2 * 3 * (3 * 4 * 4 + 4 * 2)
    assert "Linear x3" in summary.text()


def test_shared_parameters_count_once() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    summary = summarise(model, torch.zeros(1, 4))
    assert [layer.parameters for layer in summary.layers] == [20, 4]
    assert summary.parameters == 24


class Counting(nn.Module):
    """Does all that could leave a trace."""

    seen: Tensor

    def __init__(self, fails: bool = False) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4).eval()
        self.register_buffer("seen", torch.zeros(1))
        self.fails = fails

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        random.random()
        np.random.rand()
        assert self.norm.running_mean is not None
        self.norm.running_mean.add_(1)
        noisy: Tensor = self.norm(x + torch.rand_like(x))
        if self.fails:
            raise RuntimeError("forward fails")
        return noisy


@pytest.mark.parametrize("fails", [False, True])
def test_no_trace_is_left(fails: bool) -> None:
    from torch.nn.modules import module

    model = Counting(fails).train()
    model.norm.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # type: ignore[index]
    if fails:
        with pytest.raises(RuntimeError, match="forward fails"):
            summarise(model, torch.ones(2, 4))
    else:
        summarise(model, torch.ones(2, 4))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert (model.training, model.norm.training) == (True, False)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.array_equal(np.random.get_state()[1], states[2])  # type: ignore[index]
    assert not any(part._forward_hooks for part in model.modules())
    assert not module._global_forward_hooks
    assert not module._global_forward_pre_hooks


def test_deep_models_are_cut_and_still_add_up() -> None:
    blocks = [nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)) for _ in range(30)]
    deep = summarise(nn.Sequential(*blocks), torch.zeros(1, 4))
    assert len(deep.layers) == 30
    assert all(layer.parameters == 40 for layer in deep.layers)
    long = summarise(nn.Sequential(*(nn.Linear(4, 4) for _ in range(100))), torch.zeros(1, 4))
    assert len(long.layers) == MOST_ROWS
    assert long.layers[20].name == "(61 more)"
    assert sum(layer.parameters for layer in long.layers) == long.parameters == 2000


def test_text_and_table_fit_80_columns() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a_module_with_quite_a_long_name_indeed_too_long = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.a_module_with_quite_a_long_name_indeed_too_long(x)
            return y

    summary = summarise(Outer(), torch.zeros(1000, 1000, 1, 1, 1, 4))
    text = summary.text()
    assert max(map(len, text.splitlines())) <= 80
    assert text.isascii()
    assert text.splitlines()[-1] == summary.totals
    console = Console(width=80, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    with console.file:
        console.print(summary.table())
        printed = console.export_text()
    assert summary.totals in printed
    assert "a_module_with_quite_a_long_name..." in printed


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 "), (999, "999 "), (94_410, "94.4 k"), (3.63e9, "3.63 G"), (1e15, "1e+03 T")],
)
def test_large_numbers_are_shortened(count: float, text: str) -> None:
    assert shortened(count) == text

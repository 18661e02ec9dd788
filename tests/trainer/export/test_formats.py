"""Models of every kind become artefacts that give what the model gives; no process is started."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from subjects import (
    Arrays,
    Bessel,
    Branch,
    Convolution,
    Fixed,
    Limited,
    Net,
    Packed,
    Recurrent,
    Words,
    pairs,
    sentences,
    trained,
)
from torch import Tensor, nn

from trainer.export.formats import FILES, Format, NotPossible, load
from trainer.export.onnx import Onnx, external_files
from trainer.export.subject import Subject
from trainer.export.torch_export import TorchExport
from trainer.export.torchscript import TorchScript
from trainer.trained import Trained

PLAIN: dict[str, Any] = {"inputs": ["ids", "attention"], "target": "label"}
FORMATS: list[Format] = [TorchExport(), Onnx(), TorchScript()]
IMAGES = pairs(6, 4, shape=(1, 8, 8))
WORDS: dict[str, Any] = {
    "inputs": {"tokens": "ids", "mask": "attention"},
    "target": "label",
    "output": "logits",
}


def subject_of(made: Trained, dynamic: Any = None) -> Subject:
    assert made.loaders is not None
    return Subject(made, list(made.loaders.train.epoch(0)), dynamic)


def largest(subject: Subject, each: Format, folder: Path) -> float:
    """The largest difference of an artefact over batches of several sizes and lengths."""
    each.convert(subject, folder)
    run = load(each.form, folder / FILES[each.form], subject.names, 1)
    differences = []
    for batch in subject.batches:
        for size in (1, 2, 5, 9):
            part = subject.resized(batch, size)
            expected = subject.expected(part).outputs.numpy()
            found = run(subject.arrays(part))
            assert found.shape == expected.shape == (size, 3)
            differences.append(float(np.abs(found - expected).max()))
    return max(differences)


def tied_and_averaged() -> nn.Module:
    """Two layers that are one, as a moving average leaves them: no gradients."""
    torch.manual_seed(1)
    layer = nn.Linear(8, 8)
    return nn.Sequential(layer, nn.ReLU(), layer, nn.Linear(8, 3)).requires_grad_(False)


def compiled_in_place() -> nn.Module:
    model = Net()
    model.compile()
    return model


def compiled_around() -> Any:
    return torch.compile(Net())


KINDS: dict[str, Any] = {
    "dropout and batch normalisation": lambda: trained(Net(), pairs(6, 4)),
    "tied weights": lambda: trained(tied_and_averaged(), pairs(6, 4)),
    "half precision": lambda: trained(Net().bfloat16(), pairs(6, 4)),
    "compiled in place": lambda: trained(compiled_in_place(), pairs(6, 4)),
    "compiled around": lambda: trained(compiled_around(), pairs(6, 4)),
    "channels last": lambda: trained(
        Convolution().to(memory_format=torch.channels_last),
        IMAGES,
    ),
    "inputs by name, a field of the output": lambda: trained(Words(), sentences(5, 7), **WORDS),
    "a length up to a limit": lambda: trained(Limited(), sentences(5, 7), **PLAIN),
    "a recurrent network over any length": lambda: trained(Recurrent(), sentences(5, 7), **PLAIN),
    "several inputs by position": lambda: trained(
        Words(), sentences(5, 7), inputs=["ids", "attention"], target="label", output="logits"
    ),
}


# Translating to ONNX takes its time, and begins with what torch.export gives.
TRANSLATED = ("channels last", "inputs by name, a field of the output", "half precision")


@pytest.mark.parametrize("kind", KINDS)
def test_every_form_gives_what_the_model_gives(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    subject = subject_of(KINDS[kind]())
    assert all(p.dtype == torch.float32 for p in subject.model.parameters())
    for each in FORMATS:
        if each.form != "onnx" or kind in TRANSLATED:
            assert largest(subject, each, tmp_path) <= 1e-5, each.form
            assert each.form != "onnx" or not external_files(tmp_path / FILES["onnx"])


def test_the_copy_is_plain_and_the_model_stays_as_it_was() -> None:
    model = Net().bfloat16().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    made = trained(model, pairs(6))
    model.train()
    subject = subject_of(made)
    assert model.training and not subject.model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert next(model.parameters()).requires_grad
    tied = subject_of(trained(tied_and_averaged(), pairs(6))).model
    assert tied[0].weight is tied[2].weight


def test_the_weights_have_a_fingerprint() -> None:
    torch.manual_seed(1)
    model = Net()
    first = subject_of(trained(model, pairs(6))).weights
    assert subject_of(trained(model, pairs(4))).weights == first
    with torch.no_grad():
        model.last.bias[0] = torch.nextafter(model.last.bias[0], torch.tensor(9.0))
    assert subject_of(trained(model, pairs(6))).weights != first


def test_inputs_are_named_and_what_varies_is_dynamic() -> None:
    tokens, mask = subject_of(trained(Words(), sentences(5, 7), **WORDS)).inputs
    assert tokens.entry() == {
        "name": "tokens",
        "dtype": "int64",
        "shape": [None, None],
        "dimensions": ["batch", "tokens_1"],
    }
    # Both have the same length in each batch: one dimension.
    assert mask.entry()["dimensions"] == ["batch", "tokens_1"]
    (fixed, _) = subject_of(trained(Words(), sentences(5, 5), **WORDS)).inputs
    assert fixed.entry()["shape"] == [None, 5]


def test_dimensions_can_be_named(tmp_path: Path) -> None:
    dynamic = {"images": {2: "height", 3: "width"}}
    subject = subject_of(trained(Convolution(), IMAGES), dynamic)
    (images,) = subject.inputs
    assert images.entry()["shape"] == [None, 1, None, None]
    for each in (TorchExport(), Onnx(opset=18), TorchScript()):
        told = each.convert(subject, tmp_path)
        assert told.get("opset", 18) == 18
        run = load(each.form, tmp_path / FILES[each.form], subject.names, 1)
        other = torch.randn(3, 1, 5, 11)
        with torch.no_grad():
            assert np.abs(run([other.numpy()]) - subject.model(other).numpy()).max() < 1e-5
    for wrong in ({"image": {2: "height"}}, {"images": {4: "height"}}, {"images": {0: "b"}}):
        with pytest.raises(NotPossible, match=r"export\.dynamic"):
            subject_of(trained(Convolution(), IMAGES), wrong)


BRANCH = "depends on values in the data .*subjects.py:.*if features.sum.*torch.where"
NOT_POSSIBLE = [
    (Branch, TorchExport(), BRANCH),
    (Branch, Onnx(), BRANCH),
    (Fixed, TorchExport(), r"fixes the size of batch; write sizes as x\.shape\[0\]"),
    (Packed, Onnx(), "needs the numbers themselves .*subjects.py:.*use torch operations and masks"),
    (Arrays, TorchExport(), "needs the numbers themselves .*features.numpy"),
    (Bessel, Onnx(), "ONNX has no operator for prims.bessel_j0.*export=torch_export"),
]


@pytest.mark.parametrize(("model", "each", "reason"), NOT_POSSIBLE)
def test_what_is_not_possible_has_its_reason_in_one_line(
    model: type[nn.Module],
    each: Format,
    reason: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    subject = subject_of(trained(model(), pairs(6)))
    with pytest.raises(NotPossible, match=reason) as error:
        each.convert(subject, tmp_path)
    told = str(error.value)
    assert "\n" not in told and "export=none" in told and len(told) < 400
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


def test_torchscript_keeps_branches(tmp_path: Path) -> None:
    subject = subject_of(trained(Branch(), pairs(6)))
    assert TorchScript().convert(subject, tmp_path)["method"] == "script"
    run = load("torchscript", tmp_path / FILES["torchscript"], subject.names, 1)
    for sign in (1.0, -1.0):
        features = sign * torch.ones(4, 8)
        assert np.array_equal(run([features.numpy()]), subject.model(features).numpy())


class Held(nn.Module):
    """It holds what can't be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 3)
        self.held = (n for n in range(3))

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layer(features)
        return logits


def test_other_models_are_not_possible_either(tmp_path: Path) -> None:
    with pytest.raises(NotPossible, match=r"can't be copied \(TypeError"):
        subject_of(trained(Held(), pairs(6)))
    made = trained(Words(), sentences(5), inputs=["ids", "attention"], target="label", output=None)
    with pytest.raises(NotPossible, match=r"task\.output"):
        subject_of(made)
    feed = pairs(6)
    feed.batches = [([1, 2], target) for _, target in feed.batches]
    with pytest.raises(NotPossible, match="the input features is a tuple, and an artefact takes"):
        subject_of(trained(Net(), feed))

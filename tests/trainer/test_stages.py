"""What the stages do with an export that fails: the run is finished all the same."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import CrossEntropyLoss
from torch.optim import SGD

from data.digits import digits
from data.loading.loaders import loader
from models.mlp import MLP
from trainer import Supervised, TrainerOptions, execute, setup
from trainer.errors import Failed
from trainer.storage.folder import RunFolder
from trainer.trained import Trained


class Export:
    """Keeps what it is given, and fails where it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.given: list[Trained] = []

    def write(self, trained: Trained, folder: Path, console: Any) -> None:
        self.given.append(trained)
        if self.error:
            raise self.error


def run_with(export: Export, folder: Path) -> Any:
    splits = digits()
    task = Supervised(MLP(splits.info.input_shape, splits.info.num_classes), CrossEntropyLoss())
    return setup(
        task,
        splits,
        loader=partial(loader, batch_size=64, limit_batches=2),
        optimizer=partial(SGD, lr=0.1),
        options=TrainerOptions(epochs=1, ema=0.5),
        folder=RunFolder.claim(folder),
        export=export,
    )


def test_an_export_gets_the_weights_that_were_evaluated(tmp_path: Path) -> None:
    export = Export()
    run = run_with(export, tmp_path / "run")
    result = execute(run)
    (trained,) = export.given
    assert trained.metrics == result.metrics and trained.step == run.trainer.steps
    assert run.trainer.ema is not None
    assert trained.modules["model"] is run.trainer.ema.modules["model"]
    assert trained.task is not run.task and run.task.model is run.trainer.modules["model"]
    image = torch.zeros(1, 1, 8, 8)
    with torch.no_grad():
        expected = trained.modules["model"](image)
        assert not torch.equal(run.task.model.eval()(image), expected)
    assert torch.equal(torch.from_numpy(trained.outputs(image.numpy())), expected)


def test_a_refused_export_leaves_a_finished_run(tmp_path: Path) -> None:
    run = run_with(Export(Failed("onnx differs by 0.3")), tmp_path / "run")
    with pytest.raises(Failed, match="the run is finished, but not its export: onnx differs by"):
        execute(run)
    status = json.loads((tmp_path / "run/status.json").read_text())
    assert status["state"] == "finished" and "test/accuracy" in status["metrics"]
    assert (tmp_path / "run/evaluation/test.json").is_file()


def test_any_other_fault_of_an_export_is_a_fault_of_the_run(tmp_path: Path) -> None:
    run = run_with(Export(ZeroDivisionError("x")), tmp_path / "run")
    with pytest.raises(ZeroDivisionError):
        execute(run)
    assert json.loads((tmp_path / "run/status.json").read_text())["state"] == "failed"

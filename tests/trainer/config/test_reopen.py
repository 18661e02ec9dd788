"""A run folder alone gives back the model that was evaluated, and nothing of a stranger's runs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.cli import main
from trainer.config.reopen import make_part, reopen
from trainer.errors import NoUsableCheckpoint, Refused
from trainer.measuring import count
from trainer.trained import Trained

QUICK = ["model.width=4", "trainer.epochs=2", "loader.limit_batches=4", "trainer.threads=1"]
QUICK += ["recorder=silent", "evaluation.baselines=false", "evaluation.mistakes=0", "export=none"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reopen") / "run"
    assert main(["train", *QUICK, f"run.dir={folder}"]) == 0
    return folder


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    shutil.copytree(run, tmp_path / "copy")
    return tmp_path / "copy"


def measured(trained: Trained, split: str) -> dict[str, float]:
    assert trained.loaders is not None
    counts = count(
        trained.task,
        trained.modules,
        getattr(trained.loaders, split),
        evaluation=trained.evaluation,
        info=trained.info,
        device=trained.device,
        context=trained.precision.context,
    )
    return {f"{split}/{name}": value for name, value in counts.values().items()}


def test_it_measures_what_was_measured_at_the_end(run: Path) -> None:
    trained = reopen(run, data=True)
    status = json.loads((run / "status.json").read_text())
    assert measured(trained, "validation") | measured(trained, "test") == status["metrics"]
    assert trained.metrics == status["metrics"]
    assert trained.info.classes == [str(number) for number in range(10)]


@pytest.mark.parametrize("ema", ["0.99", "null"])
def test_its_weights_are_those_that_were_evaluated(ema: str, tmp_path: Path) -> None:
    assert main(["train", *QUICK, f"trainer.ema={ema}", f"run.dir={tmp_path / 'run'}"]) == 0
    trained = reopen(tmp_path / "run", data=True)
    status = json.loads((tmp_path / "run/status.json").read_text())
    assert measured(trained, "test").items() <= status["metrics"].items()


def test_outputs_are_those_of_the_module(run: Path) -> None:
    trained = reopen(run)
    assert trained.splits is None and trained.loaders is None
    inputs = np.random.default_rng(0).normal(size=(3, 1, 8, 8)).astype(np.float32)
    model = trained.modules["model"]
    assert not model.training
    with torch.no_grad():
        expected = model(torch.from_numpy(inputs)).numpy()
    assert np.array_equal(trained.outputs(inputs), expected)
    changed = reopen(run)
    with torch.no_grad():
        next(changed.modules["model"].parameters()).add_(1)
    assert not np.array_equal(changed.outputs(inputs), expected)


def test_the_reader_gives_the_pixels_of_validation(run: Path) -> None:
    trained = reopen(run, data=True)
    assert trained.reader is not None and trained.splits is not None
    dataset = trained.splits.validation
    pictures = [dataset.picture(index) for index in range(5)]
    expected = torch.stack([dataset[index][0] for index in range(5)]).numpy()
    assert np.array_equal(trained.reader.batch(pictures), expected)


def test_other_data_for_the_same_model(run: Path) -> None:
    trained = reopen(run, data=True, overrides=["data.split_seed=7", "loader.batch_size=16"])
    assert trained.splits is not None and trained.loaders is not None
    assert trained.config["data"]["split_seed"] == 7
    assert trained.loaders.test is not None and trained.loaders.test.batch_size == 16
    for words, told in (
        (["model.width=8"], "the model is trained already"),
        (["data.split_sede=1"], "did you mean data.split_seed=1"),
        (["data=digitz"], "did you mean data=digits"),
        (["data.split_seed=-1"], "0 or more"),
        (["data.split_seed"], "is not an override"),
    ):
        with pytest.raises(Refused, match=told):
            reopen(run, data=True, overrides=words)


def test_no_run_and_no_weights(run: Path, copy: Path) -> None:
    with pytest.raises(Refused, match=r"does not exist; did you mean .*run"):
        reopen(run.with_name("rum"))
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(Refused, match=r"has no weights.*train resume="):
        reopen(copy)


def test_damaged_weights(copy: Path) -> None:
    for file in (copy / "checkpoints").rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(NoUsableCheckpoint):
        reopen(copy)


def test_an_unfinished_run_is_used_with_a_warning(copy: Path) -> None:
    status = json.loads((copy / "status.json").read_text())
    (copy / "status.json").write_text(json.dumps(status | {"state": "preempted"}))
    with pytest.warns(UserWarning, match=r"is not finished \(preempted\); its best weights so far"):
        reopen(copy)


def test_a_strangers_config_may_name_only_what_is_known(copy: Path) -> None:
    config = copy / "config.yaml"
    config.write_text(config.read_text().replace("models.cnn.CNN", "os.system"))
    with pytest.raises(Refused, match=r"not written by you.*--trust os\.system"):
        reopen(copy)


def test_a_strangers_reader_is_not_made(copy: Path) -> None:
    file = copy / "info.json"
    info = json.loads(file.read_text())
    info["reader"] = {"_target_": "os.mkdir", "path": str(copy / "canary")}
    file.write_text(json.dumps(info))
    with pytest.raises(Refused, match=r"read by os\.mkdir.*--trust os\.mkdir"):
        reopen(copy)
    with pytest.raises(Refused, match=r"--trust builtins\.print"):
        make_part({"_target_": "builtins.print"})
    assert not (copy / "canary").exists()

"""A stranger's run may be opened: whatever lies in it, nothing of it is run, and it is told.

Every file that a command reads is replaced by what should never be there: pickles, pipes, links,
files without end. The canary is what a payload would make. Checkpoints, exports and names have
files of their own beside this one.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from forkserver import ForkServer
from payloads import pickled, put
from strangers import Handed, change, handed, own, stopped, unsigned  # noqa: F401  # fixtures

from trainer.errors import Refused
from trainer.storage.runs import read_status
from trainer.storage.stored_config import read_stored
from trainer.storage.stored_environment import read_environment
from trainer.storage.stored_info import read_info

RESUME = ("train", "resume=run")
PREDICT = ("predict", "run", "picture.png")
ARTEFACT = (*PREDICT, "--artefact", "onnx")


def test_ones_own_and_a_strangers_plain_run_open_without_a_question(own: Handed) -> None:  # noqa: F811
    for _ in range(2):
        for command in (PREDICT, ARTEFACT, ("runs", ".")):
            ended = own.opened(*command)
            assert ended.code == 0 and "signature" not in ended.err, ended.err
        unsigned(own.run)


def test_a_plain_run_of_a_stranger_goes_on(handed: Handed) -> None:  # noqa: F811
    stopped(handed.run)
    ended = handed.opened(*RESUME)
    assert ended.code == 0, ended.err
    assert json.loads((handed.run / "status.json").read_text())["state"] == "finished"


# --- what each file may be replaced by

YAML = ("pickle", "pipe", "link", "long", "deep", "laughs", "python", "folder")
JSON = ("pickle", "pipe", "link", "long", "deep", "folder")


@pytest.mark.parametrize("kind", YAML)
def test_a_config_of_another_kind(tmp_path: Path, kind: str) -> None:
    files = {"config.yaml": "a: 1\n", "overrides.yaml": "[]\n"}
    for name in files:
        place = tmp_path / name.removesuffix(".yaml")
        place.mkdir()
        for file, text in files.items():
            (place / file).write_text(text)
        put(place / name, kind, tmp_path / "canary")
        with pytest.raises(Refused, match=name):
            read_stored(*(place / file for file in files))
    assert not (tmp_path / "canary").exists()


def read_only_status(file: Path) -> None:
    if read_status(file.parent) is None:
        raise ValueError("no status")


JSON_READERS: dict[str, Callable[[Path], object]] = {
    "status.json": read_only_status,
    "info.json": read_info,
    "environment.json": lambda file: read_environment(file.parent),
}


@pytest.mark.parametrize("name", JSON_READERS)
@pytest.mark.parametrize("kind", JSON)
def test_json_of_another_kind(tmp_path: Path, kind: str, name: str) -> None:
    put(tmp_path / name, kind, tmp_path / "canary")
    with pytest.raises(ValueError):  # each has words of its own for it
        JSON_READERS[name](tmp_path / name)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("kind", ["pickle", "pipe", "laughs"])
def test_config(handed: Handed, kind: str) -> None:  # noqa: F811
    put(handed.run / "config.yaml", kind, handed.canary)
    assert handed.opened(*RESUME).code == 2


@pytest.mark.parametrize("kind", ["pickle", "pipe", "link", "deep", "laughs"])
def test_overrides_in_a_list_of_runs(handed: Handed, kind: str) -> None:  # noqa: F811
    put(handed.run / "overrides.yaml", kind, handed.canary)
    ended = handed.opened("runs", ".")
    assert ended.code == 0 and "overrides.yaml" in ended.out


@pytest.mark.parametrize("kind", ["pickle", "pipe", "deep"])
def test_status_and_info(handed: Handed, kind: str) -> None:  # noqa: F811
    put(handed.run / "info.json", kind, handed.canary)
    assert handed.opened(*PREDICT).code == 2
    put(handed.run / "status.json", kind, handed.canary)
    assert handed.opened(*RESUME).code == 2
    assert handed.opened("runs", ".").code == 0


@pytest.mark.parametrize("kind", ["pickle", "pipe", "link"])
def test_what_can_be_done_without(handed: Handed, kind: str) -> None:  # noqa: F811
    """The run goes on; what is in the way is left alone, and never written through."""
    stopped(handed.run)
    for name in ("environment.json", "checkpoints/last.json", "checkpoints/best.json", "train.log"):
        put(handed.run / name, kind, handed.canary)
    ended = handed.opened(*RESUME)
    assert ended.code in (0, 4), ended.err


@pytest.mark.parametrize("kind", ["pickle", "pipe", "link"])
def test_metrics(handed: Handed, kind: str) -> None:  # noqa: F811
    stopped(handed.run)
    put(handed.run / "metrics.jsonl", kind, handed.canary)
    assert handed.opened(*RESUME).code == 4


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_samples_that_were_left_out(handed: Handed, kind: str) -> None:  # noqa: F811
    stopped(handed.run)
    (handed.run / "bad_samples.csv").touch()
    put(handed.run / "bad_samples.csv", kind, handed.canary)
    assert handed.opened(*RESUME).code == 4


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_lock(handed: Handed, kind: str) -> None:  # noqa: F811
    put(handed.run / ".lock", kind, handed.canary)
    change(handed.run / "status.json", lambda status: status.update(state="running"))
    assert handed.opened("runs", ".").code == 0
    assert handed.opened(*RESUME).code in (0, 4, 6)


@pytest.mark.parametrize("kind", ["pickle", "pipe", "link"])
def test_predictions_and_what_was_not_finite(handed: Handed, kind: str) -> None:  # noqa: F811
    """An ensemble compares the samples, and a diagnosis looks for the step."""
    put(handed.run / "evaluation/test_predictions.csv", kind, handed.canary)
    assert handed.opened("ensemble", "run", "run").code == 2
    (handed.run / "nonfinite.jsonl").touch()
    put(handed.run / "nonfinite.jsonl", kind, handed.canary)
    assert handed.opened("diagnose", "run").code == 2


# --- what is written


@pytest.mark.parametrize("name", ["checkpoints", "evaluation", "export", "tensorboard"])
def test_nothing_is_written_through_a_link(handed: Handed, name: str) -> None:  # noqa: F811
    """A folder from elsewhere could hold one to a folder of the user's."""
    stopped(handed.run)
    theirs = handed.place / "theirs"
    if (handed.run / name).exists():
        shutil.move(handed.run / name, theirs)
    else:
        theirs.mkdir()
    (handed.run / name).symlink_to(theirs)
    ended = handed.opened(*RESUME)
    assert ended.code in (2, 4, 5) and name in ended.err


def test_numbers_beyond_all_measure_in_a_list_of_runs(handed: Handed) -> None:  # noqa: F811
    change(handed.run / "status.json", lambda status: status["metrics"].update(x=10**400))
    file = handed.run / "config.yaml"
    file.write_text(file.read_text().replace("epochs: 2", f"epochs: {'9' * 5000}"))
    assert handed.opened("runs", ".").code == 0


# --- data sets


CIFAR = ["batches.meta", "test_batch", *(f"data_batch_{number}" for number in range(1, 6))]


@pytest.mark.parametrize(
    ("data", "files"),
    [
        ("cifar10", [f"cifar-10-batches-py/{name}" for name in CIFAR]),
        ("cifar100", [f"cifar-100-python/{name}" for name in ("meta", "train", "test")]),
        ("mnist", ["MNIST/processed/training.pt", "MNIST/processed/test.pt"]),
    ],
)
def test_files_of_a_data_set(
    server: ForkServer, tmp_path: Path, data: str, files: Sequence[str]
) -> None:
    """torchvision's own format of CIFAR is pickles, and so was that of MNIST."""
    here = Handed(tmp_path, server)
    for name in files:
        file = tmp_path / "datasets" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pickled(here.canary))
    ended = here.opened("train", f"data={data}", "data.download=false", "run.dir=run")
    assert ended.code == 2 and "datasets" in ended.err

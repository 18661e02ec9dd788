"""Labels that name no class, and data of every size: told before step 0 wherever it can be seen."""

import json
from pathlib import Path

import pytest
from forkserver import ForkServer
from worker_rows import WORDS

TRAIN = tuple(word for word in WORDS if "timeout" not in word)
TRAIN = (*TRAIN, "data._target_=bad_labels.rows", "loader.num_workers=0")
ALL = f"+data.where=[{','.join(map(str, range(24)))}]"


def status(place: Path) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((place / "run/status.json").read_text())
    return loaded


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["+data.label=-1", "+data.where=[5,7]"],
            "2 labels of the train split out of range (-1 at",
        ),
        (["+data.label=255", "+data.where=[5]"], "1 label of the train split out of range (255 at"),
        (
            ["+data.label=3", "+data.where=[5]", "+data.split=validation"],
            "1 label of the validation split out of range (3 at row 5); labels have to be 0 to 2",
        ),
        (
            ["+data.label=3", "+data.where=[5]", "+data.split=test"],
            "1 label of the test split out of range (3 at row 5); labels have to be 0 to 2 for 3",
        ),
        (["+data.label=255", ALL, "+loss.ignore_index=255"], "the loss of the first batch is nan"),
    ],
    ids=str,
)
def test_labels_at_hand(words: list[str], told: str, server: ForkServer, tmp_path: Path) -> None:
    ended = server.run([*TRAIN, "+data.stored=true", *words], tmp_path)
    assert ended.code == 2 and told in ended.err and "Traceback" not in ended.err, ended
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_label_that_only_running_meets(split: str, server: ForkServer, tmp_path: Path) -> None:
    words = ("+data.label=-1", "+data.where=[5]", f"+data.split={split}")
    ended = server.run([*TRAIN, *words], tmp_path)
    assert ended.code == 7 and "Traceback" not in ended.err, ended
    assert f"label -1 of sample 5 in the {split} split is out of range; labels have" in ended.err
    assert status(tmp_path)["exit_code"] == 7


def test_a_label_that_the_loss_is_told_to_ignore(server: ForkServer, tmp_path: Path) -> None:
    words = ("+data.label=255", "+data.where=[5]", "+data.stored=true")
    ended = server.run([*TRAIN, *words, "+loss.ignore_index=255"], tmp_path)
    assert ended.code == 0, ended.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["+data.num_train=0"], "the train split of the data is empty (0 samples)"),
        (["+data.num_validation=0"], "the validation split of the data is empty (0 samples)"),
        (["+data.num_test=0"], "the test split of the data is empty (0 samples)"),
        (
            ["+data.num_train=3", "loader.drop_last=true"],
            "drop_last with batch_size 4 > 3 samples leaves 0 batches; set loader.drop_last=false",
        ),
        (["loader.batch_size=-1"], "loader.batch_size is -1; it has to be a whole number, 1 or"),
    ],
    ids=str,
)
def test_too_little(words: list[str], told: str, server: ForkServer, tmp_path: Path) -> None:
    ended = server.run([*TRAIN, *words], tmp_path)
    assert ended.code == 2 and told in ended.err and "Traceback" not in ended.err, ended
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        (["+data.num_train=1"], 2),
        (["+data.num_validation=1", "+data.num_test=1", "evaluation.baselines=true"], 12),
        (["+data.classes=1", "evaluation.baselines=true"], 12),
        (["trainer.accumulate=40"], 2),  # six batches: the last, smaller step of an epoch is done
        (["trainer.accumulate=4"], 4),
        (["loader.batch_size=1"], 48),
        (["loader.batch_size=23"], 4),
    ],
    ids=str,
)
def test_little_that_is_enough(
    words: list[str], steps: int, server: ForkServer, tmp_path: Path
) -> None:
    """One sample, one class, an accumulation longer than an epoch, a last batch of one."""
    ended = server.run([*TRAIN, *words], tmp_path)
    assert ended.code == 0 and "nan" not in ended.out, ended
    assert status(tmp_path)["step"] == steps

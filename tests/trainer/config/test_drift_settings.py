"""Which settings and data may differ when a run goes on."""

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from trainer.config.drift import (
    Drift,
    changed_by,
    changes,
    chosen_only,
    free_keys,
    is_longer,
    refuse_shorter,
)
from trainer.config.trust import refuse_masked
from trainer.errors import Refused
from trainer.storage.comparison import Difference

INFO = {"classes": ["a", "b"], "num_train": 7, "mean": [0.5, 0.25], "fingerprint": "ab" * 32}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "info.json").write_text(json.dumps(INFO | {"signature": "x"}))
    environment = {"samples": {"train": 7, "test": 2}, "threads": 1}
    (tmp_path / "environment.json").write_text(json.dumps(environment))
    return tmp_path


def test_the_same_data_passes(run: Path) -> None:
    drift = Drift(run)
    drift.compare_data(INFO | {"classes": ("a", "b")}, {"train": 7, "test": 2})
    drift.refuse()
    assert drift.threads == 1 and drift.warnings() == [] and drift.noted == []


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ({"fingerprint": "cd" * 32}, ("fingerprint", "ab" * 5, "cd" * 5)),
        ({"num_train": 6}, ("num_train", "7", "6")),
        ({"classes": ["a", "c"]}, ("classes", "['a', 'b']", "['a', 'c']")),
        ({"mean": [0.5, 0.26]}, ("mean", "[0.5, 0.25]", "[0.5, 0.26]")),
    ],
)
def test_other_data_is_refused_by_what_differs(
    change: dict[str, Any], row: tuple[str, str, str], run: Path
) -> None:
    drift = Drift(run)
    drift.compare_data(INFO | change, {"train": 7, "test": 2})
    assert drift.data == [row]
    with pytest.raises(Refused, match="the data is no longer that with which"):
        drift.refuse()


def test_a_mean_that_differs_by_rounding_is_only_noted(run: Path) -> None:
    drift = Drift(run)
    drift.compare_data(INFO | {"mean": [0.5, 0.25 + 2**-54]}, {"train": 7, "test": 2})
    assert drift.data == [] and [each.name for each in drift.noted] == ["mean"]
    # Not where nothing says that the samples are the same ones.
    (run / "info.json").write_text(
        json.dumps({k: v for k, v in INFO.items() if k != "fingerprint"})
    )
    drift = Drift(run)
    drift.compare_data(INFO | {"mean": [0.5, 0.25 + 2**-54]}, {"train": 7, "test": 2})
    assert [each.name for each in drift.data] == ["mean"]


def test_a_number_of_samples_that_differs(run: Path) -> None:
    drift = Drift(run)
    drift.compare_data(INFO, {"train": 7, "validation": 1, "test": 2})
    assert drift.data == [("validation samples", "0", "1")]


def test_without_records_there_is_nothing_to_compare(tmp_path: Path) -> None:
    drift = Drift(tmp_path)
    drift.compare_data(INFO, {"train": 1})
    drift.compare_environment({"threads": 1})
    drift.refuse()
    (told,) = drift.warnings()
    assert "environment.json can't be read (No such file or directory)" in told


NONE = {"_target_": "trainer.schedule.Schedule", "schedule": None, "warmup": 0}
STEP = {"_target_": "torch.optim.lr_scheduler.StepLR", "_partial_": True, "step_size": 5}
CYCLE = {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "total_steps": "${plan.steps}"}


@pytest.mark.parametrize(
    ("scheduler", "endless"),
    [
        (NONE, True),
        (NONE | {"warmup": 100}, True),
        (NONE | {"warmup": 0.1}, False),
        (NONE | {"schedule": STEP}, True),
        (NONE | {"schedule": STEP | {"step_size": "${plan.steps}"}}, False),
        (NONE | {"schedule": CYCLE}, False),
        (NONE | {"schedule": {"_target_": "mine.Cycle"}}, False),
    ],
)
def test_more_epochs_need_a_schedule_without_end(scheduler: dict[str, Any], endless: bool) -> None:
    assert ("trainer.epochs" in free_keys(scheduler)) == endless
    assert "checkpoint.every" in free_keys(scheduler)


def test_changes_of_two_configs() -> None:
    stored = {"a": {"b": 1, "c": [1, 2]}, "run": {"dir": "x"}, "gone": None}
    chosen = {"a": {"b": 1.0, "c": [1, 3]}, "run": {"dir": "y"}, "d": "${info.x}", "e": "new"}
    assert changes(stored, chosen) == [
        Difference("a.c", "[1, 2]", "[1, 3]"),
        Difference("e", "null", "new"),
    ]


def test_what_follows_another_key_is_not_told_beside_it() -> None:
    lr, top = Difference("optimizer.lr", "1", "2"), Difference("scheduler.top", "1", "2")
    written = {"optimizer": {"lr": 2}, "scheduler": {"top": "${optimizer.lr}"}}
    assert chosen_only([lr, top], written) == [lr]
    assert chosen_only([top], written) == [top]


def test_words_that_change_a_run() -> None:
    config = OmegaConf.create({"scheduler": NONE, "trainer": {"epochs": 2}, "seed": 0})
    assert changed_by(config, ["trainer.epochs=2", "seed=0"]) == []
    assert changed_by(config, ["trainer.epochs=3"]) == [Difference("trainer.epochs", "2", "3")]
    assert config.trainer.epochs == 3
    with pytest.raises(Refused) as caught:
        changed_by(config, ["seed=1", "nonsense", "trainer.epochs=[", "trainer.threads=2"])
    assert len(caught.value.problems) == 3 and config.seed == 0


@pytest.mark.parametrize(
    ("was", "now", "longer"),
    [
        ({"epochs": "2"}, {"epochs": 3}, True),
        ({"epochs": "2"}, {"epochs": None}, True),
        ({"epochs": "2"}, {"epochs": 1}, False),
        ({"steps": "null"}, {"steps": 100, "epochs": 3}, False),
        ({"max_minutes": "0.5"}, {"max_minutes": 5}, True),
        ({}, {"epochs": 9}, False),
    ],
)
def test_longer(was: dict[str, str], now: dict[str, Any], longer: bool) -> None:
    changed = [Difference(f"trainer.{key}", value, "") for key, value in was.items()]
    assert is_longer(changed, now) == longer


def test_shorter() -> None:
    refuse_shorter({"epochs": 3, "steps": None}, {"epoch": 3, "step": 90})
    refuse_shorter({"epochs": 1}, {"epoch": "x"})
    with pytest.raises(Refused) as caught:
        refuse_shorter({"epochs": 2, "steps": 50}, {"epoch": 3, "step": 90})
    assert len(caught.value.problems) == 2


def test_secrets_are_neither_compared_nor_told(tmp_path: Path) -> None:
    stored = {"recorder": {"api_key": "***", "url": "https://me:***@host/"}}
    chosen = {"recorder": {"api_key": "abc", "url": "https://me:pw@host/"}}
    assert changes(stored, chosen) == []
    config = OmegaConf.create({"scheduler": NONE, **stored})
    with pytest.raises(Refused, match="these can't be changed") as caught:
        changed_by(config, ["recorder.api_key=abc", "seed=1"])
    assert "abc" not in str(caught.value) and "***" in str(caught.value)
    with pytest.raises(
        Refused, match=r"has recorder\.api_key masked, as secrets are not stored; go"
    ):
        refuse_masked(stored, tmp_path, "go")
    refuse_masked(chosen, tmp_path, "go")

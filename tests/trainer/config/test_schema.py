from copy import deepcopy
from dataclasses import asdict
from typing import Any

import pytest
import yaml

from trainer.config.catalogue import conf_folder
from trainer.config.schema import problems, rule_for
from trainer.options import ParameterOptions, RunOptions, TrainerOptions

FINE: dict[str, Any] = {
    "trainer": asdict(TrainerOptions()),
    "run": asdict(RunOptions()),
    "parameters": asdict(ParameterOptions()),
    "seed": 0,
    "resume": None,
    "optimizer": {"_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9},
    "scheduler": {"schedule": {"total_steps": "${plan.steps}"}, "warmup": 0},
}


def changed(path: str, value: object) -> dict[str, Any]:
    config = deepcopy(FINE)
    *sections, last = path.split(".")
    node = config
    for section in sections:
        node = node[section]
    node[last] = value
    return config


def test_the_defaults_are_those_of_the_files() -> None:
    file = yaml.safe_load((conf_folder() / "trainer" / "default.yaml").read_text())
    assert file == asdict(TrainerOptions())
    main = yaml.safe_load((conf_folder() / "train.yaml").read_text())
    assert main["run"] == asdict(RunOptions())
    assert main["parameters"] == asdict(ParameterOptions())
    assert set(main) == {"defaults", "seed", "resume", "run", "parameters"}


def test_a_fine_config_has_no_problems() -> None:
    assert problems(FINE) == []


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("trainer.lrr", 1, "trainer.lrr (1) is no key of trainer"),
        ("trainer.epoch", 1, "did you mean trainer.epochs?"),
        ("trainer.epochs", "abc", "a whole number, 1 or more, or null"),
        ("trainer.device", "gpu", "auto, cpu, mps, cuda or cuda:1"),
        ("trainer.ema", 1.0, "more than 0 and less than 1"),
        ("trainer.threads", 0, "it has to be a whole number, 1 or more, or auto"),
        ("trainer", 3, "trainer is 3; it has to be a mapping"),
        ("seed", -1, "seed is -1"),
        ("seed", True, "seed is true"),
        ("resume", 3, "resume is 3"),
        ("run.name", "../x", "a folder name"),
        ("optimizer.lr", 0, "more than 0"),
        ("optimizer.momentum", 1, "less than 1"),
        ("parameters.groups", [{"match": "x", "lr": 1, "lr_scale": 2}], "both lr and lr_scale"),
        ("parameters.groups", [{"match": "x", "momentum": 2}], "groups[0].momentum is 2"),
        ("parameters.groups", [{"match": "x", "betas": 2}], "groups[0].betas (2) is no key"),
        ("parameters.groups", [{"lr": 2}], "groups[0].match is missing"),
        ("parameters.groups", [3], "parameters.groups[0] is 3"),
        ("parameters.groups", {"match": "x"}, "it has to be a list"),
        ("trainer.epochs", None, "would never end"),
        ("optimizer", {"nesterov": True, "momentum": 0}, "optimizer.momentum is 0"),
    ],
)
def test_one_mistake_is_one_line(path: str, value: object, words: str) -> None:
    found = problems(changed(path, value))
    assert len(found) == 1
    assert words in found[0] and "\n" not in found[0]


def test_a_missing_section_is_told() -> None:
    without = {name: part for name, part in FINE.items() if name != "run"}
    assert problems(without) == [
        "run is missing; a train.yaml of your own needs every section that fivestep's has"
    ]


def test_half_precision_on_the_cpu_is_refused_with_the_reason() -> None:
    config = changed("trainer.precision", "fp16")
    assert problems(config) == []
    config["trainer"]["device"] = "cpu"
    assert "use trainer.precision=bf16" in problems(config)[0]


@pytest.mark.parametrize("scheduler", [FINE["scheduler"], {"schedule": None, "warmup": 0.05}])
def test_a_schedule_over_all_steps_needs_their_number(scheduler: dict[str, Any]) -> None:
    config = changed("scheduler", scheduler)
    config["trainer"] |= {"epochs": None, "max_minutes": 5}
    assert "scheduler=none" in problems(config)[0]
    config["trainer"]["steps"] = 10
    assert problems(config) == []


def test_a_schedule_by_epoch_needs_no_number_of_steps() -> None:
    config = changed("scheduler", {"schedule": {"step": "${plan.steps_per_epoch}"}, "warmup": 5})
    config["trainer"] |= {"epochs": None, "max_minutes": 5}
    assert problems(config) == []


def test_rules_are_found_by_path() -> None:
    assert rule_for("seed") is not None and rule_for("optimizer.lr") is not None
    assert rule_for("trainer.epochs") is not None
    assert rule_for("trainer.nothing") is None and rule_for("model.width") is None
    assert rule_for("trainer") is TrainerOptions

"""The choices that an evaluation is built from, and what is refused."""

import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trainer.errors import Refused
from trainer.evaluation import Classification

NAN = float("nan")


def info_of(*classes: str) -> SimpleNamespace:
    return SimpleNamespace(classes=classes, num_classes=len(classes))


def test_its_yaml_builds_it() -> None:
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    path = Path(__file__).parents[3] / "conf/evaluation/classification.yaml"
    assert path.read_text().startswith("# ")
    built = instantiate(OmegaConf.load(path), _convert_="all")
    default = Classification()
    assert vars(built) == vars(default)
    keys = set(OmegaConf.load(path)) - {"_target_"}
    assert keys == set(vars(default)), "each argument is a key, and the other way round"


@pytest.mark.parametrize(
    ("arguments", "direction"),
    [
        ({"select": "loss"}, "min"),
        ({"select": "validation/loss"}, "min"),
        ({"select": "f1"}, "max"),
        ({"select": "mine", "metrics": {"mine": lambda o, t: (0, 1)}}, "max"),
        ({"select": "mine", "direction": "min", "metrics": {"mine": lambda o, t: (0, 1)}}, "min"),
    ],
)
def test_the_direction_follows_the_metric(arguments: dict[str, Any], direction: str) -> None:
    assert Classification(**arguments).direction == direction


def test_better_is_strict_and_never_nan() -> None:
    up, down = Classification(), Classification(select="loss")
    assert up.better(0.5, None) and up.better(0.6, 0.5) and down.better(0.4, 0.5)
    assert not up.better(0.5, 0.5) and not up.better(0.4, 0.5) and not down.better(0.6, 0.5)
    for evaluation in (up, down):
        assert not evaluation.better(NAN, None)
        assert not evaluation.better(NAN, 0.5)
        assert evaluation.better(0.5, NAN)
    assert down.better(0.5, math.inf)


def test_improvement_for_patience_needs_more_than_min_delta() -> None:
    up = Classification(min_delta=0.1)
    assert up.improved(0.7, 0.5) and not up.improved(0.59, 0.5) and up.better(0.59, 0.5)
    down = Classification(select="loss", min_delta=0.1)
    assert down.improved(0.3, 0.5) and not down.improved(0.45, 0.5)
    assert not up.improved(NAN, None) and up.improved(0.0, None)


def test_names_are_what_select_may_be() -> None:
    evaluation = Classification(metrics={"top5": lambda o, t: (0, 1)})
    names = evaluation.names(info_of("cat", "n/a"))
    assert {"accuracy", "loss", "top5", "recall/cat", "f1/n/a"} <= set(names)
    counts = Classification(select="f1/n/a").start(info_of("cat", "n/a"), "cpu")
    import torch

    counts.update(torch.eye(2), torch.tensor([0, 1]), 0.0, 1)
    assert set(counts.values()) <= {*evaluation.names(info_of("cat", "n/a"))}


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"select": ""}, "evaluation.select"),
        ({"select": "validation/"}, "evaluation.select"),
        ({"select": "test/accuracy"}, "never on test; say accuracy"),
        ({"select": "train/loss"}, "never on train"),
        ({"direction": "up"}, "evaluation.direction=up"),
        ({"every": 0}, "evaluation.every=0"),
        ({"every": True}, "evaluation.every=True"),
        ({"patience": 0}, "evaluation.patience=0"),
        ({"patience": -3}, "evaluation.patience=-3"),
        ({"min_delta": -0.1}, "evaluation.min_delta=-0.1"),
        ({"min_delta": NAN}, "evaluation.min_delta=nan"),
        ({"min_delta": math.inf}, "evaluation.min_delta=inf"),
        ({"mistakes": -1}, "evaluation.mistakes=-1"),
        ({"mistakes": 1000}, "up to 100"),
        ({"metrics": {"accuracy": print}}, "taken"),
        ({"metrics": {"classes": print}}, "taken"),
        ({"metrics": {"mine": 3}}, "callable"),
    ],
)
def test_what_is_out_of_range_is_refused(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(Refused, match=match) as caught:
        Classification(**arguments)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(Refused) as caught:
        Classification(every=0, patience=0, mistakes=-1)
    assert len(caught.value.problems) == 3


def test_importing_it_imports_neither_scikit_learn_nor_matplotlib() -> None:
    code = (
        "import sys, trainer.evaluation, trainer.evaluation.report, trainer.evaluation.figures\n"
        "import trainer.evaluation.baselines, trainer.evaluation.gallery\n"
        "print({'sklearn', 'matplotlib', 'torchvision'} & set(sys.modules), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set() True"

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import DictConfig

from trainer.config.catalogue import groups
from trainer.config.check import check
from trainer.config.compose import compose
from trainer.config.targets import locate
from trainer.errors import Refused

EVERY_CHOICE = [f"{name}={choice}" for name, group in groups().items() for choice in group.choices]
# What a choice doesn't make sense without: sizes that only such data has, a function of one's own.
BESIDE = {
    "data=own": ["data._target_=data.digits.digits"],
    "model=audio_cnn": ["data=audio"],
    "model=forecaster": ["data=series"],
    "model=language_model": ["data=language"],
    "model=seq2seq": ["data=translation"],
    "model=series_cnn": ["data=series"],
    "model=tabular": ["data=table"],
    "model=transformer": ["data=text"],
}

NET = """
import torch


class Net(torch.nn.Module):
    def __init__(self, num_classes: int, width: "int" = 3, extra: "Unknown" = None) -> None:
        super().__init__()


def make(num_classes: int, **kwargs: object) -> Net:
    return Net(num_classes, **kwargs)


def anything(**kwargs):
    return Net(**kwargs)
"""


@pytest.fixture(scope="module")
def default() -> DictConfig:
    return compose()


def problems(config: DictConfig) -> list[str]:
    with pytest.raises(Refused) as caught:
        check(config)
    assert not any("\n" in text for text in caught.value.problems)
    return list(caught.value.problems)


def with_(config: DictConfig, section: str, **values: object) -> DictConfig:
    """The config with other values in one section, without a second composition."""
    from omegaconf import OmegaConf, open_dict

    changed = config.copy()
    with open_dict(changed):
        OmegaConf.update(changed, section, values, merge=True, force_add=True)
    return changed


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's folder as the current one; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "usersnet.py").write_text(NET)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("choice", EVERY_CHOICE)
def test_every_file_names_things_that_take_its_arguments(choice: str) -> None:
    if choice == "model=timm":
        pytest.importorskip("timm")
    check(compose([choice, *BESIDE.get(choice, ())]))


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        ("optimizer", {"foreachh": True}, "did you mean optimizer.foreach?"),
        ("optimizer", {"foreach": 3}, "optimizer.foreach is 3; it has to be true, false or null"),
        ("optimizer", {"zzz": 3}, "it takes params, lr, betas"),
        ("model", {"width": "abc"}, "model.width is 'abc'; it has to be a whole number"),
        ("model", {"width": 1.5}, "model.width is 1.5"),
        ("model", {"num_classes": "ten"}, "a whole number"),
        ("model", {"width": "${info.widht}"}, "did you mean ${info.width}?"),
        ("model", {"width": "${info.zzz}"}, "it has classes, num_classes"),
        ("model", {"width": "${plan.steps}"}, "known to the scheduler only"),
        ("scheduler.schedule", {"total_steps": "${plan.step}"}, "did you mean ${plan.steps}?"),
        ("scheduler.schedule", {"final_div": 3}, "scheduler.schedule.final_div_factor?"),
        ("data", {"split_seed": "${info.width}"}, "not known yet"),
        ("loss", {"weight": [1, 2]}, "{_target_: torch.tensor, data: [1, 2]}"),
        ("loss", {"reduction": 3}, "it has to be text"),
        ("task", {"inpts": 3}, "did you mean task.inputs?"),
        ("task", {"weight": "foo"}, "it has to be samples, elements or null"),
        ("evaluation", {"direction": "up"}, "it has to be auto, max or min"),
        ("evaluation.metrics.top5", {"_target_": "torch.nope"}, "evaluation.metrics.top5._target_"),
        ("model", {"_target_": "models.cnn.CNNN"}, "did you mean models.cnn.CNN?"),
        ("model", {"_target_": "models.cnnn.CNN"}, "did you mean models.cnn.CNN?"),
        (
            "model",
            {"_target_": "modells.cnn.CNN"},
            "there is no module modells; did you mean models?",
        ),
        (
            "model",
            {"_target_": "models.cnn"},
            "a module and can't be called; did you mean models.cnn.CNN?",
        ),
        ("model", {"_target_": "torch.pi"}, "a float and can't be called"),
        ("model", {"_target_": "CNN"}, "it has to be package.module.Name"),
        (
            "model",
            {"_target_": "torchmetrics.Accuracy"},
            "torchmetrics is not installed; pip install",
        ),
        ("model", {"_target_": "nosuchlib.Net"}, "put nosuchlib.py into the current folder"),
    ],
    ids=str,
)
def test_one_mistake_is_one_line(
    section: str, values: dict[str, object], words: str, default: DictConfig
) -> None:
    found = problems(with_(default, section, **values))
    assert len(found) == 1, found
    assert words in found[0]


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("optimizer", {"foreach": True, "lr": 1}),
        ("optimizer", {"_target_": "torch.optim.NAdam"}),
        ("loss", {"weight": {"_target_": "torch.tensor", "data": [1, 2]}}),
        ("model", {"width": "${model.stages}"}),
        ("model", {"dropout": 0}),
        (
            "evaluation.metrics.top5",
            {"_target_": "torch.nn.functional.cross_entropy", "_partial_": True},
        ),
    ],
    ids=str,
)
def test_fine(section: str, values: dict[str, object], default: DictConfig) -> None:
    check(with_(default, section, **values))


def replaced(config: DictConfig, section: str, node: dict[str, object]) -> DictConfig:
    from omegaconf import open_dict

    changed = config.copy()
    with open_dict(changed):
        changed[section] = node
    return changed


def test_a_function_as_loss_has_to_be_partial(default: DictConfig) -> None:
    node: dict[str, object] = {"_target_": "torch.nn.functional.cross_entropy"}
    found = problems(replaced(default, "loss", node))
    assert "also needs input, target" in found[0] and "write +loss._partial_=true" in found[0]
    check(replaced(default, "loss", node | {"_partial_": True}))


def test_a_missing_argument_is_named(default: DictConfig) -> None:
    found = problems(replaced(default, "model", {"_target_": "models.cnn.CNN", "num_classes": 3}))
    assert found == ["model: models.cnn.CNN also needs input_shape; write +model.input_shape=..."]
    node = {"_target_": "torch.nn.Linear", "_args_": [3], "out_features": 2}
    check(replaced(default, "model", node))


def test_the_arguments_of_a_factory_reach_the_class_that_it_returns(default: DictConfig) -> None:
    node: dict[str, object] = {"_target_": "torchvision.models.resnet18", "weights": "DEFAULT"}
    check(replaced(default, "model", node | {"zero_init_residual": True}))
    found = problems(replaced(default, "model", node | {"nclasses": 3, "zero_init_residual": 3}))
    assert "did you mean model.num_classes?" in found[0] and "true or false" in found[1]


def test_nested_nodes_and_all_problems_at_once(default: DictConfig) -> None:
    layers = [
        {"_target_": "torch.nn.Flatten"},
        {"_target_": "torch.nn.Linear", "in_feature": 64, "out_features": 10},
    ]
    node: dict[str, object] = {"_target_": "torch.nn.Sequential", "_args_": layers}
    config = with_(replaced(default, "model", node), "optimizer", learning_rate=1)
    found = problems(config)
    assert len(found) == 3
    assert "model._args_[1].in_feature is no argument" in found[0]
    assert "model._args_[1]: torch.nn.Linear also needs in_features" in found[1]
    assert "optimizer.learning_rate is no argument" in found[2]


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ({"_target_": "usersnet.Net", "num_classes": "${info.num_classes}"}, []),
        ({"_target_": "usersnet.Net", "num_classes": 3, "extra": "x"}, []),
        ({"_target_": "usersnet.make", "num_classes": 3, "width": 4}, []),
        ({"_target_": "usersnet.anything", "whatever": 4}, []),
        ({"_target_": "usersnet.Net", "num_classes": 3, "widht": 4}, ["did you mean model.width?"]),
        ({"_target_": "usersnet.Net", "num_classes": 3, "width": "a"}, ["a whole number"]),
        (
            {"_target_": "usersnet.make", "num_classes": 3, "widht": 4},
            ["did you mean model.width?"],
        ),
        ({"_target_": "usersnet.Ne"}, ["did you mean usersnet.Net?"]),
        ({"_target_": "usersnett.Net"}, ["did you mean usersnet?"]),
        ({"_target_": "usersnet"}, ["package.module.Name"]),
    ],
    ids=str,
)
def test_the_users_own_module_in_the_current_folder(
    node: dict[str, object], told: list[str], project: Path, default: DictConfig
) -> None:
    config = replaced(default, "model", node)
    if not told:
        check(config)
        return
    found = problems(config)
    assert len(found) == 1 and told[0] in found[0], found


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("broken1", "import os\nimport nosuchpackage\n", "No module named 'nosuchpackage'"),
        ("broken2", "def f(:\n", "SyntaxError: "),
        ("broken3", "\nx = 1 / 0\n", "ZeroDivisionError: division by zero"),
        ("broken4", "raise SystemExit('no')\n", "SystemExit: no"),
    ],
)
def test_a_fault_in_the_users_module_is_told_with_its_place(
    name: str, text: str, words: str, project: Path, default: DictConfig
) -> None:
    (project / f"{name}.py").write_text(text)
    found = problems(replaced(default, "model", {"_target_": f"{name}.Net"}))
    assert len(found) == 1 and words in found[0]
    line = {"broken1": 2, "broken2": 1, "broken3": 2, "broken4": 1}[name]
    assert f"{name}.py:{line})" in found[0]


def test_a_users_package_that_ours_hides_is_explained(project: Path) -> None:
    (project / "models").mkdir()
    (project / "models" / "net.py").write_text(NET)
    told = locate("models.net.Net", "model").problem
    assert "your own models is hidden by it; rename" in told and "my_models.net.Net" in told
    # A typo in a name of ours is no matter of the user's package.
    assert locate("models.cnn.CNNN", "model").problem.endswith("did you mean models.cnn.CNN?")
    (project / "data.py").write_text("def mine(): ...\n")
    assert "your own data.py is hidden by it" in locate("data.mine", "data").problem


def test_our_packages_come_before_those_of_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    program = (
        "import sys; sys.path.remove('') if '' in sys.path else None\n"
        "from trainer.config.check import check; from trainer.config.compose import compose\n"
        "check(compose(['model=mlp']))\n"
        "assert 'torchvision' not in sys.modules and 'timm' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

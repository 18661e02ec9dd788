"""The YAML files: each builds, each key is an argument, each key has its comment."""

import importlib
import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from data.digits import digits
from data.errors import DataError
from data.splits import Splits

CONF = Path(__file__).resolve().parents[2] / "conf"
FILES = sorted([*(CONF / "data").glob("*.yaml"), *(CONF / "loader").glob("*.yaml")])


def target(node: dict[str, Any]) -> Any:
    module, _, name = node["_target_"].rpartition(".")
    return getattr(importlib.import_module(module), name)


def loaded(path: Path) -> Any:
    return OmegaConf.to_container(OmegaConf.load(path))


SETS = ("cifar10", "cifar100", "digits", "fashion_mnist", "images", "mnist", "sklearn")
FORMS = ("arrays", "audio", "detection", "hub", "language", "own", "segmentation", "series")
NAMED = ("speechcommands", "stream", "table", "text", "torchvision", "translation", "yesno")
FIELDS = {"problem", "num_outputs", "classes", "num_classes", "class_counts", "targets"}
FIELDS |= {"target_mean", "target_std", "input_shape", "fingerprint", "reader", "answer", "about"}


def test_all_are_there() -> None:
    assert {f"{path.parent.name}/{path.stem}" for path in FILES} == {
        "loader/default",
        *(f"data/{name}" for name in (*SETS, *FORMS, *NAMED)),
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_keys_are_arguments_and_have_comments(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    if path.stem == "own":
        return  # its keys are those of a function that is not ours
    assert lines[0].startswith("# ") and lines[1].startswith("# train ")
    for line in lines[2:]:
        assert "_target_" in line or "_partial_" in line or "  # " in line, line
    config = loaded(path)
    arguments = inspect.signature(target(config)).parameters
    assert set(config) - {"_target_", "_partial_"} <= set(arguments)
    if config.get("augment"):
        target(config["augment"])(**{k: v for k, v in config["augment"].items() if k[0] != "_"})
    get_type_hints(target(config))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_data_callables_say_what_info_is(path: Path) -> None:
    config = loaded(path)
    if path.parent.name != "data" or path.stem == "own":
        return
    found = get_type_hints(target(config))["return"]
    assert get_origin(found) is Splits
    for info in get_args(get_args(found)[0]) or get_args(found):
        names = {field.name for field in fields(info)}
        assert names >= {*FIELDS, "num_train", "num_validation", "num_test"}, info


def test_digits_and_loader_build_through_hydra() -> None:
    splits = instantiate(OmegaConf.load(CONF / "data" / "digits.yaml"))
    assert splits.info == digits().info
    make = instantiate(OmegaConf.load(CONF / "loader" / "default.yaml"))
    source = make(splits.train, shuffle=True, seed=0, device="cpu")
    inputs, targets = next(source.epoch(0))
    assert inputs.shape == (32, 1, 8, 8) and targets.shape == (32,)
    assert source.kind == "resident on cpu"


def test_images_needs_a_path() -> None:
    files = {"data": "data/images.yaml", "loader": "loader/default.yaml"}
    config = OmegaConf.create({key: OmegaConf.load(CONF / file) for key, file in files.items()})
    # instantiate wraps the error with the config's key; it is the cause that counts.
    with pytest.raises(Exception, match=r"data\.path is needed") as error:
        instantiate(config.data)
    assert isinstance(error.value.__cause__ or error.value, DataError)

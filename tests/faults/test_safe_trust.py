"""No command runs a name of a stranger's config, and trust is for the names that are given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from strangers import Handed, config, handed, own, stopped  # noqa: F401  # fixtures

from trainer.config.assembly import facts
from trainer.errors import Refused
from trainer.storage.stored_config import read_stored

RESUME = ("train", "resume=run")
PREDICT = ("predict", "run", "picture.png")


PLACES: Sequence[Callable[[Any, Any], object]] = (
    lambda node, stored: stored.update(model=node),
    lambda node, stored: stored["model"].update(width=node),
    lambda node, stored: stored["evaluation"].update(metrics={"a": {"b": [[node]]}}),
    lambda node, stored: stored["loss"].update(_args_=[node]),
)
COMMANDS = (
    RESUME,
    PREDICT,
    ("evaluate", "run"),
    ("export", "run"),
    ("ensemble", "run", "run"),
    ("reproduce", "run"),
    ("diagnose", "run", "--step", "1"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: str(words[0]))
def test_no_command_runs_a_name_of_a_stranger(handed: Handed, command: Sequence[str]) -> None:  # noqa: F811
    place = PLACES[COMMANDS.index(command) % len(PLACES)]
    config(handed.run, partial(place, {"_target_": "os.mkdir", "path": str(handed.canary)}))
    ended = handed.opened(*command)
    assert ended.code == 2 and "--trust os.mkdir" in ended.err, ended.err


def test_without_the_protection_the_canary_sings(handed: Handed) -> None:  # noqa: F811
    """Else the tests above would see nothing."""
    node = {"_target_": "os.mkdir", "path": str(handed.canary)}
    config(handed.run, lambda stored: stored.update(loss=node))
    stopped(handed.run)
    for command in (RESUME, PREDICT):
        handed.run_command(*command, patch="unprotected")
        assert handed.canary.exists()
        handed.canary.rmdir()
    assert handed.opened(*PREDICT).code == 2


def test_a_changed_run_of_ones_own_is_a_strangers(own: Handed) -> None:  # noqa: F811
    file = own.run / "config.yaml"
    file.write_text(file.read_text().replace("models.cnn.CNN", "os.mkdir"))
    ended = own.opened(*PREDICT)
    assert ended.code == 2 and "signature is not yours" in ended.err


def test_trust_is_for_one_name(handed: Handed) -> None:  # noqa: F811
    metrics = {name: {"_target_": f"os.{name}"} for name in ("getpid", "getcwd")}
    config(handed.run, lambda stored: stored["evaluation"].update(metrics=metrics))
    both = handed.opened(*PREDICT)
    assert both.code == 2 and "--trust os.getcwd --trust os.getpid" in both.err
    ended = handed.opened(*PREDICT, "--trust", "os.getpid")
    assert ended.code == 2
    assert "--trust os.getcwd" in ended.err and "--trust os.getpid" not in ended.err


@pytest.mark.parametrize(
    "text",
    [
        "x: 2001-01-01",
        "null: 1",
        "2001-01-01: 1",
        f"x: {'1:' * 300}1.0",
        f"x: {'9' * 5000}",
        "? [a]\n: 1",
    ],
)
def test_what_no_config_holds(text: str, tmp_path: Path) -> None:
    for name, content in (("config.yaml", f"a: 1\n{text}\n"), ("overrides.yaml", "[]\n")):
        (tmp_path / name).write_text(content)
    with pytest.raises(Refused, match=r"config\.yaml"):
        read_stored(tmp_path / "config.yaml", tmp_path / "overrides.yaml")


@pytest.mark.parametrize("section", ["task", "trainer", "seed"])
def test_a_config_without_a_section(handed: Handed, section: str) -> None:  # noqa: F811
    config(handed.run, lambda stored: stored.pop(section))
    stopped(handed.run)
    assert handed.opened(*PREDICT).code == 2
    assert handed.opened(*RESUME).code == 2


def test_a_model_of_the_hub_is_not_looked_for(handed: Handed) -> None:  # noqa: F811
    """The name of a model can be an address; the network is a stranger's to know of, too."""
    node = {"_target_": "timm.create_model", "model_name": "hf-hub:somebody/else"}
    config(handed.run, lambda stored: stored.update(model=node))
    assert handed.opened(*PREDICT).code == 2


@dataclass(frozen=True)
class Said:
    """What data says of itself."""

    classes: tuple[str, ...]
    more: dict[str, list[str]]


@pytest.mark.parametrize(
    "name",
    ["${oc.create:{_target_: os.mkdir, path: canary}}", "${oc.env:HOME}", "a ${x}", "\\${x}"],
)
def test_no_name_of_a_class_is_an_interpolation(name: str) -> None:
    """It is that of a folder of pictures, which may be a stranger's; configs refer to it."""
    for said in (Said(("a", name), {}), Said(("a",), {"b": [name]})):
        with pytest.raises(Refused, match=r"info\.(classes|more).*\$\{"):
            facts(said)
    assert facts(Said(("$", "{a}", "$ {b}"), {}))["classes"] == ("$", "{a}", "$ {b}")

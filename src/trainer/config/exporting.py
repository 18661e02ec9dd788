"""Which export a trained run gets: what is asked for, else the run's own, else the default."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from trainer.config.build import make
from trainer.config.catalogue import did_you_mean, groups, sources
from trainer.config.check import check
from trainer.config.compose import compose, raw
from trainer.config.overrides import Known, Override, judge_value, parse
from trainer.errors import Refused
from trainer.trained import Export

NOTHING = "trainer.export.Nothing"
DEFAULT = "export=default"


def export_config(
    words: Sequence[str], stored: Mapping[str, Any], config_dirs: Sequence[Path] = ()
) -> DictConfig:
    """The section `export`: `stored` is the run's own, `words` are choices and overrides.

    A word is the name of a choice (`onnx`), `export=...` or `export.KEY=...`; several names count
    together. Nothing is imported or built. Raises Refused with every problem.
    """
    catalogue = groups(config_dirs)
    names = [word for word in words if "=" not in word]
    choices = catalogue["export"].choices
    problems = [
        f"{name!r} is no form of export{did_you_mean(name, choices)}; choices: {', '.join(choices)}"
        for name in names
        if name not in choices
    ]
    parsed = [parse(word, catalogue) for word in words if "=" in word]
    problems += [each for each in parsed if isinstance(each, str)]
    read = [each for each in parsed if isinstance(each, Override)]
    problems += [
        f"{each.text}: only the export can be chosen here, the model is trained already"
        for each in read
        if each.key.split(".")[0] != "export"
    ]
    if names and any(each.key == "export" for each in read):
        problems.append(f"{' '.join(names)} and export= both choose; write one of them")
    if problems:
        raise Refused(*problems)
    choice = [f"export=[{','.join(names)}]"] if names else []
    choice += [each.text for each in read if each.key == "export"]
    if not choice and stored.get("_target_", NOTHING) == NOTHING:
        choice = [DEFAULT]
    if choice:
        keys = [each.text for each in read if each.key != "export"]
        return OmegaConf.masked_copy(compose([*choice, *keys], config_dirs), "export")
    config: DictConfig = OmegaConf.create({"export": dict(stored)})
    known = Known(raw(config), catalogue, sources(config_dirs))
    if problems := [line for each in read for line in judge_value(each, known)]:
        raise Refused(*problems)
    with open_dict(config):
        for each in read:
            OmegaConf.update(config, each.key, each.value)
    return config


def make_export(config: DictConfig) -> Export:
    """The export that a section names; raises Refused for arguments that it doesn't take."""
    if config.export.get("_target_") == NOTHING:
        raise Refused("export=none writes nothing; name a form, such as export=onnx")
    check(config)
    export: Export = make(config, "export")
    return export

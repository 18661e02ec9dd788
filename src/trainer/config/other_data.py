"""Other data for a model that is trained already: the overrides that `evaluate` takes."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict

from trainer.config.catalogue import groups, sources
from trainer.config.compose import compose, raw
from trainer.config.overrides import Known, Override, judge_value, parse
from trainer.errors import Refused

SECTIONS = ("data", "loader")


def with_other_data(
    config: DictConfig, words: Sequence[str], config_dirs: Sequence[Path] = ()
) -> DictConfig:
    """The stored config with its sections data and loader changed; all others stay.

    With `data=CHOICE` the section is that choice's. Raises Refused with every problem, for a key of
    another section too.
    """
    catalogue = groups(config_dirs)
    parsed = [parse(word, catalogue) for word in words]
    problems = [each for each in parsed if isinstance(each, str)]
    read = [each for each in parsed if isinstance(each, Override)]
    problems += [
        f"{each.text}: only data and loader can be changed here, the model is trained already"
        for each in read
        if each.key.split(".")[0] not in SECTIONS
    ]
    if problems:
        raise Refused(*problems)
    changed: DictConfig = OmegaConf.create(raw(config))
    chosen = [each.key for each in read if each.key in SECTIONS]
    fresh = [each for each in read if each.key.split(".")[0] in chosen]
    if fresh:
        composed = compose([each.text for each in fresh], config_dirs)
        for section in chosen:
            changed[section] = composed[section]
    known = Known(raw(changed), catalogue, sources(config_dirs))
    single = [each for each in read if each not in fresh]
    if problems := [line for each in single for line in judge_value(each, known)]:
        raise Refused(*problems)
    with open_dict(changed):
        for each in single:
            OmegaConf.update(changed, each.key, each.value)
    return changed

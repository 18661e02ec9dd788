"""What `--help` and `list` print: plain text, at most 80 columns, read from the config files."""

import os
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

from trainer.config.catalogue import Group, did_you_mean, groups
from trainer.errors import Refused
from trainer.pasting import SCRIPTS, pasteable

WIDTH = 80
EXAMPLES = (
    ("train", "a small CNN on handwritten digits"),
    ("train model=mlp optimizer.lr=0.01", "other choices, other values"),
    ("train data=images data.path=FOLDER", "your pictures, a folder per class"),
    ("train trainer=fast", "the fastest settings of this machine"),
    ("train optimizer=sgd scheduler=cosine trainer.epochs=20", ""),
    ("train seed=1 run.name=mine", "another seed, under runs/mine/"),
    ("train experiment=digits", "a named set of overrides"),
    ("train debug=overfit", "can the model learn at all?"),
    ("train resume=RUN", "go on in a run's folder"),
    ("train -m optimizer=sgd,adamw seed=range(3)", ""),
    ("train data.folds=5", "cross-validation: a run for each fold"),
    ("fivestep show model=mlp", "print the config, train nothing"),
    ("fivestep list model", "what can be chosen, a line each"),
    ("tensorboard --logdir runs", "the curves of all runs"),
)


def train_help(config_dirs: Sequence[Path] = ()) -> str:
    """What `train --help` prints."""
    return "\n".join(
        [
            "Train your own PyTorch model on your own data, evaluate it, keep all of it.",
            "",
            "usage: train [-m] [GROUP=CHOICE ...] [KEY=VALUE ...] [--config-dir DIR ...] [-v]",
            "",
            "  GROUP=CHOICE       take another choice from a group (below)",
            "  KEY=VALUE          change a value; +KEY=VALUE adds an argument that is",
            "                     not listed, ~KEY removes one",
            "  -m, --multirun     train a run for each combination: KEY=1,2 KEY=range(3)",
            "  --config-dir DIR   a folder with choices of your own: DIR/model/mine.yaml",
            "  --trust NAME       with resume= of a run from elsewhere: let it use NAME",
            "  -v, --verbose      show tracebacks",
            "",
            "Groups and their choices (* is the default):",
            *group_lines(groups(config_dirs)),
            "",
            "Useful lines:",
            *(f"  {line:36} {purpose}".rstrip() for line, purpose in EXAMPLES),
            *typed(),
        ]
    )


def group_lines(found: dict[str, Group]) -> list[str]:
    """A group a line, with its choices; the default has a star."""
    lines = []
    for name, group in found.items():
        names = [f"{c}*" if c == group.default else c for c in group.choices]
        choices = " ".join(names) or "(none)"
        lines += wrap(
            choices,
            WIDTH,
            initial_indent=f"  {name:11} ",
            subsequent_indent=" " * 14,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


def typed() -> list[str]:
    """What to type for the commands, where they were started by a script and not by name."""
    names = [(name, pasteable(name)) for name in SCRIPTS]
    if "FIVESTEP_COMMAND" not in os.environ or all(name == start for name, start in names):
        return []
    return ["", "In this shell:", *(f"  {name:11} {start}" for name, start in names)]


def fivestep_help() -> str:
    """What `fivestep --help` prints."""
    text = """Train your own PyTorch model on your own data, evaluate it, keep all of it.

usage: fivestep COMMAND

  train [OVERRIDES]          train, evaluate, export; the same as the command train
  list [GROUP]               what can be chosen
  show [OVERRIDES]           print the composed config, train nothing
  init PATH                  look at your data, write a config for it
  audit [OVERRIDES]          look for what is wrong with the data
  lr-find [OVERRIDES]        find a learning rate
  batch-find [OVERRIDES]     find a batch size

  predict RUN INPUTS...      what the model says of new inputs
  evaluate RUN [data=...]    measure again, also on other data
  export RUN                 turn the model into artefacts, each proven
  runs [FOLDER]              list runs with their metrics
  ensemble SWEEP             evaluate the averaged prediction of the best trials
  diagnose RUN               where the first NaN of a run arises
  reproduce RUN              run it again, and say whether it comes to the same
  doctor                     look at this installation and this machine
  --version                  print the version

train --help has the groups, their choices and useful lines; so has COMMAND --help."""
    return "\n".join([text, *typed()])


def listing(name: str | None, config_dirs: Sequence[Path] = ()) -> str:
    """Every group with its choices, or the choices of one group with a sentence each.

    Raises Refused for a group that there isn't.
    """
    found = groups(config_dirs)
    if name is None:
        command = pasteable("fivestep", "list", "GROUP")
        more = f"{command} says what each choice is (* is the default)."
        return "\n".join([*group_lines(found), "", more])
    if name not in found:
        near = did_you_mean(name, found, pasteable("fivestep", "list") + " {}")
        raise Refused(f"there is no group {name}{near or '; groups: ' + ', '.join(found)}")
    group = found[name]
    title = [f"{name}: {group.purpose}"] if group.purpose else []
    column = max(map(len, group.choices), default=0) + 3
    for choice, sentence in group.choices.items():
        star = f"{choice}*" if choice == group.default else choice
        title += wrap(
            f"{star:{column}}{sentence}",
            WIDTH,
            initial_indent="  ",
            subsequent_indent=" " * (column + 2),
            break_long_words=False,
            drop_whitespace=True,
        )
    return "\n".join(title)

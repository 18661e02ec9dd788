"""What the data has to be for a run, checked before anything is built on it."""

from collections.abc import Iterator
from typing import Any

from trainer.errors import Refused
from trainer.facts import problem_of

# What is usual for a problem.
LOSSES = {"regression": ", such as loss=mse", "multilabel": ", such as loss=bce"}
LOSSES["classification"] = ", such as loss=cross_entropy"
FIELDS = ("train", "validation", "test", "info")


def refuse_unfit(splits: Any) -> None:
    """Raise Refused, with every problem, unless `splits` describes itself and has what to train on.

    Any object with the four fields serves; `validation` and `test` may be None.
    """
    missing = [name for name in FIELDS if not hasattr(splits, name)]
    if missing:
        raise Refused(
            f"the data is a {type(splits).__name__} without {', '.join(missing)}; return an object "
            "with train, validation, test and info, such as data.splits.Splits"
        )
    if problems := [*size_problems(splits), *info_problems(splits.info)]:
        raise Refused(*problems)


def refuse_other_problem(info: Any, evaluation: Any) -> None:
    """Raise Refused where an evaluation judges other things than there are to learn.

    An evaluation that doesn't say what it judges (a user's own) is believed to fit.
    """
    problem, judged = problem_of(info), getattr(evaluation, "problem", None)
    if judged not in (None, problem):
        raise Refused(
            f"the data is for {problem}, and evaluation={judged} judges {judged}; write "
            f"evaluation={problem} and a loss for it{LOSSES.get(problem, '')}"
        )


def size_problems(splits: Any) -> Iterator[str]:
    """A line for each split that has no samples."""
    if splits.train is None:
        yield "the data has no training split; return one as `train`"
    for name in FIELDS[:3]:
        split = getattr(splits, name)
        if hasattr(type(split), "__len__") and len(split) == 0:
            remedy = "" if name == "train" else ", or return None where there is none"
            yield f"the {name} split of the data is empty (0 samples); give it some{remedy}"


def info_problems(info: Any) -> Iterator[str]:
    """What is missing or wrong in what the data says of itself."""
    if problem_of(info) not in ("classification", "multilabel"):
        return
    missing = [name for name in ("classes", "num_classes") if not hasattr(info, name)]
    if missing:
        yield (
            f"the data's info, a {type(info).__name__}, has no {' and no '.join(missing)}; the "
            "evaluation needs the names of the classes and their number"
        )
        return
    classes, number = info.classes, info.num_classes
    if not isinstance(number, int) or isinstance(number, bool):
        yield f"info.num_classes of the data is {number!r}; it has to be a whole number (int)"
    elif number < 2 and problem_of(info) == "classification":
        yield f"info.num_classes of the data is {number}; classification needs two or more"
    elif len(classes) != number:
        yield (
            f"info.classes of the data names {len(classes)} classes, but info.num_classes is "
            f"{number}; give each class a name"
        )

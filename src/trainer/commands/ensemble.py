"""`fivestep ensemble`: the averaged prediction of the best trials of a sweep, measured."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands import tables
from trainer.commands.arguments import Parser
from trainer.ensemble.members import Choice, choose
from trainer.ensemble.same_data import refuse_other_data
from trainer.errors import Refused
from trainer.pasting import nearest
from trainer.storage.atomic import write_json
from trainer.sweep.request import FILE as SWEEP

if TYPE_CHECKING:
    from trainer.ensemble.average import Outcome

ABOUT = """\
Average the predicted probabilities of several trained models, and measure the
average beside each of them.

Taken are the best trials of a sweep by their validation metric, or the runs
that are named. On the test split all of them have to see the same samples. With
--split validation every sample is predicted by the models that have it in their
validation split: with folds by the one that was not trained on it.

What came out is also in SWEEP/ensemble.json (ensemble_validation.json)."""
SCORES = ("accuracy", "precision", "recall", "f1")
BEST = 5


def main(words: Sequence[str]) -> int:
    """Average and print; raises Refused for what can't be averaged, CannotWrite."""
    arguments = arguments_of(words)
    paths = [path.expanduser() for path in arguments.folders]
    place = place_of(arguments.output, paths, arguments.split)
    choice = choose(paths, arguments.best, BEST)
    members = [(member.folder, member.config) for member in choice.members]
    refuse_other_data({folder: config.get("data", {}) for folder, config in members})
    from trainer.config.reopen import reopen
    from trainer.ensemble.average import evaluate
    from trainer.trained import Trained

    def opened(folder: Path, data: bool) -> Trained:
        return reopen(folder, trusted=arguments.trust, device=arguments.device, data=data)

    found = evaluate(members, opened, arguments.split)
    report = summary(found, choice)
    if arguments.json:
        print(json.dumps(strict(report), indent=2, ensure_ascii=False))
    else:
        told(found, choice)
    # Printed first: a disk that refuses doesn't take the result along.
    if place is not None:
        write_json(place, strict(report))
        if not arguments.json:
            print(f"all numbers in {nearest(place)}")
    return 0


def arguments_of(words: Sequence[str]) -> Any:
    """What was asked for; raises Refused for what can't be."""
    parser = Parser("fivestep ensemble", ABOUT)
    add = parser.add_argument
    add("folders", nargs="+", type=Path, metavar="SWEEP", help="the folder of a sweep, or of runs")
    add("--best", type=int, metavar="N", help=f"how many (default {BEST}; all runs that are named)")
    add("--split", choices=("test", "validation"), default="test", help="default test")
    add("--weights", choices=("equal",), default="equal", help="how much each counts: all alike")
    add("--json", action="store_true", help="print all numbers, for a program")
    add("--output", type=Path, metavar="FILE", help="write them into this file instead")
    add("--device", default="auto", metavar="NAME", help="cpu, cuda, cuda:1, mps (default auto)")
    add("--trust", action="append", default=[], metavar="NAME", help="let a stranger's run use it")
    found = parser.read(words)
    if found.best is not None and found.best < 1:
        raise Refused(f"--best {found.best}: it has to be 1 or more")
    return found


def place_of(output: Path | None, paths: Sequence[Path], split: str) -> Path | None:
    """Where the numbers are written; None for runs that no sweep holds, without --output."""
    if output is None:
        name = "ensemble.json" if split == "test" else f"ensemble_{split}.json"
        return paths[0] / name if len(paths) == 1 and (paths[0] / SWEEP).is_file() else None
    output = output.expanduser()
    if output.exists():
        raise Refused(f"--output {output} exists; choose a new file")
    if not output.absolute().parent.is_dir():
        raise Refused(f"--output {output}: there is no folder {output.parent}; make it first")
    return output


def summary(found: "Outcome", choice: Choice) -> dict[str, Any]:
    """All numbers."""
    spread = {name: found.mean(name) for name in found.members[0]}
    return {
        "split": found.split,
        "num_samples": found.counts.num_samples,
        "weights": "equal",
        "ranked_by": choice.metric,
        "direction": choice.direction,
        "available": choice.available,
        "members": [
            {
                "folder": str(member.folder),
                "overrides": member.told,
                choice.metric: member.value,
                **metrics,
            }
            for member, metrics in zip(choice.members, found.members, strict=True)
        ],
        "mean": {name: mean for name, (mean, _) in spread.items()},
        "std": {name: std for name, (_, std) in spread.items()},
        "ensemble": dict(found.metrics),
        "predicted_by": {"least": found.predicted_by[0], "most": found.predicted_by[1]},
        "classes": list(found.classes),
        "per_class": found.counts.per_class(found.classes),
        "confusion_matrix": found.counts.confusion().tolist(),
    }


def strict(value: Any) -> Any:
    """The same without numbers that JSON doesn't have: what is not finite is null."""
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def told(found: "Outcome", choice: Choice) -> None:
    """Print a line for each member, their mean, and the line that training ends with."""
    ranks = [member.value for member in choice.members]
    columns = [
        tables.Column("member", [tables.printable(m.name) for m in choice.members], least=8),
        tables.Column(choice.metric, [f"{v:.4f}" if v is not None else "-" for v in ranks], True),
        *(
            tables.Column(name, [f"{m[name]:.4f}" for m in found.members], True, rank=place)
            for name, place in zip(SCORES, (0, 3, 4, 2), strict=True)
        ),
        tables.Column(
            "overrides", [tables.printable(m.told) for m in choice.members], least=16, rank=1
        ),
    ]
    tables.show(sys.stdout, tables.table(columns, tables.width_of(sys.stdout)))
    print()
    number = len(choice.members)
    scores = "  ".join(f"{name} {found.metrics[name]:.4f}" for name in SCORES)
    print(f"{found.split:<11} {scores}  ({found.counts.num_samples:,} samples)")
    print(f"{'':<11} {beside(found, number)}")
    if number < choice.available:
        print(f"{'':<11} the best {number} of {choice.available} finished, by {choice.metric}")


def beside(found: "Outcome", number: int) -> str:
    """What the average is held against, and how many models it is the average of."""
    if number == 1:
        return "one member only: the average is its own prediction"
    mean, std = found.mean("accuracy")
    best = max(metrics["accuracy"] for metrics in found.members)
    least, most = found.predicted_by
    what = f"the average of {number}"
    if most < number:
        by = f"{least}" if least == most else f"{least} to {most}"
        what = f"each sample by the {by} of {number} that didn't learn it"
    return f"{what}; alone: accuracy {mean:.4f} ± {std:.4f}, the best {best:.4f}"

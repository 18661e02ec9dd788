"""`fivestep evaluate`: a trained model measured again, on its own data, on other data, exported."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands import tables
from trainer.commands.arguments import Parser
from trainer.config.catalogue import did_you_mean
from trainer.errors import CannotWrite, Refused
from trainer.inference.predictors import FORMS, MANIFEST, export_of, form_of
from trainer.pasting import nearest

if TYPE_CHECKING:
    from trainer.inference.evaluating import Measurement
    from trainer.trained import Trained

ABOUT = """\
Measure a trained model again: on its own test split, or on what is named.

  split=test              or validation, train, all; on other data all is
                          the default
  data=images data.path=FOLDER
                          other data, in the form that the model knows;
                          classes are matched by name
  loader.batch_size=256   how it is loaded

Nothing in the run's folder changes."""
KEYS = ("split", "data", "loader")
SPLITS = ("test", "validation", "train", "all")
SCORES = {"label", "precision", "recall", "f1", "support"}  # of a class
WORST = 10  # classes that are shown


def main(words: Sequence[str]) -> int:
    """Measure and print; raises Refused for what doesn't fit, and what the data raise."""
    arguments = arguments_of(words)
    run: Path = arguments.run.expanduser()
    refuse_export(run)
    place = new_folder(arguments.output, run)
    artefact = artefact_of(run, arguments.artefact, arguments.trust)
    overrides = [*arguments.overrides]
    if arguments.other:
        overrides += form_of_data(run, overrides, whole=arguments.split == "all")
    from trainer.config.reopen import reopen
    from trainer.inference.evaluating import measure

    trained = reopen(
        run,
        trusted=arguments.trust,
        device=arguments.device,
        data=True,
        overrides=overrides,
    )
    try:
        found = measure(trained, arguments.split, other=arguments.other, artefact=artefact)
    finally:
        close(trained)
    report = summary(found)
    if place is not None:
        write(place, found, trained)
    if arguments.json:
        del report["shown"]
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        told(report, notes(trained, arguments, report))
        if place is not None:
            print(f"report in {nearest(place)}")
    return 0


def arguments_of(words: Sequence[str]) -> Any:
    """What was asked for; raises Refused for what can't be."""
    parser = Parser("fivestep evaluate", ABOUT)
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="the folder of a run")
    add("overrides", nargs="*", metavar="KEY=VALUE", help="split=, data=, data.*, loader.*")
    add("--artefact", metavar="FORM", help=f"measure the export: {', '.join(FORMS)}")
    add("--output", type=Path, metavar="FOLDER", help="write the whole report into a new folder")
    add("--json", action="store_true", help="print all numbers, for a program")
    add("--device", default="auto", metavar="NAME", help="cpu, cuda, cuda:1, mps (default auto)")
    add("--trust", action="append", default=[], metavar="NAME", help="let a stranger's run use it")
    found = parser.read(words)
    splits = [word.partition("=")[2] for word in found.overrides if word.startswith("split=")]
    found.overrides = [word for word in found.overrides if not word.startswith("split=")]
    groups = [word.lstrip("+~").partition("=")[0].split(".")[0] for word in found.overrides]
    found.other = "data" in groups
    found.split = splits[-1] if splits else "all" if found.other else "test"
    problems = []
    if found.split not in SPLITS:
        near = did_you_mean(found.split, SPLITS)
        problems.append(f"split={found.split} is none{near or '; choose ' + ', '.join(SPLITS)}")
    for word, group in zip(found.overrides, groups, strict=True):
        if group not in KEYS:
            near = did_you_mean(group, KEYS)
            problems.append(f"{word} can't be changed here{near or '; only split, data, loader'}")
    if problems:
        raise Refused(*problems)
    found.artefact = form_of(found.artefact)
    return found


def refuse_export(run: Path) -> None:
    """Raise Refused for an exported folder: it knows no data."""
    if (run / MANIFEST).exists():
        raise Refused(
            f"{nearest(run)} is an export, which doesn't know its data; give the folder of its "
            "run, with --artefact onnx"
        )


def new_folder(path: Path | None, run: Path) -> Path | None:
    """Where the report goes; raises Refused where something is, or inside the run."""
    if path is None:
        return None
    path = path.expanduser()
    if path.exists():
        raise Refused(f"--output {path} exists; choose a new folder")
    if path.resolve().is_relative_to(run.resolve()):
        raise Refused(f"--output {path} is inside the run, which stays as it is; choose another")
    if not path.absolute().parent.is_dir():
        raise Refused(f"--output {path}: there is no folder {path.parent}; make it first")
    return path


def artefact_of(run: Path, form: str | None, trusted: Sequence[str]) -> Any:
    """The artefact that is to be measured; None for the run's own weights."""
    export = export_of(run, form)
    if export is None:
        return None
    from trainer.export.artefact import load_artefact

    assert form is not None  # else there is no export to be measured
    return load_artefact(export, form, trusted)


def form_of_data(run: Path, words: Sequence[str], *, whole: bool) -> list[str]:
    """What goes without saying for other data of the same kind: the form that the model knows.

    With `whole` nothing is kept back from them, so that there may be few of a class.
    """
    from trainer.storage.folder import RunFolder

    folder = RunFolder.open(run)
    stored = folder.read_config().config.get("data") or {}
    chosen = [word for word in words if word.startswith("data=")]
    images = chosen[-1] == "data=images" if chosen else is_images(stored)
    values: dict[str, Any] = {}
    if whole and (images or not chosen):
        kept_back = {"validation": 0, "test": 0, "splits": "null", "split": "random"}
        values = {key: value for key, value in kept_back.items() if images or key in stored}
        if images:
            values = {"validation": 0, "test": 0}
    if not images:
        # How long a window is may depend on how much there is: it has to be what the model takes.
        info = folder.read_info()[0] if "window" in stored else {}
        values |= {key: info[key] for key in ("window", "horizon") if info.get(key)}
        return unless_given(values, words)
    reader = folder.read_info()[0].get("reader")
    if isinstance(reader, dict) and {"height", "width", "channels", "fit"} <= set(reader):
        values["size"] = f"[{reader['height']},{reader['width']}]"
        values |= {key: reader[key] for key in ("channels", "fit")}
    return unless_given(values, words)


def unless_given(values: Mapping[str, Any], words: Sequence[str]) -> list[str]:
    """Overrides for the keys of `data` that no word names."""
    given = {word.partition("=")[0] for word in words}
    return [f"data.{key}={value}" for key, value in values.items() if f"data.{key}" not in given]


def is_images(data: Mapping[str, Any]) -> bool:
    """Whether a run was trained on a folder of images."""
    return data.get("_target_") == "data.images.images"


def close(trained: "Trained") -> None:
    """End what the loaders have started."""
    for loader in trained.loaders or ():
        if loader is not None:
            loader.close()


def summary(found: "Measurement") -> dict[str, Any]:
    """All numbers, under the keys of evaluation/test.json; what is not finite is null."""
    measured: Any = found.measured
    values = {n: v if math.isfinite(v) else None for n, v in measured.values().items()}
    details = measured.details() if hasattr(measured, "details") else {}
    return {
        "split": found.split,
        **values,
        "num_samples": measured.num_samples,
        **details,
        "shown": list(measured.shown),
    }


def notes(trained: "Trained", arguments: Any, report: Mapping[str, Any]) -> list[str]:
    """What one has to know to read the numbers."""
    found = []
    for name in report["shown"][:1]:
        value = trained.metrics.get(f"test/{name}")
        if value is not None and (arguments.other or arguments.artefact):
            found.append(f"test at the end of training: {name} {value:.4f}")
    if arguments.split in ("train", "all") and not arguments.other:
        found.append("among them the samples that it was trained on")
    classes = report.get("per_class", ())
    absent = sum(row["support"] == 0 for row in classes)
    if absent:
        found.append(f"{absent} of {len(classes)} classes have no samples; averages take them as 0")
    return found


def told(report: Mapping[str, Any], beside: Sequence[str]) -> None:
    """Print the line that training ends with, and the classes that are worst."""
    width = tables.width_of(sys.stdout)
    pieces = [f"{n} {report[n]:.4f}" for n in report["shown"] if report[n] is not None]
    pieces.append(f"({report['num_samples']:,} samples)")
    for line in (
        *in_lines(report["split"], pieces, width),
        *(f"{'':11} {note}" for note in beside),
    ):
        print(line)
    if SCORES - {*next(iter(report.get("per_class", ())), ())}:
        return
    seen = [row for row in report["per_class"] if row["support"]]
    worst = sorted(seen, key=lambda row: row["f1"])[:WORST]
    columns = [tables.Column("class", [tables.printable(r["label"]) for r in worst], least=8)]
    columns += [
        tables.Column(name, [f"{row[name]:.4f}" for row in worst], right=True)
        for name in ("precision", "recall", "f1")
    ]
    columns.append(
        tables.Column("samples", [f"{row['support']:,}" for row in worst], right=True, rank=1)
    )
    print()
    tables.show(sys.stdout, tables.table(columns, width))
    if len(seen) > WORST:
        print(f"the {WORST} worst by f1 of {len(seen)} classes; all of them: --json")


def in_lines(head: str, pieces: Sequence[str], width: int) -> list[str]:
    """The pieces behind a head, in as many lines as it takes."""
    lines = [f"{head:11} {pieces[0]}"]
    for piece in pieces[1:]:
        if len(lines[-1]) + 2 + len(piece) <= width:
            lines[-1] += f"  {piece}"
        else:
            lines.append(f"{'':11} {piece}")
    return lines


def write(place: Path, found: "Measurement", trained: "Trained") -> None:
    """Write the whole report, which bears its name when all of it is there."""
    from shutil import rmtree
    from typing import cast

    from trainer.evaluation import report
    from trainer.storage.atomic import temporary, writing

    building = temporary(place.absolute())
    try:
        report.write(
            building,
            cast(Any, found.split),
            found.measured,
            indices=found.indices,
            names=getattr(found.dataset, "names", None),
            picture=getattr(found.dataset, "picture", None),
        )
        with writing(place):
            (building / "evaluation").rename(place)
    except CannotWrite as error:
        raise CannotWrite(str(error).replace("run.dir=", "--output ")) from error
    finally:
        rmtree(building, ignore_errors=True)

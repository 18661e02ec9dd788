"""`fivestep export`: artefacts of a run that is trained already, each with its proof."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.arguments import Parser
from trainer.commands.tables import Column, show, table, width_of
from trainer.errors import Failed
from trainer.pasting import nearest
from trainer.storage.folder import RunFolder

if TYPE_CHECKING:
    from trainer.export.manifest import Manifest
    from trainer.trained import Trained

ABOUT = """\
Turn a trained run into files that others can use, and prove each of them: it is
loaded again in a fresh process, compared with the model on real data, and the
test metrics are measured on it. They go into RUN/export/.

CHOICES, as for train:
  onnx                    an ONNX file, and predict.py for numpy and onnxruntime
  torch_export            a .pt2 file
  torchscript             legacy
  export=[onnx,...]       the same as a list
  export.KEY=VALUE        an option, such as export.atol=1e-4
Without a choice it is what the run itself asked for, else onnx and torch_export.
Other forms that were exported before stay."""


def main(words: Sequence[str]) -> int:
    """Export and print; raises Refused for what doesn't fit, Failed where a form can't be had."""
    arguments = arguments_of(words)
    path: Path = arguments.run.expanduser()
    folder = RunFolder.open(path, write=True)
    try:
        return export(folder, arguments)
    finally:
        folder.release()


def arguments_of(words: Sequence[str]) -> Any:
    """What was asked for."""
    parser = Parser("fivestep export", ABOUT)
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="the folder of a run")
    add("choices", nargs="*", metavar="CHOICES", help="forms, export=..., export.KEY=VALUE")
    add("--device", default="auto", metavar="NAME", help="where the data is loaded (default auto)")
    add("--config-dir", action="append", type=Path, default=[], metavar="DIR", help="your choices")
    add("--trust", action="append", default=[], metavar="NAME", help="let a stranger's run use it")
    return parser.read(words)


def export(folder: RunFolder, arguments: Any) -> int:
    """Export a run whose folder is ours."""
    from trainer.config.exporting import export_config, make_export

    stored = folder.read_config().config.get("export")
    known = stored if isinstance(stored, dict) else {}
    config = export_config(arguments.choices, known, arguments.config_dir)
    # What the run's own config names is not built before reopen has believed it.
    from trainer.config.reopen import reopen

    trained = reopen(folder.path, trusted=arguments.trust, device=arguments.device, data=True)
    try:
        exporter = make_export(config)
        return carry_out(exporter, trained, folder)
    finally:
        close(trained)


def carry_out(exporter: Any, trained: "Trained", folder: RunFolder) -> int:
    """Write, and print what came of it; raises Failed for what there is none of."""
    from trainer.export.manifest import NAME, read_manifest
    from trainer.recording import Quiet

    print(f"Exporting step {trained.step} of {nearest(folder.path)} ...", flush=True)
    failure: Failed | None = None
    try:
        exporter.write(trained, folder.export, Quiet())
    except Failed as error:
        failure = error  # told when the others have been
    if not (folder.export / NAME).exists():  # an export of the user's own
        if failure is not None:
            raise failure
        return 0
    manifest = read_manifest(folder.export)
    tried = getattr(exporter, "formats", manifest.failed)
    told(manifest, folder.export)
    missing = {form: why for form, why in manifest.failed.items() if form in tried}
    if failure is not None and not missing:
        raise failure
    if missing:
        raise Failed("; ".join(lines(missing)))
    return 0


def lines(missing: Mapping[str, str]) -> list[str]:
    """What is missing, each reason once."""
    return [
        f"not exported as {' or '.join(form for form in missing if missing[form] == why)}: {why}"
        for why in dict.fromkeys(missing.values())
    ]


def told(manifest: "Manifest", folder: Path) -> None:
    """Print a line for each artefact, and how they are used."""
    from trainer.storage.atomic import human

    entries = manifest.artefacts
    if not entries:
        return
    split = next((name.partition("/")[0] for name in manifest.metrics), "test")
    # The first metric behind the loss is the one that says most.
    name = next((n.partition("/")[2] for n in manifest.metrics if not n.endswith("/loss")), "loss")
    values = list(entries.values())
    sizes = list(dict.fromkeys(size for entry in values for size in entry.get("latency_ms", {})))
    columns = [
        Column("form", list(entries)),
        Column("file", [str(entry["file"]) for entry in values], least=10, cut="start"),
        Column("size", [human(entry["size"]) for entry in values], right=True),
        Column("differs", [difference(entry) for entry in values], right=True),
        Column("equal", [share(entry) for entry in values], right=True),
        Column(f"{split} {name}", [measured(e, f"{split}/{name}") for e in values], right=True),
        Column(f"ms {'/'.join(sizes)}", [latency(e, sizes) for e in values], right=True, rank=1),
    ]
    show(sys.stdout, table(columns, width_of(sys.stdout)))
    own = manifest.metrics.get(f"{split}/{name}")
    beside = "" if own is None else f"; the model's own {split} {name} is {own:.4f}"
    print(f"export in {nearest(folder)}{beside}")
    if "onnx" in entries and (folder / "predict.py").exists():
        print(f"without torch: python {nearest(folder / 'predict.py')} INPUTS...")


def difference(entry: dict[str, Any]) -> str:
    """The largest absolute difference of an output."""
    value = entry.get("parity", {}).get("largest_absolute_difference")
    return "-" if value is None else f"{value:.1e}" if value else "0"


def share(entry: dict[str, Any]) -> str:
    """How many decisions were the model's; never rounded up to all of them."""
    value = entry.get("parity", {}).get("equal_decisions")
    if value is None:
        return "-"
    return "100 %" if value == 1 else f"{min(99.99, 100 * value):.2f} %"


def measured(entry: dict[str, Any], name: str) -> str:
    """A metric as it was measured on the artefact."""
    value = entry.get("metrics", {}).get(name)
    return "-" if value is None else f"{value:.4f}"


def latency(entry: dict[str, Any], sizes: Sequence[str]) -> str:
    """Milliseconds of a call at each batch size."""
    found = [entry.get("latency_ms", {}).get(size) for size in sizes]
    return "/".join("-" if value is None else f"{value:.2g}" for value in found)


def close(trained: "Trained") -> None:
    """End what the loaders have started."""
    for loader in trained.loaders or ():
        if loader is not None:
            loader.close()

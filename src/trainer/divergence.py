"""What becomes of steps whose loss or gradients are not finite."""

import json
import math
from collections.abc import Mapping
from typing import Any

import torch

from trainer.errors import Diverged
from trainer.pasting import nearest, pasteable
from trainer.run import Run
from trainer.samples import not_finite
from trainer.storage import atomic

FILE = "nonfinite.jsonl"
LIMIT = 100_000_000


class Divergence:
    """Writes such steps down, and ends the run or counts them, as `trainer.on_nonfinite` says.

    `nonfinite.jsonl` gets a line for each: where it was, which samples it held, and what was not
    finite. `skipped` is how many steps were not taken so far.
    """

    def __init__(self, run: Run, skipped: int) -> None:
        self.run, self.skipped = run, skipped
        self.meant = set(self.spoilt())  # a mask may hold infinity from the start
        self.path = run.folder.path / FILE
        if run.resumed and self.path.exists():
            self.forget(run.trainer.steps)

    def forget(self, step: int) -> None:
        """Leave out the lines of later steps than the one from which the run goes on."""
        raw = atomic.read_regular(self.path, LIMIT).splitlines(keepends=True)
        kept = [line for line in raw if line.endswith(b"\n") and json.loads(line)["step"] <= step]
        if kept != raw:
            atomic.write_bytes(self.path, b"".join(kept))

    def met(self, step: int, place: tuple[int, int], report: Mapping[str, float]) -> None:
        """Take in a step that held something that is not finite; raises Diverged if it ends here.

        `place` is (epoch, batch) of its first batch, `report` what the step told.
        """
        line = self.note(step, place, *culprit(report))
        if self.run.options.on_nonfinite == "stop":
            raise self.ended(line)
        if not self.skipped:
            self.run.console.warn(
                f"step {step} was skipped: its {said(line)}; {FILE} lists all such steps"
            )
        self.skipped += 1

    def note(
        self, step: int, place: tuple[int, int], what: str, name: str, value: float
    ) -> dict[str, Any]:
        """Append a step's line to the file, and return it; `what` is loss, gradient or state."""
        saved = self.run.checkpoints.steps()
        line = {
            "step": step,
            "epoch": place[0],
            "batch": place[1],
            "samples": self.samples(place),
            "what": what,
            "name": name,
            "value": str(value),
            "checkpoint": f"step_{saved[-1]:08d}" if saved else None,
        }
        with atomic.writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return line

    def refuse_spoilt(self) -> None:
        """Raise Diverged where a weight or a buffer is not finite, so that it is never saved."""
        names = [name for name in self.spoilt() if name not in self.meant]
        if not names:
            return
        trainer = self.run.trainer
        line = self.note(trainer.steps, trainer.place, "state", names[0], math.nan)
        raise self.ended(line)

    def spoilt(self) -> list[str]:
        """The weights and buffers that hold something that is not finite."""
        tensors = {
            f"{name}.{key}": tensor
            for name, module in self.run.trainer.modules.items()
            for key, tensor in (*module.named_parameters(), *module.named_buffers())
            if tensor.is_floating_point() or tensor.is_complex()
        }
        if not tensors:
            return []
        with torch.no_grad():
            finite = [tensor.isfinite().all().to(self.run.device) for tensor in tensors.values()]
        good = torch.stack(finite).tolist()  # one transfer for all
        return [name for name, fine in zip(tensors, good, strict=True) if not fine]

    def samples(self, place: tuple[int, int]) -> list[int]:
        """The samples of a step, as indices into the training split."""
        epoch, first = place
        loader, number = self.run.loaders.train, self.run.options.accumulate
        batches = range(first, min(first + number, len(loader)))
        return [index for batch in batches for index in loader.indices(epoch, batch)]

    def ended(self, line: Mapping[str, Any]) -> Diverged:
        """The error that ends a run at a step; its notes say how to look further, and go on."""
        run, folder = self.run, nearest(self.run.folder.path)
        saved = run.checkpoints.steps()
        kept = f"the last checkpoint is step {saved[-1]}" if saved else "there is no checkpoint yet"
        if wrong := not_finite(run, line["samples"]):
            remedy = f"{wrong}: mend or remove it"
        else:
            half = ", trainer.precision=fp32" if run.trainer.precision.name != "fp32" else ""
            clip = "" if run.options.clip_norm else ", trainer.clip_norm=1"
            remedy = f"try a lower optimizer.lr{clip}{half}"
        error = Diverged(
            f"the {said(line)} at step {line['step']} (epoch {line['epoch']}, batch "
            f"{line['batch']}); {kept}; {remedy}"
        )
        shown = ", ".join(map(str, line["samples"][:10]))
        more = f", ... ({FILE} has them all)" if len(line["samples"]) > 10 else ""
        error.add_note(f"samples of the step: {shown}{more}")
        error.add_note(f"to see where it arises: {pasteable('fivestep', 'diagnose', folder)}")
        go_on = pasteable("train", f"resume={folder}", "trainer.on_nonfinite=skip")
        error.add_note(f"to go on without such steps: {go_on}")
        return error

    def endless(self) -> Diverged:
        """What to raise when too many steps in a row were not taken."""
        run = self.run
        if run.trainer.precision.scaler:  # no line yet: such a step is usual, so many are not
            self.note(run.trainer.steps, run.trainer.place, "gradient", "gradient", math.nan)
        scale = " by the gradient scale of fp16" if run.trainer.precision.scaler else ""
        remedy = "trainer.precision=bf16 or fp32" if scale else "a lower optimizer.lr"
        return Diverged(
            f"{run.trainer.skipped} steps in a row were skipped{scale}, up to step "
            f"{run.trainer.steps}, and trainer.max_nonfinite is {run.options.max_nonfinite}; try "
            f"{remedy}, or look at {pasteable('fivestep', 'diagnose', nearest(run.folder.path))}"
        )


def culprit(report: Mapping[str, float]) -> tuple[str, str, float]:
    """What was not finite in a report, a loss or else a gradient; its name and value."""
    for name, value in report.items():
        if name.startswith("loss") and not math.isfinite(value):
            return "loss", name, value
    flags = [name for name, value in report.items() if name.startswith("nonfinite") and value]
    return "gradient", flags[0].replace("nonfinite", "gradient"), math.nan


def said(line: Mapping[str, Any]) -> str:
    """The clause about what was not finite: "loss is nan"."""
    if line["what"] == "loss":
        return f"{line['name']} is {line['value']}"
    whose = "value of " if line["what"] == "state" else ""
    return f"{whose}{line['name']} is not finite"

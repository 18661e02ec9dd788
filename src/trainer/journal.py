"""What a run tells while it trains: to its files, to TensorBoard, to the console."""

import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainer import device as devices
from trainer.bad_samples import BadSamples
from trainer.batches import batches
from trainer.divergence import Divergence
from trainer.evaluation import style
from trainer.facts import about
from trainer.pasting import nearest, pasteable
from trainer.progress import Progress
from trainer.protocols import Measured
from trainer.recording import MetricsFile, Several, look
from trainer.recording.flat import flat
from trainer.recording.memory import memory_used
from trainer.recording.picture import png
from trainer.recording.summary import summarise
from trainer.run import Run
from trainer.storage import atomic
from trainer.storage.environment import masked


class Mark(NamedTuple):
    """A moment of the run."""

    time: float  # seconds, monotonic
    waited: float  # seconds that the loop has waited for data so far
    steps: int


class Journal:
    """Collects the losses on the device and writes them down at a cadence.

    Reading them back is the only wait for the device in the loop. A recorded loss is the mean over
    the steps since the last one. Figures that differ between two runs of one seed (seconds,
    samples a second) have names that begin with `timing/`.
    """

    def __init__(self, run: Run, progress: Progress) -> None:
        self.run = run
        steps = run.trainer.steps
        # Without a checkpoint all is told again, what stands at step 0 too. And an evaluation that
        # is due may have been told already, by a process that was killed before it could save.
        first = 0 if steps == 0 else steps if progress.due else steps + 1
        purge_step = first if run.resumed else None
        self.recorder = Several(
            [
                MetricsFile(run.folder.metrics, purge_step),
                run.recorder(folder=run.folder.tensorboard, purge_step=purge_step),
            ]
        )
        self.lines: list[dict[str, float]] = []  # what was last recorded
        for line in progress.lines:
            if progress.due and line["step"] == steps:
                self.scalars({name: value for name, value in line.items() if name != "step"})
        self.pending: list[tuple[int, tuple[int, int], dict[str, Tensor]]] = []
        self.read = list(progress.pending)
        self.divergence = Divergence(run, progress.skipped)
        self.bad_samples = BadSamples(run)
        self.epoch_losses: list[dict[str, float]] = []
        self.last_loss = math.nan
        self.told = 0.0  # when the status was last written
        self.samples = run.loaders.train.batch_size * run.options.accumulate
        # Where rates are counted from: one place for what is written, one for what is shown.
        self.recorded = self.shown = self.now()

    def now(self) -> Mark:
        """This moment, as rates are counted from it."""
        return Mark(time.monotonic(), self.run.loaders.train.waited, self.run.trainer.steps)

    def scalars(self, values: Mapping[str, float]) -> None:
        """Record numbers of the step that was just made; those of a due evaluation apart."""
        step = self.run.trainer.steps
        same = [line for line in self.lines if line["step"] == step]
        self.lines = [*same, {"step": step, **values}]
        self.recorder.scalars(step, values)

    def take(self, report: dict[str, Tensor]) -> None:
        """Keep a step's report; its values stay on the device."""
        trainer = self.run.trainer
        self.pending.append((trainer.steps, trainer.place, report))

    def settle(self) -> None:
        """Read what is pending, in one transfer.

        Raises Diverged at the first step that was not finite, unless such steps are skipped: then
        nothing of them is recorded but that there was one.
        """
        if not self.pending:
            return
        pending, self.pending = self.pending, []
        flat = [value for _, _, report in pending for value in report.values()]
        # One kind of number in one tensor: one transfer. Losses are float32 also under autocast.
        same = [v if v.dtype == torch.float32 else v.float() for v in flat]
        numbers = iter(torch.stack(same).tolist())
        for step, place, report in pending:
            values = {name: next(numbers) for name in report}
            self.last_loss = next(iter(values.values()))
            if not is_finite(values):
                self.divergence.met(step, place, values)
                continue
            if len(values) > 1:
                values = {n: v for n, v in values.items() if not n.startswith("nonfinite")}
            self.read.append(values)
            self.epoch_losses.append(values)

    def record(self) -> None:
        """Write down the mean loss since the last record, the rate, and how fast it goes."""
        self.settle()
        if not self.read:
            return
        values: dict[str, float] = {}
        for name in dict.fromkeys(name for report in self.read for name in report):
            seen = [report[name] for report in self.read if name in report]
            # The norm is that of the last step that measured it; a loss is the mean over all.
            mean = seen[-1] if name.startswith("grad_norm") else math.fsum(seen) / len(seen)
            values[f"train/{name}"] = mean
        for name, optimizer in self.run.trainer.optimizers.items():
            several = f"/{name}" if len(self.run.trainer.optimizers) > 1 else ""
            values[f"train/lr{several}"] = float(optimizer.param_groups[0]["lr"])
        values |= {f"timing/{name}": value for name, value in self.speed(self.recorded).items()}
        if self.divergence.skipped:
            values["train/skipped"] = self.divergence.skipped
        values["epoch"] = self.run.trainer.epoch
        self.scalars(values)
        self.read.clear()
        self.bad_samples.tell()
        self.recorded = self.now()

    def speed(self, since: Mark) -> dict[str, float]:
        """Samples a second, and the share of time spent waiting for data, since a moment."""
        now = self.now()
        seconds = max(1e-9, now.time - since.time)
        return {
            "samples_per_second": (now.steps - since.steps) * self.samples / seconds,
            "waiting": min(1.0, (now.waited - since.waited) / seconds),
        }

    def show(self) -> None:
        """Redraw the progress display, if its time has come."""
        if not self.run.console.due():
            return
        self.settle()
        trainer = self.run.trainer
        speed, self.shown = self.speed(self.shown), self.now()
        optimizer = next(iter(trainer.optimizers.values()))
        self.run.console.progress(
            step=trainer.steps,
            epoch=trainer.epoch,
            loss=self.last_loss,
            lr=float(optimizer.param_groups[0]["lr"]),
            samples_per_second=speed["samples_per_second"],
            waiting=speed["waiting"],
            memory=memory_used(self.run.device),
        )

    def introduce(self) -> None:
        """Say what is about to be trained, on what, and with which model."""
        run, info = self.run, self.run.splits.info
        half = "" if run.trainer.precision.name == "fp32" else f", {run.trainer.precision.name}"
        sizes = [
            f"{loader.num_samples:,} {split}"
            for split, loader in zip(run.loaders._fields, run.loaders, strict=True)
            if loader is not None
        ]
        say = run.console.say
        say(f"folder  {nearest(run.folder.path)}")
        say(f"device  {devices.describe(run.device)}{half}, torch {torch.__version__}")
        say(f"data    {' + '.join(sizes)} samples of {about(info)}")
        say(f"loader  {run.loaders.train.kind}, {self.samples} samples a step")
        if hasattr(run.task, "example"):
            model, inputs, named = run.task.example(one_sample(next(batches(run.loaders.train))))
            summary = summarise(model, inputs, named)
            say(f"model   {summary.model}: {summary.totals} (model.txt)")
            atomic.write_text(run.folder.path / "model.txt", summary.text() + "\n")
            if run.trainer.steps == 0:
                self.recorder.text(0, "model", "```\n" + summary.text() + "\n```")
        if run.trainer.steps == 0:
            self.first_batch()
        say("")

    def begin(self) -> None:
        """Open the progress display."""
        run = self.run
        selected = f"validation/{run.evaluation.select}" if run.loaders.validation else None
        run.console.start(
            total_steps=run.plan.steps or None,
            total_epochs=run.plan.epochs or None,
            steps_per_epoch=run.plan.steps_per_epoch,
            metric_name=selected,
            step=run.trainer.steps,
        )

    def split(self) -> None:
        """Say and write down that steps are taken in smaller pieces from now on."""
        pieces = self.run.trainer.splitting.pieces
        self.run.console.warn(
            f"memory ran out in step {self.run.trainer.steps}: each batch is taken in {pieces} "
            "pieces from now on, with the same gradient as before"
        )
        self.scalars({"train/pieces": pieces})

    def evaluated(self, values: Mapping[str, float], best: bool) -> None:
        """Write down an epoch's end: the training loss, and what was measured on validation."""
        self.settle()
        trainer = self.run.trainer
        self.bad_samples.tell()
        measured = {f"validation/{name}": value for name, value in values.items()}
        if measured:
            self.recorder.scalars(trainer.steps, measured)
        losses = [values["loss"] for values in self.epoch_losses if "loss" in values]
        if losses:
            measured = {"train/loss": math.fsum(losses) / len(losses)} | measured
        self.epoch_losses.clear()
        complete = trainer.epoch - 1 if trainer.batch == 0 else trainer.epoch
        self.run.console.evaluated(complete, trainer.steps, measured, best)

    def drawn(self, split: str, measured: Measured) -> None:
        """Show the figure of a split, such as its confusion matrix, as it is at the end.

        It stands one step behind the last: a run that goes on from there tells it again, and
        TensorBoard drops what was told before.
        """
        figure = measured.figure(split)
        if figure is not None:
            name = f"{split}/{getattr(measured, 'figure_name', 'figure')}"
            self.recorder.image(self.run.trainer.steps + 1, name, style.as_pixels(figure))

    def first_batch(self) -> None:
        """Show the first training batch as the model gets it: as a picture, or as text."""
        run = self.run
        batch, indices = next(batches(run.loaders.train)), run.loaders.train.indices(0, 0)
        grid, text = look.picture(run.splits, batch, indices), look.text(run.splits, indices)
        if grid is not None:
            self.recorder.image(0, "train/samples", grid)
            atomic.write_bytes(run.folder.path / "samples.png", png(grid))
        elif not text:
            text = look.numbers(run.splits, batch, indices)
        if text:
            self.recorder.text(0, "train/samples", f"```\n{text}\n```")
            atomic.write_text(run.folder.path / "samples.txt", text + "\n")

    def finish(self, metrics: Mapping[str, float]) -> None:
        """Write the final metrics beside what was chosen."""
        self.bad_samples.tell()
        self.recorder.finish(choices(masked(self.run.config)), metrics)

    def conclude(self, reports: Mapping[str, Mapping[str, Any]]) -> None:
        """Say what came out, beside the baselines, and what to do next."""
        say, folder = self.run.console.say, self.run.folder.path
        say("")
        for split, report in reports.items():
            shown = [name for name in report["shown"] if report[name] is not None]
            figures_shown = "  ".join(f"{name} {report[name]:.4g}" for name in shown)
            say(f"{split:<11} {figures_shown}  ({report['num_samples']:,} samples)")
            baseline = report.get("baseline") or {}
            names = [n for n, v in baseline.items() if not n.startswith("num_") and v is not None]
            if names:
                of = "R2" if "r2" in report else "accuracy"
                beside = ", ".join(f"{n.replace('_', ' ')} {baseline[n]:.4f}" for n in names)
                say(f"{'':<11} baselines ({of}): {beside}")
            if naive := (getattr(self.run.splits.info, "naive", None) or {}).get(split):
                told = ", ".join(
                    f"{n.replace('_', ' ')} {v:.4g}" for n, v in naive.items() if v is not None
                )
                say(f"{'':<11} naive forecasts (rmse): {told}")
        if self.divergence.skipped:
            say(f"steps skipped since they were not finite: {self.divergence.skipped}")
        if left_out := len(self.bad_samples.rows):
            say(f"samples left out: {left_out} (bad_samples.csv)")
        if self.run.reader is not None:
            say(f"use {pasteable('fivestep', 'predict', nearest(folder), 'FILES')}")
        command = pasteable("tensorboard", "--logdir", nearest(folder))
        say(f"run {nearest(folder)}  next: {command}")

    def close(self) -> None:
        """Close the recorders."""
        self.bad_samples.tell()
        self.recorder.close()


def choices(config: Mapping[str, Any]) -> dict[str, Any]:
    """What distinguishes runs, for a table: a node's target by its short name, nothing unset."""
    found = {}
    for name, value in flat(config).items():
        if value is None or name.endswith("._partial_") or name.startswith("run."):
            continue
        if name.endswith("._target_"):
            found[name.removesuffix("._target_")] = str(value).rpartition(".")[2]
        else:
            found[name] = value
    first = ("seed", "model", "optimizer", "scheduler", "loss", "loader", "trainer")
    rank = {group: place for place, group in enumerate(first)}
    return dict(sorted(found.items(), key=lambda i: rank.get(i[0].partition(".")[0], len(rank))))


def is_finite(values: Mapping[str, float]) -> bool:
    """Whether a step's report tells of nothing but finite losses and gradients.

    The norm of gradients that are finite may overflow: it isn't asked.
    """
    for name, value in values.items():
        if name.startswith("loss"):
            if not math.isfinite(value):
                return False
        elif value and name.startswith("nonfinite"):
            return False
    return True


def one_sample(batch: Any) -> Any:
    """The first sample of a batch, as a batch."""
    if isinstance(batch, dict):
        return {name: value[:1] for name, value in batch.items()}
    return tuple(value[:1] for value in batch)

"""The batch size: which ones fit into memory, and from which on nothing is gained in speed."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from trainer.errors import Failed
from trainer.explanation import LONE
from trainer.finding import memory
from trainer.finding.memory import Peak
from trainer.finding.preserving import preserved
from trainer.finding.rates import set_rate
from trainer.finding.timing import pace
from trainer.loop import Trainer
from trainer.protocols import Loader
from trainer.recording.layout import rate, size
from trainer.run import Run

SLOWER = 0.05  # this much less than the best throughput is as good as the best
LEAST_STEPS = 16  # of an epoch: with fewer, schedules and averages have nothing to work on
MARGIN = 0.9  # of the largest size that fits where a larger one didn't
USABLE = 0.8  # of the free main memory

State = Literal["measured", "no memory", "refused"]


@dataclass(frozen=True)
class Trial:
    """One size: how it went, and where it was measured samples a second, seconds of a step, bytes.

    `memory` is the peak: what tensors hold on CUDA, the process on CPU.
    """

    size: int
    state: State
    samples_per_second: float | None = None
    seconds: float | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Search:
    """What was tried, by size, what was chosen of it by which rule, and what set the upper end."""

    trials: Sequence[Trial]
    chosen: int
    method: str
    bound: str


def find(
    run: Run,
    loader: Callable[..., Loader],
    *,
    largest: int | None = None,
    fastest: bool = True,
    seconds: float = 0.3,
) -> Search:
    """Train a few steps with batches of 1, 2, 4 ... samples, and choose a size.

    `loader(dataset, batch_size=, shuffle=, seed=, device=)` makes the batches, as in `setup`. The
    upper end is memory, `largest`, or else 16 steps an epoch; where memory ends, the sizes between
    are halved. `fastest` chooses the smallest size within 5 % of the best throughput, otherwise it
    is the largest that fits. Each size is timed for about `seconds`. The run is afterwards as it
    was, bit for bit. Resident data lies on the device twice meanwhile: on a GPU the answer errs
    on the small side by that much. Raises Failed when no size fits.
    """
    samples = len(run.splits.train)
    limit, bound = upper_end(samples, run.options.accumulate, largest, fastest)
    with preserved(run) as trainer:
        for optimizer in trainer.optimizers.values():
            for group in optimizer.param_groups:
                if "lr" in group:  # the steps cost the same, and nothing can diverge
                    set_rate(group, 0.0)
        attempt = Attempt(run, trainer, loader, seconds)
        size, fits, too_large = 1, 0, 0
        while size <= limit and not too_large:
            if attempt(size):
                fits = size
                # The end itself counts where somebody asked for it.
                exact = size < limit < 2 * size and (largest is not None or not fastest)
                size = limit if exact else 2 * size
            else:
                too_large = size
        while fits and too_large - fits > max(1, fits // 16):
            middle = between(fits, too_large)
            if attempt(middle):
                fits = middle
            else:
                too_large = middle
    if too_large:
        bound = f"memory: {too_large} samples don't fit"
    trials = sorted(attempt.trials, key=lambda trial: trial.size)
    if not any(trial.state == "measured" for trial in trials):
        raise Failed(f"no batch size can be trained on {run.device}: {reasons(trials)}")
    chosen = choose(trials, fastest, with_margin(fits) if too_large else fits)
    return Search(trials, chosen, method_of(fastest), bound)


def upper_end(samples: int, accumulate: int, largest: int | None, fastest: bool) -> tuple[int, str]:
    """The largest size to be tried, and the words for why."""
    if largest is not None and largest <= samples:
        return largest, f"--largest {largest}"
    if largest is not None or not fastest:
        return samples, f"the training split has {samples:,} samples"
    limit = min(samples, max(8, samples // (LEAST_STEPS * accumulate)))
    return limit, f"{LEAST_STEPS} steps an epoch ({samples:,} samples); --largest N goes further"


class Attempt:
    """Tries sizes one after the other and keeps what came out."""

    def __init__(
        self, run: Run, trainer: Trainer, loader: Callable[..., Loader], seconds: float
    ) -> None:
        self.run, self.trainer, self.loader, self.seconds = run, trainer, loader, seconds
        self.trials: list[Trial] = []
        self.peak = Peak(run.device)
        self.peak.begin()
        self.before, self.free = self.peak.bytes(), memory.free_memory()
        run.console.say(f"{'size':>8}  {'samples/s':>9}  {'step':>8}  {'memory':>8}")

    def __call__(self, samples: int) -> bool:
        """Whether a size fits; one that the model refuses does."""
        too_much = self.expects_too_much(samples)
        trial = Trial(samples, "no memory") if too_much else self.tried(samples)
        self.trials.append(trial)
        self.run.console.say(row(trial))
        return trial.state != "no memory"

    def expects_too_much(self, size: int) -> bool:
        """On CPU: whether it would take more memory than is safe; the system would end us."""
        known = [(t.size, t.memory) for t in self.trials if t.memory is not None]
        if self.run.device.type != "cpu" or len(known) < 2:
            return False
        (small, before), (large, after) = sorted(known)[-2:]
        # By the slope: what a first step makes once and for all doesn't grow with the size.
        growth = after - self.before + (after - before) / (large - small) * (size - large)
        return growth > USABLE * self.free

    def tried(self, size: int) -> Trial:
        """Train a few steps with batches of a size."""
        run, made = self.run, None
        self.peak.begin()
        try:
            made = self.loader(
                run.splits.train, batch_size=size, shuffle=True, seed=run.seed, device=run.device
            )
            found = pace(self.trainer, made, run.device, self.seconds)
            return Trial(
                size, "measured", found.samples_per_second, found.seconds, self.peak.bytes()
            )
        except Exception as error:
            if size == 1 and LONE in str(error):
                return Trial(size, "refused")
            if not out_of_memory(error):
                raise
        finally:
            if made is not None:
                made.close()
            made = None  # resident data would stay on the device
            for optimizer in self.trainer.optimizers.values():
                optimizer.zero_grad(set_to_none=True)
        self.make_room()
        return Trial(size, "no memory")

    def make_room(self) -> None:
        """Let go of what a trial that failed has left on the device."""
        gc.collect()  # what the exception's frames held
        if self.run.device.type == "cuda":
            torch.cuda.empty_cache()
        elif self.run.device.type == "mps":
            torch.mps.empty_cache()


def row(trial: Trial) -> str:
    """A trial as a line below the titles."""
    if trial.samples_per_second is None or trial.seconds is None or trial.memory is None:
        why = {"no memory": "too much for the memory", "refused": "refused by the model"}
        return f"{trial.size:>8}  {why[trial.state]}"
    short = trial.seconds < 1
    step = f"{1000 * trial.seconds:.3g} ms" if short else f"{trial.seconds:.3g} s"
    return (
        f"{trial.size:>8}  {rate(trial.samples_per_second):>9}  {step:>8}  {size(trial.memory):>8}"
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, in the words of any device."""
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    text = str(error)
    return known or "out of memory" in text or "can't allocate memory" in text


def between(fits: int, too_large: int) -> int:
    """A size half way, a multiple of 8 where there is one."""
    middle = (fits + too_large) // 2
    rounded = middle - middle % 8
    return rounded if rounded > fits else middle


def with_margin(fits: int) -> int:
    """Less than what just fits: memory is cut up differently in a long run."""
    kept = max(1, int(fits * MARGIN))
    return kept - kept % 8 if kept >= 8 else kept


def choose(trials: Sequence[Trial], fastest: bool, largest: int) -> int:
    """The size to use, not above `largest`: the smallest as good as the fastest, or the largest."""
    measured = {t.size: t.samples_per_second or 0.0 for t in trials if t.state == "measured"}
    within = {size: speed for size, speed in measured.items() if size <= largest} or measured
    if not fastest:
        return max(largest, min(within))
    best = max(within.values())
    return min(size for size, speed in within.items() if speed >= (1 - SLOWER) * best)


def method_of(fastest: bool) -> str:
    """The words for the rule."""
    return "the smallest within 5 % of the best throughput" if fastest else "the largest that fits"


def reasons(trials: Sequence[Trial]) -> str:
    """Why nothing could be measured."""
    if any(trial.state == "no memory" for trial in trials):
        return (
            "memory runs out even with the smallest; try a smaller model or trainer.precision=bf16"
        )
    return "the model needs more than one sample in a batch, and the data have no more"

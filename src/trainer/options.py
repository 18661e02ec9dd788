"""The options that are no arguments of a thing of their own, with their types and ranges."""

import math
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal


@dataclass(frozen=True)
class Range:
    """Limits of a number, or of every number in a list; each is left out by None."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None

    def __str__(self) -> str:
        parts = []
        if self.ge is not None:
            parts.append(f"{self.ge:g} or more")
        if self.gt is not None:
            parts.append(f"more than {self.gt:g}")
        if self.le is not None:
            parts.append(f"at most {self.le:g}" if self.le < 1e6 else f"at most {self.le}")
        if self.lt is not None:
            parts.append(f"less than {self.lt:g}")
        return " and ".join(parts) or "a finite number"

    def holds(self, number: float) -> bool:
        """Whether the number is finite and within the limits."""
        return math.isfinite(number) and not (
            (self.ge is not None and number < self.ge)
            or (self.gt is not None and number <= self.gt)
            or (self.le is not None and number > self.le)
            or (self.lt is not None and number >= self.lt)
        )


@dataclass(frozen=True)
class Form:
    """The form of a text, as a regular expression for all of it, with the words that explain it."""

    pattern: str
    words: str


Count = Annotated[int, Range(ge=1)]
Positive = Annotated[float, Range(gt=0)]
NotNegative = Annotated[float, Range(ge=0)]
Share = Annotated[float, Range(ge=0, lt=1)]
Seed = Annotated[int, Range(ge=0, le=2**63 - 1)]


@dataclass(frozen=True)
class TrainerOptions:
    """The keys of conf/trainer: device, precision, length and the rest of the loop."""

    device: Annotated[str, Form(r"auto|cpu|mps|cuda(:\d+)?", "auto, cpu, mps, cuda or cuda:1")] = (
        "auto"
    )
    precision: Literal["fp32", "bf16", "fp16", "auto"] = "fp32"
    epochs: Count | None = 40
    steps: Count | None = None
    max_minutes: Positive | None = None
    accumulate: Count = 1
    clip_norm: Positive | None = None
    clip_value: Positive | None = None
    ema: Annotated[float, Range(gt=0, lt=1)] | None = 0.99
    compile: bool | Literal["auto"] = False
    channels_last: bool = False
    fused: bool | Literal["auto"] = False
    deterministic: bool = False
    threads: Count | Literal["auto"] = "auto"
    on_nonfinite: Literal["stop", "skip"] = "stop"
    max_nonfinite: Count = 20
    on_oom: Literal["split", "stop"] = "split"
    record_every: Count = 10
    profile: Annotated[int, Range(ge=0)] = 0


@dataclass(frozen=True)
class RunOptions:
    """The keys of `run`: where the run folder is and what becomes of it."""

    name: (
        Annotated[str, Form(r"[^/\\.][^/\\]*", "a folder name without / or a leading dot")] | None
    ) = None
    dir: Annotated[str, Form(r"(?s:.+)", "the path of a folder")] | None = None


@dataclass(frozen=True)
class GroupOptions:
    """One entry of `parameters.groups`; options of the optimizer may stand beside these keys."""

    match: str | list[str]
    lr: Positive | None = None
    lr_scale: Positive | None = None
    weight_decay: NotNegative | None = None


@dataclass(frozen=True)
class ParameterOptions:
    """The keys of `parameters`: what is trained, and with which options."""

    freeze: list[str] = field(default_factory=list)
    decay_vectors: bool = False
    groups: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class SweepOptions:
    """The keys of conf/sweep: which trials a sweep has, and how they are run."""

    method: Literal["grid", "random", "bayes"] = "grid"
    jobs: Count = 1
    resume: str | None = None
    trials: Count | None = None
    prune: Literal["none", "median", "halving"] = "none"
    seed: Seed = 0
    space: dict[str, Any] = field(default_factory=dict)

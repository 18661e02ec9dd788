"""What the parts expect of each other: any object with these members serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    import torch
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from torch import Tensor

    # A tuple (input, target), or a dict of named tensors for a user's own dataset.
    Batch: TypeAlias = "tuple[Tensor, Tensor] | dict[str, Tensor]"


@runtime_checkable
class Recorder(Protocol):
    """Takes what a run has to tell, while it runs.

    The stage builds it with two keywords, `recorder(folder=..., purge_step=...)`: the folder where
    it may write, and None, or for a continued run the first step that will be recorded anew (what
    an earlier process recorded from there on is void). Names are `part/name`: `train/loss`,
    `validation/accuracy`; names that begin with `timing/` differ between two runs of the same
    seed, all others do not.
    """

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Record numbers as they are at an optimizer step (counted from 0)."""
        ...

    def image(self, step: int, name: str, pixels: np.ndarray) -> None:
        """Record a picture, uint8 [H, W, 3]."""
        ...

    def text(self, step: int, name: str, text: str) -> None:
        """Record a text; Markdown where the recorder shows it."""
        ...

    def finish(self, config: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Record the final metrics together with the flat config that led to them."""
        ...

    def close(self) -> None:
        """Write what is pending and let go of files; a second call does nothing."""
        ...


class BadSample(Protocol):
    """A sample that a loader left out, because it can't be read."""

    @property
    def sample(self) -> int:
        """Its index in the dataset."""
        ...

    @property
    def name(self) -> str:
        """What the dataset calls it, such as its path."""
        ...

    @property
    def reason(self) -> str:
        """Why it can't be read, in one line."""
        ...


@runtime_checkable
class Loader(Protocol):
    """Gives the batches of an epoch, already on the device.

    The order is a pure function of (seed, epoch, position), so any epoch can be entered anywhere.
    A loader may leave out samples that can't be read: their batch is smaller then, or None where
    nothing is left of it.
    """

    @property
    def batch_size(self) -> int:
        """Samples of a full batch; the last of an epoch may be smaller."""
        ...

    @property
    def num_samples(self) -> int:
        """Samples of an epoch."""
        ...

    @property
    def waited(self) -> float:
        """Seconds that the consumer has waited for batches so far; never decreases."""
        ...

    @property
    def kind(self) -> str:
        """One phrase for the console: "resident on cpu", "2 workers"."""
        ...

    @property
    def bad(self) -> Sequence[BadSample]:
        """The samples that were left out so far, each once, in the order they were met."""
        ...

    def __len__(self) -> int:
        """Batches of an epoch."""
        ...

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch | None]:
        """The batches of that epoch (from 0), beginning with batch number `start`."""
        ...

    def indices(self, epoch: int, batch: int) -> list[int]:
        """Which samples that batch holds, as indices into the dataset.

        Those that were left out when the batch was given out are not among them.
        """
        ...

    def close(self) -> None:
        """End workers and free buffers; a second call does nothing."""
        ...


class Loaders(NamedTuple):
    """A loader for each split; validation and test may be missing."""

    train: Loader
    validation: Loader | None
    test: Loader | None


@runtime_checkable
class Splits(Protocol):
    """What a data callable returns: the datasets of one split, and what is known about them."""

    @property
    def train(self) -> Any:
        """The training dataset."""
        ...

    @property
    def validation(self) -> Any:
        """The dataset that chooses between models; may be None."""
        ...

    @property
    def test(self) -> Any:
        """The dataset that is looked at once, at the end; may be None."""
        ...

    @property
    def info(self) -> Any:
        """A frozen dataclass that describes the data: its fields are what `${info.*}` can name.

        `info.reader`, where there is one, is a node that makes the `Reader` of single inputs.
        """
        ...


@runtime_checkable
class Reader(Protocol):
    """Turns what a user hands in into model input: the one path of validation and of predict.

    The data names it in `info.reader`, a node with `_target_` and arguments, so that it can be made
    again from a run folder or an export. A reader may have `size(source)` too: columns and rows of
    a picture as it is stored, upright, or None where they can't be read; see `Answer`.
    """

    def expand(self, source: str) -> Iterator[Any]:
        """Single inputs of one word of a command line, one after the other, never all at once.

        A path, or a triple (name, source, columns): what it is called, what `read` takes, and the
        columns that the output repeats, such as those of a row of a CSV file. A reader may have
        `expand_bytes(content)` too, which gives such triples for what standard input brings.
        """
        ...

    def read(self, source: Any) -> NDArray[Any]:
        """One input as it is stored, such as uint8 [H, W, C]; may be called from several threads.

        Raises an error with exit code 7 that names what can't be read.
        """
        ...

    def batch(self, samples: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Model input, such as float32 [B, C, H, W]: bit for bit what the dataset gives."""
        ...

    def script(self) -> str | None:
        """The source of a predict.py that needs neither torch nor fivestep; None for no such."""
        ...


@runtime_checkable
class Answer(Protocol):
    """Turns a model's outputs into what a user reads: labels, numbers, boxes; the way out.

    The data names it in `info.answer`, a node as `info.reader` is. One that has
    `respond(outputs, batch, top)` asks the model itself, as often as it takes: `outputs` turns
    model input into outputs. One that has `placed(answer, columns, rows)` speaks of places: where
    the reader has `size`, it gets each of its answers back, {} excepted, and returns it in pixels
    of the picture of that size.
    """

    @property
    def columns(self) -> Sequence[str]:
        """The names of what is said of each input."""
        ...

    @property
    def shape(self) -> Sequence[int | None] | None:
        """The shape of one output, None for a size that varies; None where any will do."""
        ...

    def of(self, outputs: NDArray[Any], top: int) -> Iterator[dict[str, Any]]:
        """For each of the outputs [B, ...] a value for each column; {} where it isn't finite.

        Values are text, numbers, truth values, None, lists and dicts of these, or a picture, uint8
        [H, W] or [H, W, 3]. `top` is how many of several possible answers are wanted.
        """
        ...


class Measured(Protocol):
    """One evaluation of a split: it is fed with batches and asked at the end."""

    @property
    def shown(self) -> Sequence[str]:
        """The metrics that the console shows."""
        ...

    @property
    def num_samples(self) -> int:
        """How many samples have been counted."""
        ...

    def update(
        self, outputs: Any, target: Any, loss_sum: Tensor | float, weight: Tensor | float
    ) -> None:
        """Count one batch; `loss_sum` / `weight` is its mean loss. Doesn't wait for the device."""
        ...

    def values(self) -> dict[str, float]:
        """Every metric by name, `loss` first; NaN where one isn't defined."""
        ...

    def report(
        self,
        place: Path,
        split: str,
        *,
        indices: Sequence[int] | None = None,
        names: Sequence[str] | None = None,
        picture: Callable[[int], NDArray[np.uint8]] | None = None,
    ) -> dict[str, Any]:
        """Write tables and figures into a folder; return what is told beside the values.

        `indices[k]` is the index in the dataset of the k-th sample; `names[i]` and `picture(i)`
        are of the i-th of the dataset. Single samples are drawn only with `picture`.
        """
        ...

    def figure(self, split: str) -> Figure | None:
        """The one figure that says most, for the recorder; called `figure_name`."""
        ...


class Evaluation(Protocol):
    """How the models of a problem are judged, and which value chooses between them."""

    problem: str
    """The `info.problem` that it judges."""
    select: str
    """The metric that names the best checkpoint."""
    every: int
    """Epochs between two evaluations."""
    patience: int | None
    """How many evaluations in a row may fail to improve; None for any number."""

    def names(self, info: Any) -> tuple[str, ...]:
        """Every name that `select` may have."""
        ...

    def start(self, info: Any, device: torch.device | str, *, keep: bool = False) -> Measured:
        """Begin an evaluation; with `keep` of every single sample too."""
        ...

    def better(self, new: float, old: float | None) -> bool:
        """Whether a value of `select` is better than the best before (None: there was none)."""
        ...

    def improved(self, new: float, old: float | None) -> bool:
        """Whether it is better by as much as `patience` asks."""
        ...

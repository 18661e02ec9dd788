"""What the parts expect of each other: any object with these members serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
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
    again from a run folder or an export.
    """

    def expand(self, source: str) -> Iterator[str]:
        """Single inputs from a file, a folder or a glob, one after the other, never all at once."""
        ...

    def read(self, source: str | bytes) -> NDArray[Any]:
        """One input as it is stored, such as uint8 [H, W, C]; may be called from several threads.

        Raises an error with exit code 7 that names what can't be read.
        """
        ...

    def batch(self, samples: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Model input, such as float32 [B, C, H, W]: bit for bit what the dataset gives."""
        ...

    def script(self) -> str:
        """The source of a predict.py that needs neither torch nor fivestep."""
        ...

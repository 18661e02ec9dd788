"""Many inputs through a model: read in threads, computed in batches, answered in order."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.cpus import available_cpus
from trainer.errors import Failed
from trainer.inference.sources import Item
from trainer.protocols import Reader

CHUNK = 8  # inputs that a thread reads at a time
MOST_THREADS = 8
LARGEST_BATCH = 64
# On a CPU a batch is computed fastest while what a layer makes of it stays in the cache: a CNN
# takes 2.0 ms for a picture of 64x64 in batches of 4, and 4.1 ms in batches of 64.
CPU_BYTES = 1 << 18
Outputs = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class Row:
    """What is said of one input: the likeliest classes, or why there are none."""

    input: str
    top: tuple[tuple[str, float], ...] = ()  # (label, probability), the likeliest first
    error: str | None = None

    @property
    def label(self) -> str | None:
        """The likeliest class."""
        return self.top[0][0] if self.top else None

    @property
    def probability(self) -> float | None:
        """Its probability."""
        return self.top[0][1] if self.top else None


@dataclass(frozen=True)
class Predictor:
    """A model with all it takes to use it: how inputs are read, what its outputs mean.

    `outputs` turns model input, as `reader.batch` gives it, into logits [B, len(classes)].
    """

    reader: Reader
    classes: Sequence[str]
    outputs: Outputs
    on_cpu: bool = True
    others: Sequence[Outputs] = ()  # the same in copies of their own, for batches at the same time


def rows(
    items: Iterator[Item],
    predictor: Predictor,
    *,
    batch_size: int | None = None,
    top: int = 3,
    threads: int | None = None,
) -> Iterator[Row]:
    """The row of every item, in their order; memory doesn't grow with their number.

    Reading and computing go on at the same time. Without a `batch_size` it is what fits the device.
    An input that can't be read becomes a row with its error. Raises Failed where the model itself
    can't take a batch.
    """
    threads = threads or min(MOST_THREADS, available_cpus())
    # Chunks that are read or waiting to be.
    ahead = 2 * threads + -(-(batch_size or LARGEST_BATCH) // CHUNK)
    free: SimpleQueue[Outputs] = SimpleQueue()
    for outputs in (predictor.outputs, *predictor.others):
        free.put(outputs)
    workers = 1 + len(predictor.others)
    readers = ThreadPoolExecutor(threads, thread_name_prefix="read")
    computers = ThreadPoolExecutor(workers, thread_name_prefix="compute")
    reading: deque[Future[list[Outcome]]] = deque()
    computing: deque[Future[list[Row]]] = deque()
    waiting: list[Outcome] = []

    def compute(outcomes: Sequence[Outcome]) -> list[Row]:
        outputs = free.get()
        try:
            return answered(outcomes, predictor, outputs, top)
        finally:
            free.put(outputs)

    try:
        while True:
            while len(reading) < ahead and (chunk := list(islice(items, CHUNK))):
                reading.append(readers.submit(read, chunk, predictor.reader))
            if reading:
                waiting += reading.popleft().result()
            batch_size = batch_size or fitting(waiting, predictor)
            while enough := full(waiting, batch_size) or (0 if reading else len(waiting)):
                computing.append(computers.submit(compute, waiting[:enough]))
                del waiting[:enough]
            while computing and (len(computing) > 2 * workers or not reading):
                yield from computing.popleft().result()
            if not reading:
                break
    finally:
        # What is half done is not waited for: after Ctrl-C nobody wants it.
        for pool in (readers, computers):
            pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class Outcome:
    """An item that was read, or not."""

    item: Item
    sample: NDArray[Any] | None = None
    error: str | None = None


def read(chunk: Sequence[Item], reader: Reader) -> list[Outcome]:
    """Read some items; whatever a reader raises is the error of that item."""
    found = []
    for item in chunk:
        if item.error is not None:
            found.append(Outcome(item, error=item.error))
            continue
        try:
            found.append(Outcome(item, reader.read(item.source)))
        except Exception as error:
            # A reader of the user's own may raise anything; one input doesn't end the others.
            told = " ".join(str(error).split())
            known = hasattr(error, "exit_code")
            what = told if known else f"{item.name}: {type(error).__name__}: {told}"
            found.append(Outcome(item, error=what))
    return found


def fitting(waiting: Sequence[Outcome], predictor: Predictor) -> int | None:
    """How many inputs to compute at once; None while there is none to go by."""
    first = next((outcome.sample for outcome in waiting if outcome.sample is not None), None)
    if first is None:
        return None
    if not predictor.on_cpu:
        return LARGEST_BATCH
    return min(LARGEST_BATCH, max(4, CPU_BYTES // (4 * max(1, first.size))))


def full(waiting: Sequence[Outcome], batch_size: int | None) -> int:
    """How many outcomes make up a full batch; 0 where there is none yet."""
    batch_size = batch_size or LARGEST_BATCH
    good = 0
    for number, outcome in enumerate(waiting, 1):
        good += outcome.sample is not None
        # Among many that can't be read, a few good ones needn't wait for ever.
        if good == batch_size or number == 4 * batch_size:
            return number
    return 0


def answered(
    outcomes: Sequence[Outcome], predictor: Predictor, outputs: Outputs, top: int
) -> list[Row]:
    """The rows of some outcomes, through the model in one batch."""
    samples = [outcome.sample for outcome in outcomes if outcome.sample is not None]
    found = logits(samples, predictor, outputs) if samples else np.empty((0, 1))
    answers = iter(best(found, predictor.classes, top))
    rows = []
    for outcome in outcomes:
        name, error = outcome.item.name, outcome.error
        answer = () if outcome.sample is None else next(answers)
        if not answer and error is None:
            error = f"{name}: the model's output is not finite"
        rows.append(Row(name, answer, error))
    return rows


def logits(samples: Sequence[NDArray[Any]], predictor: Predictor, outputs: Outputs) -> NDArray[Any]:
    """What the model gives for a batch, [B, C]; raises Failed with what can be done."""
    try:
        found = np.asarray(outputs(predictor.reader.batch(samples)))
    except Exception as error:
        if hasattr(error, "exit_code"):
            raise
        told = " ".join(str(error).split())[:400]
        remedy = "check that the inputs are of the kind that it was trained on"
        if isinstance(error, MemoryError) or "memory" in f"{type(error).__name__}{told}".lower():
            remedy = f"give --batch-size less than {len(samples)}"
        raise Failed(
            f"the model fails on a batch of {len(samples)}: {type(error).__name__}: {told}; "
            f"{remedy}"
        ) from error
    if found.shape != (len(samples), len(predictor.classes)):
        raise Failed(
            f"the model gives {list(found.shape)} for {len(samples)} inputs and "
            f"{len(predictor.classes)} classes; predict needs one row of logits for each input"
        )
    return found


def best(
    outputs: NDArray[Any], classes: Sequence[str], top: int
) -> Iterator[tuple[tuple[str, float], ...]]:
    """The likeliest classes of each row of logits; nothing where the row isn't finite.

    Of equals the first class comes first, as `argmax` has it.
    """
    wide = outputs.astype(np.float64)
    with np.errstate(all="ignore"):  # rows that are not finite are told as such
        powers = np.exp(wide - wide.max(axis=1, keepdims=True))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
    order = np.argsort(-wide, axis=1, kind="stable")[:, :top]
    chosen = np.take_along_axis(probabilities, order, axis=1).tolist()
    finite = np.isfinite(probabilities).all(axis=1).tolist()
    for numbers, values, sound in zip(order.tolist(), chosen, finite, strict=True):
        yield tuple((classes[n], v) for n, v in zip(numbers, values, strict=True)) if sound else ()

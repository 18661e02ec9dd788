"""Many inputs through a model: read in threads, computed in batches, answered in order."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.cpus import available_cpus
from trainer.errors import Failed
from trainer.inference.sources import Item
from trainer.protocols import Answer, Reader

logger = logging.getLogger(__name__)

CHUNK = 8  # inputs that a thread reads at a time
MOST_THREADS = 8
LARGEST_BATCH = 64
# On a CPU a batch is computed fastest while what a layer makes of it stays in the cache: a CNN
# takes 2.0 ms for a picture of 64x64 in batches of 4, and 4.1 ms in batches of 64.
CPU_BYTES = 1 << 18
Outputs = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class Row:
    """What is said of one input, or why nothing is."""

    input: str
    answer: Mapping[str, Any] = field(default_factory=dict)  # a value for each column
    error: str | None = None
    given: Mapping[str, str] = field(default_factory=dict)  # columns that it brought along


@dataclass(frozen=True)
class Predictor:
    """A model with all it takes to use it: how inputs are read, what its outputs mean.

    `outputs` turns model input, as `reader.batch` gives it, into outputs [B, ...].
    """

    reader: Reader
    answer: Answer
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
    answers = iter(said(samples, predictor, outputs, top) if samples else ())
    rows = []
    for outcome in outcomes:
        name, error = outcome.item.name, outcome.error
        answer = {} if outcome.sample is None else next(answers)
        if answer:
            answer = placed(answer, outcome.item, predictor)
        if not answer and error is None:
            error = f"{name}: the model's output is not finite"
        rows.append(Row(name, answer, error, outcome.item.given))
    return rows


def placed(answer: dict[str, Any], item: Item, predictor: Predictor) -> dict[str, Any]:
    """An answer in the input's own places, where answer and reader know of such.

    One whose size can't be read stays in the places of the model's input.
    """
    place, size = getattr(predictor.answer, "placed", None), getattr(predictor.reader, "size", None)
    if place is None or size is None:
        return answer
    found = size(item.source)
    if found is None:
        logger.warning("%s: no size to be read; its answer is that of the model's input", item.name)
        return answer
    moved: dict[str, Any] = place(answer, *found)
    return moved


def said(
    samples: Sequence[NDArray[Any]], predictor: Predictor, outputs: Outputs, top: int
) -> list[dict[str, Any]]:
    """The answers for a batch; raises Failed with what can be done."""
    answer: Any = predictor.answer
    try:
        batch = predictor.reader.batch(samples)
        if hasattr(answer, "respond"):
            return list(answer.respond(outputs, batch, top))
        found = np.asarray(outputs(batch))
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
    if not fits(found, len(samples), answer.shape):
        wanted = [len(samples), *("any" if size is None else size for size in answer.shape)]
        raise Failed(
            f"the model gives {list(found.shape)} for {len(samples)} inputs, and what is said of "
            f"them is made of [{', '.join(map(str, wanted))}]; predict needs one output an input"
        )
    return list(answer.of(found, top))


def fits(outputs: NDArray[Any], count: int, shape: Sequence[int | None] | None) -> bool:
    """Whether there is an output for each input, of the shape that an answer takes."""
    if outputs.ndim < 1 or len(outputs) != count:
        return False
    return shape is None or (
        outputs.ndim == 1 + len(shape)
        and all(
            size is None or size == own for size, own in zip(shape, outputs.shape[1:], strict=True)
        )
    )

"""The loader: the way that fits the data and the device, with the same batches whichever it is."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from numpy.typing import NDArray

from data.bad_samples import Bad, Ledger, option_problems
from data.errors import DataError

if TYPE_CHECKING:
    import torch

    from data.loading.order import Order
    from data.loading.sources import BatchSource

CPU_RESIDENT_BYTES = 2 << 30
DEVICE_SHARE = 0.25


class Loader(Protocol):
    """Batches of a dataset, epoch by epoch, each already on the device.

    With on_error="skip" samples that can't be read are left out of their batch, which is smaller
    then; a batch of which nothing is left is None.
    """

    batch_size: int
    """Samples of a batch; the last of an epoch may hold fewer."""
    num_samples: int
    """Samples of an epoch, over all of its batches."""
    kind: str
    """How it loads, in one phrase."""

    @property
    def waited(self) -> float:
        """Seconds for which the consumer has waited for batches so far."""
        ...

    @property
    def bad(self) -> Sequence[Bad]:
        """The samples that were left out so far, each once, in the order they were met."""
        ...

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        ...

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """Yield the batches from `start` of that epoch; those before are not read."""
        ...

    def indices(self, epoch: int, batch: int) -> list[int]:
        """Return which samples of the dataset a batch holds, less those left out when it came."""
        ...

    def close(self) -> None:
        """End what the loader has started."""
        ...


def loader(
    dataset: Any,
    *,
    batch_size: int = 64,
    num_workers: int | Literal["auto"] = "auto",
    resident: bool | Literal["auto"] = "auto",
    drop_last: bool = False,
    limit_batches: int | None = None,
    timeout: float = 300.0,
    on_error: Literal["stop", "skip"] = "stop",
    max_bad: int = 20,
    balance: Literal["sampler"] | None = None,
    mix: Literal["mixup", "cutmix", "both"] | None = None,
    mix_alpha: float = 1.0,
    shuffle: bool,
    seed: int,
    device: Any,
    weights: NDArray[Any] | None = None,
) -> Loader:
    """Return a loader of batches on the device, the same ones in every mode of loading.

    Order is a pure function of (seed, epoch, position), augmentation of (seed, epoch, sample).

    Args:
        dataset: `data.images.dataset.Images`, anything else with its batch methods
            (`data.loading.sources.BatchSource`), or any map-style torch dataset of tuples or dicts.
        batch_size: samples of a batch; the last of an epoch may be smaller.
        num_workers: worker processes; 0 reads in this one; "auto" takes none for data in memory
            and for data of which an epoch is read in two seconds, measured on a few batches;
            otherwise the CPUs less one, at least 1 and at most 8.
        resident: hold all data on the device; "auto" does where it takes up to a quarter of the
            free device memory (2 GiB on the CPU) and num_workers is "auto".
        drop_last: leave out a last batch that is smaller.
        limit_batches: at most so many batches an epoch.
        timeout: seconds without a batch after which workers count as hung.
        on_error: a sample that can't be read ends the run ("stop"), or is left out ("skip"): the
            others keep their batch, order and random numbers.
        max_bad: with "skip", so many different samples may be bad.
        balance: with "sampler" training samples are drawn with replacement, such that all classes
            of `dataset.labels` come equally often; see `data.loading.sampling`.
        mix: training batches are mixed with themselves, see `data.augmentation.mixing`; "both"
            takes either by chance.
        mix_alpha: how much they are mixed: shares are drawn from Beta(mix_alpha, mix_alpha).
        shuffle: a new order each epoch (the training split); otherwise balance and mix are unused.
        seed: up to 64 bits.
        device: a torch.device, or its name.
        weights: of each sample [N], for drawing with replacement by other weights.

    Raises:
        DataError: a number out of range, an empty dataset, no batch left, or no classes where
            some are needed.
    """
    import torch

    from data.augmentation.mixing import MixedLoader, classes_of, mix_problems
    from data.loading.direct import DirectLoader
    from data.loading.measuring_workers import measured_workers
    from data.loading.resident import ResidentLoader
    from data.loading.sources import as_source
    from data.loading.workers import WorkerLoader

    problems = []
    if num_workers != "auto" and (not isinstance(num_workers, int) or num_workers < 0):
        problems.append(
            f'num_workers ({num_workers}) in loader.num_workers; give 0 or more, or "auto"'
        )
    if not timeout > 0:
        problems.append(f"timeout ({timeout}) in loader.timeout; give seconds above 0")
    problems += option_problems(on_error, max_bad)
    source = as_source(dataset, reseeds=shuffle, skips=on_error == "skip")
    device = torch.device(device)
    if resident is True and source.resident_bytes is None:
        problems.append(
            "resident (true) in loader.resident, but samples of this dataset are read or "
            "transformed one by one; set loader.resident=auto"
        )
    problems += mix_problems(mix, mix_alpha)
    mixes = mix is not None and shuffle and not problems
    try:
        num_classes = classes_of(dataset) if mixes else 0
    except DataError as error:
        problems += error.problems
    try:
        order = _order(
            dataset,
            source,
            balance=balance,
            weights=weights,
            shuffle=shuffle,
            batch_size=batch_size,
            seed=seed,
            drop_last=drop_last,
            limit_batches=limit_batches,
        )
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError(*problems)

    made: Loader
    room = resident_room(device) if resident else 0
    wanted = resident is True or (resident == "auto" and num_workers == "auto")
    ledger = Ledger(on_error, max_bad)
    why = ""
    if wanted and _fits(source, room, forced=resident is True):
        # Finished samples take four bytes where stored ones take one, beside those.
        keep = not source.is_augmented and 5 * (source.resident_bytes or 0) <= room
        made = ResidentLoader(source, order, seed=seed, device=device, keep_finished=keep)
    else:
        workers = 0 if num_workers == "auto" else num_workers
        if num_workers == "auto" and source.is_costly:
            workers, why = measured_workers(source, batch_size=batch_size, seed=seed)
        common: dict[str, Any] = {"seed": seed, "device": device, "ledger": ledger}
        if workers == 0:
            made = DirectLoader(source, order, **common)
        else:
            made = WorkerLoader(source, order, **common, num_workers=workers, timeout=timeout)
        made.kind += f" ({why})" if why else ""
    if mix is None or not shuffle:
        return made
    return MixedLoader(made, mix=mix, alpha=mix_alpha, num_classes=num_classes, seed=seed)


def _order(
    dataset: Any,
    source: "BatchSource",
    *,
    balance: Literal["sampler"] | None,
    weights: NDArray[Any] | None,
    shuffle: bool,
    **options: Any,
) -> "Order":
    """Return the order in which samples come: by weight, nearly as stored, or any.

    Raises:
        DataError: what the orders refuse, or weights that don't fit the dataset.
    """
    from data.loading.order import BufferedOrder, Order
    from data.loading.sampling import BALANCES, WeightedOrder, balanced_weights

    problems = []
    if balance not in BALANCES:
        problems.append(f"balance ({balance!r}) in loader.balance; choose sampler or null")
    if weights is not None and not shuffle:
        problems.append("weights of samples without shuffle; samples are drawn in training only")
    if weights is not None and len(weights) != len(source):
        problems.append(f"{len(weights)} weights for {len(source)} samples; give one for each")
    if weights is not None and balance is not None:
        problems.append("weights of samples and loader.balance; give one of them")
    if problems:
        raise DataError(*problems)
    if shuffle and balance == "sampler":
        weights = balanced_weights(dataset)
    locality = getattr(dataset, "locality", None)
    if weights is not None:
        return WeightedOrder(weights, locality=locality, **options)
    if shuffle and locality is not None:
        return BufferedOrder(len(source), starts=locality[0], buffer=locality[1], **options)
    return Order(len(source), shuffle=shuffle, **options)


def resident_room(device: "torch.device") -> int:
    """Return how many bytes of a device resident data may take."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * DEVICE_SHARE)
    if device.type == "mps":
        free = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        return int(free * DEVICE_SHARE)
    return CPU_RESIDENT_BYTES


def _fits(source: "BatchSource", room: int, forced: bool) -> bool:
    return source.resident_bytes is not None and (forced or source.resident_bytes <= room)

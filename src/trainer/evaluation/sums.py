"""Sums that stay on the device, and the metrics of a user's own that feed them."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from trainer.errors import Failed

Number = Tensor | float
Metric = Callable[[Tensor, Tensor], tuple[Number, Number]]


class Sum:
    """A running sum on the device: float64, or compensated float32 where there is no float64.

    MPS has no float64, and a plain float32 sum of a million ones stops being exact at 2**24;
    there the rounding error of each addition is carried along (Kahan, 1965).
    """

    def __init__(self, device: torch.device, dtype: torch.dtype | None = None) -> None:
        self.dtype = dtype or (torch.float32 if device.type == "mps" else torch.float64)
        self._total = torch.zeros((), dtype=self.dtype, device=device)
        self._error = torch.zeros_like(self._total) if self.dtype == torch.float32 else None

    @torch.no_grad()
    def add(self, value: Number) -> None:
        """Add a number or a device scalar; does not wait for the device."""
        if self._error is None:
            self._total += value
            return
        corrected = value - self._error
        total = self._total + corrected
        # Once infinite, the error would be NaN and hide it; the order of operations matters.
        error = (total - self._total) - corrected
        self._error = torch.where(error.isfinite(), error, torch.zeros_like(error))
        self._total = total

    def bits(self) -> Tensor:
        """The bits of the sum as one int64 [1] on the device."""
        flat = self._total.reshape(1)
        if self.dtype == torch.float32:
            return flat.view(torch.int32).to(torch.int64)
        return flat.view(torch.int64)

    def value(self, bits: Tensor) -> float:
        """The number that `bits` (int64 scalar on the CPU) stands for."""
        if self.dtype == torch.float32:
            return float(bits.to(torch.int32).view(torch.float32))
        return float(bits.view(torch.float64))


class Means:
    """The loss and a user's own metrics of one evaluation, each as a sum and what it is over.

    `metrics` maps a name to a callable(outputs, target) -> (sum, count).
    """

    def __init__(self, device: torch.device, metrics: Mapping[str, Metric] | None = None) -> None:
        self._metrics = dict(metrics or {})
        self._names = ("loss", *self._metrics)
        self._sums = [Sum(device) for _ in range(2 * len(self._names))]

    def add(self, outputs: Tensor, target: Tensor, loss_sum: Number, weight: Number) -> None:
        """Add one batch, whose mean loss is `loss_sum` / `weight`; does not wait for the device."""
        numbers = [loss_sum, weight]
        for name, metric in self._metrics.items():
            numbers += measure(name, metric, outputs, target)
        for total, number in zip(self._sums, numbers, strict=True):
            total.add(number)

    def bits(self) -> Tensor:
        """All sums as int64 on the device, to travel to the CPU beside other counts."""
        return torch.cat([total.bits() for total in self._sums])

    def values(self, bits: Tensor | None = None) -> dict[str, float]:
        """Each mean by name, `loss` first, NaN without weight; waits for the device unless `bits`,
        as copied to the CPU, are given."""
        read = self.bits().cpu() if bits is None else bits
        numbers = [total.value(each) for total, each in zip(self._sums, read, strict=True)]
        pairs = zip(self._names, numbers[::2], numbers[1::2], strict=True)
        return {name: total / whole if whole else float("nan") for name, total, whole in pairs}


def measure(name: str, metric: Metric, outputs: Tensor, target: Tensor) -> tuple[Number, Number]:
    """Call a user's metric on one batch; raises Failed for what is no (sum, count)."""
    try:
        result = metric(outputs, target)
    except Exception as error:
        raise Failed(
            f"evaluation.metrics.{name} failed on outputs {list(outputs.shape)} and targets "
            f"{list(target.shape)}: {type(error).__name__}: {error}"
        ) from error
    if isinstance(result, tuple) and len(result) == 2 and all(map(_is_scalar, result)):
        return result
    raise Failed(
        f"evaluation.metrics.{name} returned {type(result).__name__}; it has to return "
        "(sum over the batch, how many were summed), two scalars"
    )


def _is_scalar(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 0
    return isinstance(value, int | float)

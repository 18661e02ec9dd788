"""Training batches mixed with themselves: MixUp and CutMix.

Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018, arXiv 1710.09412; Yun et al.,
"CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019,
arXiv 1905.04899. The arithmetic is that of torchvision.transforms.v2.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from data import keyed
from data.bad_samples import Bad
from data.errors import DataError

Mix = Literal["mixup", "cutmix", "both"]
MIXES = (None, "mixup", "cutmix", "both")


class MixedLoader:
    """Mixes each batch of a loader on the device: each sample with the one before it in the batch.

    The batch is in random order, so its neighbour is a partner of chance (as in torchvision). What
    is drawn is a pure function of (seed, epoch, number of the batch). Targets become shares of
    the classes, float32 [B, C], as `torch.nn.CrossEntropyLoss` takes them.

    Args:
        loader: a `data.loading.loaders.Loader` of (input, target), int64 classes [B].
        mix: "mixup" adds the two samples, lam * x + (1 - lam) * partner; "cutmix" puts a box of
            the partner into the image; "both" does either, by chance, with each batch.
        alpha: lam is drawn from Beta(alpha, alpha); 1 is uniform, small values mix little.
        num_classes: C.
        seed: what the draws are keyed by.
    """

    def __init__(self, loader: Any, *, mix: Mix, alpha: float, num_classes: int, seed: int) -> None:
        self._loader, self._mix, self._alpha = loader, mix, alpha
        self._num_classes, self._seed = num_classes, seed
        self.batch_size, self.num_samples = loader.batch_size, loader.num_samples
        self.kind = f"{loader.kind}, {'mixup or cutmix' if mix == 'both' else mix}"

    def __len__(self) -> int:
        return len(self._loader)

    @property
    def waited(self) -> float:
        """Seconds for which the consumer has waited for batches so far."""
        waited: float = self._loader.waited
        return waited

    @property
    def bad(self) -> Sequence[Bad]:
        """The samples that were left out so far."""
        bad: Sequence[Bad] = self._loader.bad
        return bad

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """Yield the batches from `start` of that epoch, mixed; None for an empty one."""
        for number, batch in enumerate(self._loader.epoch(epoch, start), start):
            yield None if batch is None else self._mixed(batch, epoch, number)

    def indices(self, epoch: int, batch: int) -> list[int]:
        """Return which samples a batch holds; each is also the partner of the next."""
        indices: list[int] = self._loader.indices(epoch, batch)
        return indices

    def close(self) -> None:
        """End what the loader has started."""
        self._loader.close()

    def _mixed(self, batch: Any, epoch: int, number: int) -> tuple[Tensor, Tensor]:
        inputs, target = _checked(batch, cuts=self._mix != "mixup")
        draws = keyed.uniform(keyed.key(self._seed, keyed.MIX, epoch), np.array([number]), 5)[0]
        shares = inputs.new_zeros(len(target), self._num_classes, dtype=torch.float32)
        shares.scatter_(1, target.unsqueeze(1), 1.0)
        lam = beta(float(draws[0]), float(draws[1]), self._alpha)
        if self._mix == "mixup" or (self._mix == "both" and draws[2] < 0.5):
            return _blended(inputs, lam), _blended(shares, lam)
        height, width = inputs.shape[-2:]
        box = cut_box(lam, float(draws[3]), float(draws[4]), height, width)
        top, bottom, left, right = box
        cut = inputs.clone()
        cut[..., top:bottom, left:right] = inputs.roll(1, 0)[..., top:bottom, left:right]
        lam = 1.0 - (right - left) * (bottom - top) / (width * height)
        return cut, _blended(shares, lam)


def beta(first: float, second: float, alpha: float) -> float:
    """Return a draw from Beta(alpha, alpha), made of two numbers uniform in [0, 1).

    Bailey, "Polar generation of random variates with the t-distribution", 1994: such a t with
    2 * alpha degrees of freedom, brought to (0, 1). No rejection, so always two numbers.
    """
    # At the middle of its 2**-53 a number is never 0.
    spread = -math.log(first + 2.0**-54) / alpha
    cosine = math.cos(2 * math.pi * second)
    if spread > 700:  # exp would be too large; next to it the 1 below has no weight
        return 1.0 if cosine > 0 else 0.0
    squared = math.expm1(spread) * cosine * cosine
    return 0.5 * (1 + math.copysign(math.sqrt(squared / (1 + squared)), cosine))


def cut_box(lam: float, x: float, y: float, height: int, width: int) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of a box of (1 - lam) of the area around a point.

    The point is at (x, y), in [0, 1) of the sides; what sticks out is cut off.
    """
    half = 0.5 * math.sqrt(1.0 - lam)
    down, across = int(half * height), int(half * width)
    row, column = int(y * height), int(x * width)
    return (
        max(row - down, 0),
        min(row + down, height),
        max(column - across, 0),
        min(column + across, width),
    )


def mix_problems(mix: Any, alpha: Any) -> list[str]:
    """Return what is wrong with the two options of a loader."""
    problems = []
    if mix not in MIXES:
        problems.append(f"mix ({mix!r}) in loader.mix; choose mixup, cutmix, both or null")
    number = isinstance(alpha, int | float) and not isinstance(alpha, bool)
    if not number or not 0 < alpha < math.inf:
        problems.append(f"mix_alpha ({alpha!r}) in loader.mix_alpha; give a number above 0")
    return problems


def classes_of(dataset: Any) -> int:
    """Return how many classes a dataset's targets have.

    Raises:
        DataError: it doesn't say.
    """
    if (number := getattr(dataset, "num_classes", None)) is not None:
        return int(number)
    labels = getattr(dataset, "labels", None)
    kinds = np.asarray(labels) if labels is not None else np.empty(0)
    if kinds.ndim != 1 or kinds.dtype.kind not in "iu" or not len(kinds):
        raise DataError(
            "loader.mix mixes samples of one class each (not numbers, not several labels), and "
            f"{type(dataset).__name__} has neither num_classes nor labels; set loader.mix=null, or "
            "give a dataset of your own an attribute `num_classes`"
        )
    return int(kinds.max()) + 1


def _blended(values: Tensor, lam: float) -> Tensor:
    return values.roll(1, 0).mul_(1.0 - lam).add_(values.mul(lam))


def _checked(batch: Any, *, cuts: bool) -> tuple[Tensor, Tensor]:
    """Return input and target; DataError where they can't be mixed."""
    fit = isinstance(batch, tuple | list) and len(batch) == 2
    inputs, target = batch if fit else (None, None)
    if not isinstance(inputs, Tensor) or not isinstance(target, Tensor):
        raise DataError(
            "loader.mix mixes batches of (input, target), one tensor each, and these are "
            f"{type(batch).__name__}; set loader.mix=null"
        )
    problems = []
    if not inputs.is_floating_point():
        problems.append(
            f"loader.mix adds inputs up, and these are {inputs.dtype}; set loader.mix=null"
        )
    elif cuts and inputs.dim() < 4:
        problems.append(
            f"loader.mix cuts boxes out of images, and the inputs are {list(inputs.shape)}; set "
            "loader.mix=mixup or null"
        )
    if target.dim() != 1 or target.dtype != torch.int64:
        problems.append(
            f"loader.mix needs one class for each sample, and the targets are {target.dtype} "
            f"{list(target.shape)}; set loader.mix=null"
        )
    if problems:
        raise DataError(*problems)
    return inputs, target

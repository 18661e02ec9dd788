"""Mean and spread of channels, and how well a forecast does that needs no training."""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.images.build import choice
from data.splits import Indices

NAIVE_WINDOWS = 20_000
COARSE = 1e5
logger = logging.getLogger(__name__)


def channel_statistics(
    values: NDArray[np.float32], channels: Sequence[str]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel; 1 for one that never changes."""
    mean, std = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    constant = std <= np.abs(mean) * 1e-7
    std[constant] = 1.0
    for name in np.array(channels)[constant].tolist():
        logger.warning("%s never changes in the training steps", name)
    for name in np.array(channels)[np.abs(mean) > COARSE * std].tolist():
        logger.warning("%s varies little for its size; subtract a constant to keep digits", name)
    return tuple(mean.tolist()), tuple(std.tolist())


def naive(
    values: NDArray[np.float32],
    first: Indices,
    window: int,
    horizon: int,
    season: int,
    mean: Sequence[float],
    std: Sequence[float],
    num_targets: int,
) -> dict[str, float]:
    """Return the RMSE of saying that nothing changes, and that all is as a season ago.

    In the unit of the target where there is one, of standardised targets where there are several;
    over at most 20,000 of the windows.
    """
    first = first[choice(len(first), NAIVE_WINDOWS)][:, None]
    own: NDArray[np.float64] = values[:, :num_targets].astype(np.float64)
    if num_targets > 1:
        own = (own - np.array(mean[:num_targets])) / np.array(std[:num_targets])
    truth = own[first + np.arange(window, window + horizon)]
    said = {"last_value": own[first + window - 1]}
    if 1 < season <= window:
        said["last_season"] = own[first + window - season + np.arange(horizon) % season]
    return {name: float(np.sqrt(((truth - same) ** 2).mean())) for name, same in said.items()}

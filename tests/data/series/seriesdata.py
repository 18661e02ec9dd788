"""Files of series, as users have them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

START = datetime(2024, 1, 1)


def hourly(count: int, *, every: timedelta = timedelta(hours=1)) -> list[str]:
    return [(START + every * k).isoformat(sep=" ") for k in range(count)]


def wave(count: int, *, seed: int = 0) -> NDArray[np.float64]:
    """A day's pattern on a slow trend, with noise of standard deviation 0.3."""
    noise = np.random.default_rng(seed).normal(0, 0.3, count)
    steps = np.arange(count)
    result: NDArray[np.float64] = 0.01 * steps + 2 * np.sin(2 * np.pi * steps / 24) + noise
    return result


def write(path: Path, header: str, rows: Sequence[Sequence[object]], mark: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [header.replace(",", mark), *(mark.join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def load_csv(path: Path, count: int = 400) -> Path:
    values = zip(hourly(count), wave(count), wave(count, seed=1), strict=True)
    rows = [(time, f"{load:.6f}", f"{heat:.6f}") for time, load, heat in values]
    return write(path, "time,load,heat", rows)

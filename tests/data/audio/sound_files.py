"""Small files of sound for tests."""

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

KINDS = ("chirp", "noise", "tone")


def tone(rate: int = 8000, seconds: float = 0.1, pitch: float = 440.0) -> NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(round(rate * seconds)) / rate)


def write(path: Path, values: NDArray[np.float64], rate: int = 8000, subtype: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, values, rate, subtype=subtype or None)
    return path


def folder(
    place: Path, count: int = 6, *, rate: int = 8000, seconds: float = 0.1, seed: int = 0
) -> Path:
    """A folder for each of three classes with `count` files, each of another length."""
    generator = np.random.default_rng(seed)
    for kind in KINDS:
        for number in range(count):
            values = sound(kind, rate, seconds * (1 + number / 10), generator)
            write(place / kind / f"{number}.wav", values, rate)
    return place


def sound(
    kind: str, rate: int, seconds: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    time = np.arange(round(rate * seconds)) / rate
    pitch = generator.uniform(300, 1500)
    if kind == "noise":
        return generator.normal(0, 0.2, len(time)).clip(-1, 1)
    sweep = 1500 * time**2 if kind == "chirp" else 0.0
    return np.asarray(generator.uniform(0.2, 0.9) * np.sin(2 * np.pi * (pitch * time + sweep)))

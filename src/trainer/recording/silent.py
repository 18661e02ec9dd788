"""Recorders without a file: one that keeps nothing, one that passes on to several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from trainer.protocols import Recorder


class Silent:
    """Records nothing: recording switched off is an object with the same methods."""

    def __init__(self, folder: Path | None = None, purge_step: int | None = None) -> None:
        """Take what every recorder is built with."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Record nothing."""

    def image(self, step: int, name: str, pixels: np.ndarray) -> None:
        """Record nothing."""

    def text(self, step: int, name: str, text: str) -> None:
        """Record nothing."""

    def finish(self, config: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Record nothing."""

    def close(self) -> None:
        """Nothing is open."""


class Several:
    """Passes everything on to each of several recorders, in order.

    An error of one is raised at once, except in `close`, where every recorder is closed first.
    """

    def __init__(self, recorders: Iterable[Recorder]) -> None:
        self.recorders: tuple[Recorder, ...] = tuple(recorders)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Pass on."""
        for recorder in self.recorders:
            recorder.scalars(step, values)

    def image(self, step: int, name: str, pixels: np.ndarray) -> None:
        """Pass on."""
        for recorder in self.recorders:
            recorder.image(step, name, pixels)

    def text(self, step: int, name: str, text: str) -> None:
        """Pass on."""
        for recorder in self.recorders:
            recorder.text(step, name, text)

    def finish(self, config: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Pass on."""
        for recorder in self.recorders:
            recorder.finish(config, metrics)

    def close(self) -> None:
        """Close each, also where an earlier one fails to close."""
        with ExitStack() as stack:
            for recorder in reversed(self.recorders):
                stack.callback(recorder.close)

"""`Clips`: recordings with targets that can be fetched a batch at a time."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from data import keyed
from data.audio.sounds import FULL, Sounds, Stored, stored
from data.audio.spectrogram import picture
from data.audio.targets import Targets
from data.audio.waveform import fitted
from data.errors import DataError

Indices = NDArray[np.int64]
Augment = Callable[[Tensor, Indices, int, int], Tensor]


class Clips(Dataset[tuple[Tensor, Tensor]]):
    """Recordings of one rate and one length, in memory or decoded from files on demand.

    Args:
        sounds: the files.
        targets: what is to be learned of each.
        length: samples of an input; longer recordings are cut, shorter ones get silence.
        scale: regression: mean and standard deviation of each target.
        kept: the waveforms of all files, where they are in memory.
        cuts: cut at random, by (seed, epoch, sample), in `fetch` and `finish`; otherwise, and
            always in `dataset[i]`, the middle is taken.
        augment: turns float32 waveforms [B, T] with (indices, epoch, seed) into augmented ones,
            e.g. `data.audio.augment.RandomSound`; each result must not depend on the others.
    """

    def __init__(
        self,
        sounds: Sounds,
        targets: Targets,
        *,
        length: int,
        scale: tuple[Sequence[float], Sequence[float]] = ((), ()),
        kept: Stored | None = None,
        cuts: bool = False,
        augment: Augment | None = None,
    ) -> None:
        assert len(sounds) == len(targets.values) and (
            kept is None or len(kept.waves) == len(sounds)
        )
        self.sounds, self.length, self.augment = sounds, length, augment
        self.names = sounds.names
        self._raw, self._kept, self._cuts = targets, kept, cuts
        self._waves = None if kept is None else torch.from_numpy(kept.waves)
        values = targets.values
        if targets.problem == "regression":
            values = (values - np.array(scale[0])) / np.array(scale[1])
        whole = targets.problem == "classification"
        self._targets = torch.from_numpy(np.asarray(values, np.int64 if whole else np.float32))
        if whole:
            self.labels = self._targets

    def __len__(self) -> int:
        return len(self.sounds)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return one sample as evaluation sees it: float32 [T]; and its target."""
        return torch.from_numpy(self.raw(index)), self._targets[index]

    def raw(self, index: int) -> NDArray[np.float32]:
        """Return one recording as the reader of `info.reader` gives it: float32 [T]."""
        if self._kept is None:
            return np.array(fitted(self.sounds.one(index), self.length))
        wave = self._kept.waves[index, : self._kept.lengths[index]].astype(np.float32)
        if self._kept.waves.dtype == np.int16:
            wave *= np.float32(1 / FULL)
        return np.array(fitted(wave, self.length))

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Return the log-mel spectrogram of one recording, to be looked at: uint8 [64, W, 3]."""
        return picture(self.raw(index), self.sounds.sample_rate)

    def seen_as(self, info: Any, classes: Sequence[str]) -> "Clips":
        """Return these recordings as a model sees them that was trained on other data.

        At `info.sample_rate` and `info.length`, targets in the order and scale of `info`, not
        augmented. `classes` are the names of this data's own.

        Raises:
            DataError: another problem, or samples of classes or targets that `info` doesn't know.
        """
        targets = _translated(self._raw, info, classes)
        sounds = replace(self.sounds, sample_rate=int(info.sample_rate))
        same = sounds == self.sounds and int(info.length) == self.length
        kept = self._kept if same else None
        if self._kept is not None and not same:
            kept, bad = stored(sounds, int(info.length), whole=False)
            if bad:
                raise DataError(*bad.values())
        scale = (tuple(info.target_mean), tuple(info.target_std))
        return Clips(sounds, targets, length=int(info.length), scale=scale, kept=kept)

    @property
    def resident_bytes(self) -> int | None:
        """Bytes of all stored waveforms, or None where they are decoded one by one."""
        return None if self._kept is None else self._kept.waves.nbytes

    @property
    def is_augmented(self) -> bool:
        """Whether a batch depends on the epoch."""
        longer = self._kept is None or bool((self._kept.lengths > self.length).any())
        return self.augment is not None or (self._cuts and longer)

    @property
    def is_costly(self) -> bool:
        """Whether fetching is work that is worth worker processes."""
        return self._kept is None

    def fetch(self, indices: Indices, epoch: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return waveforms, [B, S] as stored or float32 [B, T] already cut, and targets."""
        rows = torch.from_numpy(indices)
        if self._waves is not None:
            return self._waves[rows], self._targets[rows]
        waves = np.empty((len(indices), self.length), dtype=np.float32)
        shares = self._shares(indices, epoch, seed)
        for place, (index, share) in enumerate(zip(indices.tolist(), shares, strict=True)):
            wave = self.sounds.one(index, f" (sample {index})")
            waves[place] = fitted(wave, self.length, share)
        return torch.from_numpy(waves), self._targets[rows]

    def finish(
        self, batch: tuple[Tensor, Tensor], indices: Indices, epoch: int, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Turn what `fetch` gave into model input: float32 [B, T], cut and augmented.

        Works on the device that the batch is on; each sample's result is independent of the others.
        """
        waves, targets = batch
        if self._kept is not None:
            waves = self._cut(waves, indices, self._shares(indices, epoch, seed))
        if self.augment is not None:
            waves = self.augment(waves, indices, epoch, seed)
        return waves, targets

    def _shares(self, indices: Indices, epoch: int, seed: int) -> Sequence[float | None]:
        """Return where each sample is cut, as `data.audio.waveform.fitted` takes it."""
        if not self._cuts:
            return [None] * len(indices)
        stream = keyed.key(seed, keyed.CROP, epoch)
        return [float(share) for share in keyed.uniform(stream, indices, 1)[:, 0]]

    def _cut(self, waves: Tensor, indices: Indices, shares: Sequence[float | None]) -> Tensor:
        """Cut stored waveforms [B, S] to float32 [B, T], as `fitted` does it."""
        assert self._kept is not None
        spare = (self._kept.lengths[indices] - self.length).clip(0)
        if waves.shape[1] > self.length:
            starts = [
                int(room) // 2 if share is None else int(share * (int(room) + 1))
                for room, share in zip(spare, shares, strict=True)
            ]
            places = np.array(starts, dtype=np.int64)[:, None] + np.arange(self.length)
            waves = waves.gather(1, torch.from_numpy(places).to(waves.device))
        if waves.dtype == torch.int16:
            return waves.float().mul_(1 / FULL)
        return waves.clone()


def _translated(targets: Targets, info: Any, classes: Sequence[str]) -> Targets:
    """Return targets in the order of another run's classes or targets, by name."""
    if targets.problem != info.problem:
        raise DataError(
            f"the data is for {targets.problem} and the model was trained for {info.problem}; "
            "set data.target and data.problem as in training"
        )
    own = targets.names if targets.problem == "regression" else classes
    theirs = list(info.targets if targets.problem == "regression" else info.classes)
    if targets.problem == "classification":
        used = [own[label] for label in np.unique(targets.values).tolist()]
    elif targets.problem == "multilabel":
        present = np.flatnonzero((targets.values > 0).any(axis=0)).tolist()
        used = [own[label] for label in present]
    else:
        used = list(own)
    unknown = [name for name in used if name not in theirs]
    missing = [name for name in theirs if name not in own]
    what = "targets" if targets.problem == "regression" else "classes"
    if unknown or (targets.problem == "regression" and missing):
        raise DataError(
            f"{len(unknown) or len(missing)} {what} ({_first(unknown or missing)}) of the "
            f"{'data unknown to the model, which knows' if unknown else 'model not in the data:'} "
            f"{_first(theirs)}; rename or remove them"
        )
    if targets.problem == "classification":
        places = np.array([theirs.index(n) if n in theirs else -1 for n in own], dtype=np.int64)
        return replace(targets, values=places[targets.values], classes=tuple(theirs))
    values = np.zeros((len(targets.values), len(theirs)), dtype=targets.values.dtype)
    for place, name in enumerate(own):
        if name in theirs:
            values[:, theirs.index(name)] = targets.values[:, place]
    if targets.problem == "regression":
        return replace(targets, values=values, names=tuple(theirs))
    return replace(targets, values=values, classes=tuple(theirs))


def _first(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")

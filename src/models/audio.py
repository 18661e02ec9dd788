"""A small convolutional network that hears: its spectrogram is a part of it."""

import math
import warnings
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.cnn import block

OFFSET = 1e-6
MOST_MELS = 512
LARGEST_FFT = 1 << 15


class Features(nn.Module):
    """Mel spectrogram, log-mel spectrogram or MFCC of waveforms, by torchaudio.transforms.

    Input: waveforms [B, T]; output: float32 [B, F, T // hop + 1], always computed in float32. The
    signal is padded with silence by half a window, so that any T from 1 on will do, and scaled by
    40 / window (in samples), so that a tone of full scale has the power 100 in its bin of the FFT.
    A logarithm is log(x + 1e-6): its floor is 80 dB below full scale, since what is fainter drowns
    in rounding errors and differs from one FFT to another. No loud sample changes it for the others
    of its batch. The FFT has the next power of two of the window, or more where a mel band would be
    left without a frequency.
    """

    def __init__(
        self,
        sample_rate: int,
        features: Literal["log_mel", "mel", "mfcc"],
        num_mels: int,
        num_mfcc: int,
        window: float,
        hop: float,
    ) -> None:
        from torchaudio import transforms

        super().__init__()
        self.is_log = features == "log_mel"
        self.num_features = num_mfcc if features == "mfcc" else num_mels
        length = max(2, round(window * sample_rate))
        self.scale = 40 / length
        self.fft_size = _fft_size(sample_rate, num_mels, length)
        mel: dict[str, Any] = {
            "n_fft": self.fft_size,
            "win_length": length,
            "hop_length": max(1, round(hop * sample_rate)),
            "n_mels": num_mels,
            "pad_mode": "constant",
        }
        self.transform: nn.Module
        if features == "mfcc":
            self.transform = transforms.MFCC(
                sample_rate, n_mfcc=num_mfcc, log_mels=True, melkwargs=mel
            )
        else:
            self.transform = transforms.MelSpectrogram(sample_rate, **mel)

    def forward(self, waves: Tensor) -> Tensor:
        """Features [B, F, frames], float32 whatever autocast says."""
        kind = waves.device.type
        if torch.is_autocast_enabled(kind):
            with torch.autocast(kind, enabled=False):
                return self._features(waves.float())
        return self._features(waves.float())

    def _features(self, waves: Tensor) -> Tensor:
        found: Tensor = self.transform(waves * self.scale)
        return torch.log(found + OFFSET) if self.is_log else found


class AudioNet(nn.Module):
    """Waveforms to spectrogram, to stages of two 3x3 convolutions, to means and maxima over time.

    Input: waveforms [B, T], any T; output: [B, num_outputs]. Each band is normalised by its own
    training statistics. In training a band and a stretch of time are hidden in each sample, apart
    from the others (SpecAugment: Park et al. 2019, arXiv 1904.08779), by torch's own random
    numbers. Pitch is kept up to the last layer: a tone an octave higher is another one.

    Args:
        num_outputs: classes, labels or numbers.
        sample_rate: Hz.
        features: "log_mel", "mel" (power) or "mfcc".
        num_mels: mel bands.
        num_mfcc: with "mfcc", coefficients.
        window: seconds that a spectrum is taken of.
        hop: seconds from one spectrum to the next.
        spec_augment: largest share of the `time` and of the `freq`uencies to hide, or None.
        width: channels of the first stage; each stage doubles them.
        stages: each halves time and pitch.
        dropout: share of features dropped before the last layer.
        parts: the time is divided into so many parts, each with a mean and a maximum of its own.

    Raises:
        ValueError: an argument out of range.
    """

    def __init__(
        self,
        num_outputs: int,
        sample_rate: int,
        features: Literal["log_mel", "mel", "mfcc"] = "log_mel",
        num_mels: int = 64,
        num_mfcc: int = 40,
        window: float = 0.025,
        hop: float = 0.01,
        spec_augment: Mapping[str, float] | None = None,
        width: int = 16,
        stages: int = 4,
        dropout: float = 0.2,
        parts: int = 1,
    ) -> None:
        super().__init__()
        shares = dict(spec_augment or {})
        _check(features, num_mels, num_mfcc, window, hop, shares)
        if min(width, stages, parts) < 1:
            raise ValueError(
                f"width is {width}, stages is {stages} and parts is {parts}; each has to be 1 or "
                "more"
            )
        self.features = Features(sample_rate, features, num_mels, num_mfcc, window, hop)
        rows = self.features.num_features
        self.norm = nn.BatchNorm1d(rows)
        mean, variance = self.norm.running_mean, self.norm.running_var
        if features == "log_mel" and mean is not None and variance is not None:
            # Running statistics forget what they begin with slowly; these are near any sound's.
            mean.fill_(-7.0)
            variance.fill_(16.0)
        self.time_share, self.freq_share = shares.get("time", 0.0), shares.get("freq", 0.0)
        self.parts = parts
        layers: list[nn.Module] = []
        channels = 1
        for stage in range(stages):
            wider = width * 2**stage
            # Rounded up, so that the shortest sound keeps one frame.
            pool = nn.MaxPool2d(2, ceil_mode=True)
            layers += [block(channels, wider), block(wider, wider), pool]
            channels, rows = wider, -(-rows // 2)
        self.stages = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(channels * rows * parts, num_outputs)
        )

    def forward(self, waves: Tensor) -> Tensor:
        """Outputs [B, num_outputs] of waveforms [B, T]."""
        heard = self.norm(self.features(waves))
        if self.training:
            heard = self._masked(heard)
        maps = self.stages(heard.unsqueeze(1)).flatten(1, 2)
        outputs: Tensor = self.head(self._pooled(maps))
        return outputs

    def _masked(self, heard: Tensor) -> Tensor:
        """Set a band and a stretch of each sample to 0, which is the mean of each band."""
        from torchaudio.transforms import FrequencyMasking, TimeMasking

        bands, frames = heard.shape[1:]
        # Drawn from 0 up to below the parameter.
        for mask, share, size in (
            (FrequencyMasking, self.freq_share, bands),
            (TimeMasking, self.time_share, frames),
        ):
            if share:
                heard = mask(int(share * size) + 1, iid_masks=True)(heard)
        return heard

    def _pooled(self, maps: Tensor) -> Tensor:
        """Mean plus maximum over time [B, C, frames], part by part: [B, C * parts]."""
        frames = maps.shape[-1]
        edges = [frames * part // self.parts for part in range(self.parts + 1)]
        pooled = []
        for low, high in pairwise(edges):
            part = maps[..., min(low, frames - 1) : max(high, min(low, frames - 1) + 1)]
            pooled.append(part.mean(-1) + part.amax(-1))
        return torch.cat(pooled, 1)


def _check(
    features: str,
    num_mels: int,
    num_mfcc: int,
    window: float,
    hop: float,
    shares: Mapping[str, float],
) -> None:
    """Raise ValueError for what is out of range."""
    if features not in ("log_mel", "mel", "mfcc"):
        raise ValueError(f"features is {features!r}; choose log_mel, mel or mfcc")
    if not 1 <= num_mels <= MOST_MELS:
        raise ValueError(f"num_mels is {num_mels}; give 1 to {MOST_MELS}")
    if num_mfcc < 1 or (features == "mfcc" and num_mfcc > num_mels):
        raise ValueError(
            f"num_mfcc is {num_mfcc} and num_mels is {num_mels}; give 1 or more, and no more "
            "coefficients than bands"
        )
    if not (window > 0 and hop > 0):
        raise ValueError(f"window is {window} and hop is {hop}; give seconds above 0")
    wrong = [key for key in shares if key not in ("time", "freq")]
    if wrong or not all(0 <= share <= 1 for share in shares.values()):
        raise ValueError(
            f"spec_augment is {dict(shares)}; give time and freq as shares from 0 to 1"
        )


def _fft_size(sample_rate: int, num_mels: int, window: int) -> int:
    """Return the least power of two that fits the window and gives every mel band a frequency."""
    from torchaudio.functional import melscale_fbanks

    size = 1 << math.ceil(math.log2(window))
    while size <= LARGEST_FFT:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bands without one: that is what is asked
            banks = melscale_fbanks(
                size // 2 + 1, 0.0, float(sample_rate // 2), num_mels, sample_rate
            )
        if bool((banks.amax(0) > 0).all()):
            return size
        size *= 2
    raise ValueError(
        f"num_mels is {num_mels} at {sample_rate} Hz; choose fewer, so that each band has a "
        "frequency of its own"
    )

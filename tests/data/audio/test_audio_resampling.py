"""The resampler against torchaudio's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.audio.resampling import resampled

RATES = [(44100, 16000), (48000, 16000), (8000, 16000), (22050, 16000), (16000, 44100)]
RATES += [(11025, 8000), (96000, 8000), (24000, 22050), (3, 2), (8000, 8000)]


@pytest.mark.parametrize(("old", "new"), RATES)
def test_equals_torchaudio(old: int, new: int) -> None:
    from torchaudio.functional import resample
    from torchaudio.transforms import Resample

    wave = np.random.default_rng(0).uniform(-1, 1, 4001).astype(np.float32)
    own = resampled(wave, old, new)
    # In float64: in float32 torchaudio's own kernel is off by up to 3e-5.
    exact = resample(torch.from_numpy(wave).double(), old, new).numpy()
    assert own.dtype == np.float32 and own.shape == exact.shape
    assert np.abs(own - exact).max() < 2e-6
    assert np.abs(own - Resample(old, new)(torch.from_numpy(wave)).numpy()).max() < 5e-5
    if old != new:  # the check can fail
        assert np.abs(own[1:] - exact[:-1]).max() > 1e-2


@settings(max_examples=30)
@given(old=st.integers(1, 400), new=st.integers(1, 400), count=st.integers(0, 50))
def test_any_rates_and_lengths(old: int, new: int, count: int) -> None:
    own = resampled(np.ones(count, dtype=np.float32), old, new)
    assert len(own) == -(-count * new // old) and np.isfinite(own).all()


def test_rates_without_a_common_divisor_and_long_waves_are_cut_in_pieces_alike() -> None:
    from torchaudio.functional import resample

    wave = np.random.default_rng(0).uniform(-1, 1, 30011).astype(np.float32)
    exact = resample(torch.from_numpy(wave).double(), 499, 997).numpy()
    assert np.abs(resampled(wave, 499, 997) - exact).max() < 2e-6
    assert len(resampled(wave, 44099, 16000)) == -(-30011 * 16000 // 44099)


def test_a_tone_keeps_its_pitch() -> None:
    def at(rate: int) -> np.ndarray:
        return np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)

    assert np.abs(resampled(at(44100), 44100, 16000) - at(16000))[200:-200].max() < 1e-3

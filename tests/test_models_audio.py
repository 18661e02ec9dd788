"""AudioNet: what it hears is torchaudio's, and it goes wherever a model has to go."""

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torchaudio import transforms

from models.audio import AudioNet, Features

KINDS = ("log_mel", "mel", "mfcc")


def waves(count: int = 4, length: int = 4000) -> Tensor:
    return 0.3 * torch.randn(count, length, generator=torch.Generator().manual_seed(0))


def net(features: Any = "log_mel", **options: Any) -> AudioNet:
    torch.manual_seed(0)
    return AudioNet(3, 8000, features=features, num_mels=32, width=4, stages=3, **options).eval()


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_features_are_those_of_torchaudio(rate: int) -> None:
    sound = waves(3, rate // 4)
    window, hop = round(0.025 * rate), round(0.01 * rate)
    own = Features(rate, "mel", 64, 20, 0.025, 0.01)
    size = own.fft_size
    mel = {"n_fft": size, "win_length": window, "hop_length": hop, "n_mels": 64}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no mel band is empty
        reference = transforms.MelSpectrogram(rate, pad_mode="constant", **mel)
    assert size & (size - 1) == 0 and size >= window
    power = reference(sound * (40 / window))
    assert torch.equal(own(sound), power) and power.shape == (3, 64, len(sound[0]) // hop + 1)
    log_mel = Features(rate, "log_mel", 64, 20, 0.025, 0.01)(sound)
    assert_close(log_mel, torch.log(power + 1e-6))
    mfcc = transforms.MFCC(rate, 20, log_mels=True, melkwargs=mel | {"pad_mode": "constant"})
    assert torch.equal(
        Features(rate, "mfcc", 64, 20, 0.025, 0.01)(sound), mfcc(sound * (40 / window))
    )


def test_full_scale_has_the_same_power_at_any_rate() -> None:
    for rate in (8000, 16000, 44100):
        tone = torch.sin(2 * torch.pi * 1000 * torch.arange(rate // 2) / rate)[None]
        features = Features(rate, "mel", 40, 20, 0.025, 0.01)
        assert 100 < float(features(tone)[0, :, 20].sum()) < 400


def test_faint_rounding_errors_change_little() -> None:
    """A pure tone is the hard case: all else in its spectrum is near nothing."""
    tone = 0.8 * torch.sin(2 * torch.pi * 440 * torch.arange(8000) / 16000)[None]
    exact = Features(16000, "log_mel", 64, 20, 0.025, 0.01).double()
    exact.transform.double()
    single = Features(16000, "log_mel", 64, 20, 0.025, 0.01)(tone)
    truth = torch.log(exact.transform(tone.double() * 0.1) + 1e-6)
    assert_close(single.double(), truth, atol=3e-3, rtol=0)


@pytest.mark.parametrize("features", KINDS)
def test_a_loud_sample_changes_nothing_for_the_others(features: str) -> None:
    model, sound = net(features, num_mfcc=13), waves()
    alone = model(sound)
    loud = sound.clone()
    loud[0] *= 1000
    assert_close(model(loud)[1:], alone[1:])
    assert not torch.allclose(model(loud)[0], alone[0])
    # The default of torchaudio's decibels is relative to the loudest of the batch: the check fails.
    decibels = transforms.AmplitudeToDB(top_db=80)
    heard = transforms.MelSpectrogram(8000, n_mels=32)
    quiet = sound * 1e-3
    assert not torch.allclose(
        decibels(heard(torch.cat([loud[:1], quiet])))[1:], decibels(heard(quiet))
    )


@pytest.mark.parametrize("length", [1, 40, 81, 4000])
def test_any_length_will_do(length: int) -> None:
    for parts in (1, 3):
        assert net(parts=parts)(waves(2, length)).shape == (2, 3)


def test_masks_hide_in_training_only_and_in_each_sample_apart() -> None:
    model = net(spec_augment={"time": 0.5, "freq": 0.5})
    sound = waves(16)
    assert torch.equal(model(sound), model(sound))
    heard = torch.ones(16, 32, 51)
    masked = model._masked(heard)
    gaps = (masked == 0).float()
    freq, time = (gaps.mean(2) == 1).sum(1), (gaps.mean(1) == 1).sum(1)
    assert int(freq.max()) <= 16 and int(time.max()) <= 26
    assert len(set(freq.tolist())) > 3 and len(set(time.tolist())) > 3
    torch.manual_seed(1)
    first = model._masked(heard)
    torch.manual_seed(1)
    assert torch.equal(model._masked(heard), first)  # torch's own random numbers
    assert torch.equal(net()._masked(heard), heard)


def test_autocast_leaves_the_spectrogram_in_float32() -> None:
    model, sound = net(), waves()
    exact = model.features(sound)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        heard, outputs = model.features(sound), model(sound)
    assert heard.dtype == torch.float32 and torch.equal(heard, exact)
    assert outputs.dtype == torch.bfloat16
    assert_close(outputs.float(), model(sound), atol=0.02, rtol=0.02)
    assert torch.equal(model.features(sound.bfloat16()), model.features(sound.bfloat16().float()))


def test_what_it_hears_travels_with_its_state() -> None:
    model, other = net(), copy.deepcopy(net())
    for parameter in other.parameters():
        torch.nn.init.zeros_(parameter)
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(waves()), other(waves()))
    assert any(name.startswith("features.") for name in model.state_dict())


def test_pitch_is_not_pooled_away() -> None:
    time = torch.arange(4000) / 8000
    tones = torch.stack([torch.sin(2 * torch.pi * pitch * time) for pitch in (400.0, 1600.0)])
    low, high = net()(tones)
    assert not torch.allclose(low, high, rtol=0.05)


@pytest.mark.parametrize("features", KINDS)
def test_it_exports_with_any_batch_size(features: str, tmp_path: Path) -> None:
    model, sound = net(features, num_mfcc=13, parts=2, spec_augment={"time": 0.1}), waves()
    expected = model(sound).detach()
    batch = torch.export.Dim("batch")
    program = torch.export.export(model, (sound,), dynamic_shapes=({0: batch},))
    assert_close(program.module()(sound[:1]), expected[:1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter itself
        traced = torch.jit.trace(model, (sound,))
    assert_close(traced(sound[:3]), expected[:3])
    if features == "log_mel":  # the others differ in a matrix product
        check_onnx(model, sound, expected, tmp_path / "a b.onnx")


def check_onnx(model: AudioNet, sound: Tensor, expected: Tensor, path: Path) -> None:
    import onnxruntime

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = ({0: torch.export.Dim("batch")},)
        exported = torch.onnx.export(
            model, (sound,), dynamo=True, dynamic_shapes=shapes, verbose=False
        )
    assert exported is not None
    exported.save(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for count in (1, 3):
        (outputs,) = session.run(None, {name: sound[:count].numpy()})
        np.testing.assert_allclose(outputs, expected[:count].numpy(), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "loud"}, "features is 'loud'"),
        ({"num_mels": 0}, "num_mels is 0"),
        ({"features": "mfcc", "num_mfcc": 65}, "no more coefficients than bands"),
        ({"hop": 0.0}, "hop is 0.0"),
        ({"spec_augment": {"pitch": 0.1}}, "give time and freq"),
        ({"spec_augment": {"time": 2.0}}, "as shares from 0 to 1"),
        ({"stages": 0}, "stages is 0"),
        ({"num_mels": 100_000}, "give 1 to 512"),
        ({"sample_rate": 1_000_000, "num_mels": 512}, "choose fewer"),
    ],
)
def test_arguments_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AudioNet(3, **{"sample_rate": 8000} | options)


def test_importing_torchaudio_warns_of_nothing() -> None:
    import subprocess
    import sys

    program = "import torchaudio, torchaudio.transforms, torchaudio.functional, torchaudio.datasets"
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=120)

"""The dataset: one sample, one result, whichever way and in whatever company it is loaded."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sound_files import KINDS, folder, tone, write
from torch import Tensor
from torch.testing import assert_close

from data.audio.augment import RandomSound
from data.audio.clips import Clips
from data.audio.reader import AudioReader
from data.audio.recordings import audio
from data.audio.sounds import Sounds, stored
from data.audio.waveform import decode
from data.errors import DataError, SampleError
from data.loading.loaders import loader

AUGMENT = RandomSound(gain=6, shift=0.2, noise=0.05, invert=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("clips") / "my sounds", 8)


def batches(dataset: Clips, size: int, epoch: int, **options: Any) -> Tensor:
    source = loader(dataset, batch_size=size, shuffle=False, seed=3, device="cpu", **options)
    return torch.cat([batch[0] for batch in source.epoch(epoch)])


@pytest.mark.parametrize("rate", [8000, 11025])
@pytest.mark.parametrize("augment", [None, AUGMENT])
def test_every_way_of_loading_gives_the_same_bits(
    place: Path, rate: int, augment: RandomSound | None
) -> None:
    options: dict[str, Any] = {"seconds": 0.12, "augment": augment, "sample_rate": rate}
    kept, asked = (audio(place, cache=cache, **options).train for cache in (True, False))
    assert kept.resident_bytes and asked.resident_bytes is None and asked.is_costly
    assert kept._kept.waves.dtype == (np.int16 if rate == 8000 else np.float32)
    first = batches(kept, 4, 0)
    assert first.shape == (len(kept), round(0.12 * rate)) and first.dtype == torch.float32
    assert torch.equal(first, batches(kept, 3, 0, resident=False, num_workers=0))
    assert torch.equal(first, batches(asked, 5, 0, num_workers=0))
    other = batches(kept, 4, 1)
    assert torch.equal(other, batches(asked, 1, 1, num_workers=0))
    assert not torch.equal(first, other)  # cut elsewhere


def test_evaluation_takes_the_middle_and_is_what_the_reader_gives(place: Path) -> None:
    splits = audio(place, seconds=0.12, augment=AUGMENT)
    lazy = audio(place, seconds=0.12, cache=False)
    reader = AudioReader(sample_rate=8000, length=960)
    assert splits.info.reader == reader.node
    for part, other in ((splits.test, lazy.test), (splits.train, lazy.train)):
        raws = [reader.read(str(place / name)) for name in part.names]
        model_input = reader.batch(raws)
        assert model_input.dtype == np.float32
        for index, raw in enumerate(raws):
            for dataset in (part, other):
                assert np.array_equal(dataset.raw(index), raw)
                assert np.array_equal(dataset[index][0].numpy(), model_input[index])
    loaded = torch.from_numpy(reader.batch([splits.test.raw(i) for i in range(len(splits.test))]))
    for dataset in (splits.test, lazy.test):
        assert torch.equal(batches(dataset, 2, 0, num_workers=0), loaded)
        assert torch.equal(batches(dataset, 5, 7, num_workers=0), loaded)
    assert not splits.test.is_augmented and splits.train.is_augmented


def test_a_batch_is_finished_without_changing_what_is_stored(place: Path) -> None:
    dataset = audio(place, sample_rate=16000).test
    before = dataset._kept.waves.copy()
    waves, _ = dataset.finish(dataset.fetch(np.arange(3), 0, 0), np.arange(3), 0, 0)
    waves += 1
    assert np.array_equal(dataset._kept.waves, before)


def test_nothing_varies_without_augmentation_and_longer_recordings(tmp_path: Path) -> None:
    for kind in KINDS:
        write(tmp_path / kind / "a.wav", tone())
    dataset = audio(tmp_path, validation=0, test=0).train
    assert not dataset.is_augmented and torch.equal(batches(dataset, 2, 0), batches(dataset, 2, 1))
    source = loader(dataset, batch_size=2, shuffle=True, seed=0, device="cpu")
    assert source.kind == "resident on cpu"


def test_a_file_that_breaks_later_is_named_or_left_out(tmp_path: Path) -> None:
    place = folder(tmp_path / "s", 4)
    dataset = audio(place, cache=False, validation=0, test=0).train
    (place / dataset.names[2]).write_bytes(b"broken")
    with pytest.raises(SampleError, match=r"\(sample 2\) is no sound"):
        batches(dataset, 4, 0, num_workers=0)
    options: dict[str, Any] = {"shuffle": False, "seed": 0, "device": "cpu", "num_workers": 0}
    source = loader(dataset, batch_size=4, on_error="skip", **options)
    assert [len(batch[0]) for batch in source.epoch(0)] == [3, 4, 4]
    assert [bad.name for bad in source.bad] == [dataset.names[2]]


def test_storing_keeps_16_bits_only_where_they_are_exact(tmp_path: Path) -> None:
    names = ("a.wav", "b.wav")
    write(tmp_path / "a.wav", tone(), subtype="PCM_16")
    write(tmp_path / "b.wav", tone(seconds=0.2), subtype="PCM_24")
    one, bad = stored(Sounds(tmp_path, names[:1], 8000), 100, whole=True)
    assert one.waves.dtype == np.int16 and not bad and one.waves.shape == (1, 800)
    both, _ = stored(Sounds(tmp_path, names, 8000), 100, whole=True)
    assert both.waves.dtype == np.float32 and both.waves.shape == (2, 1600)
    assert np.array_equal(both.waves[1], decode(tmp_path / "b.wav", sample_rate=8000))
    assert both.lengths.tolist() == [800, 1600]
    cut, bad = stored(Sounds(tmp_path, ("a.wav", "no.wav"), 8000), 100, whole=False)
    assert cut.waves.shape == (2, 100) and "is missing" in bad[1]


def test_a_picture_shows_pitch_upwards_and_time_to_the_right(tmp_path: Path) -> None:
    for pitch in (300, 3000):
        write(tmp_path / str(pitch) / "a.wav", np.r_[np.zeros(4000), tone(8000, 0.5, pitch)])
    dataset = audio(tmp_path, validation=0, test=0).train
    low, high = (dataset.picture(i).astype(int).sum(axis=2) for i in (1, 0))
    assert dataset.names[0] == "300/a.wav" or dataset.names[0] == "3000/a.wav"
    if dataset.names[0] == "300/a.wav":
        low, high = high, low
    assert dataset.picture(0).dtype == np.uint8 and dataset.picture(0).shape[0::2] == (64, 3)
    assert low[:, -1].argmax() > high[:, -1].argmax() + 10
    assert low[:, 0].max() < low[:, -1].max()


@pytest.mark.parametrize("length", [1, 5, 100, 8000, 100_000])
def test_any_length_and_silence_have_a_picture(length: int) -> None:
    from data.audio.spectrogram import picture

    for rate in (100, 8000, 44100):
        drawn = picture(np.zeros(length, dtype=np.float32), rate)
        assert drawn.shape[0] == 64 and drawn.shape[1] <= 128 and (drawn == drawn[0, 0]).all()


def test_samples_seen_by_a_model_of_other_data(place: Path, tmp_path: Path) -> None:
    own = audio(place, seconds=0.12)
    info = SimpleNamespace(
        problem="classification",
        classes=["tone", "noise", "bark", "chirp"],
        sample_rate=16000,
        length=1600,
        target_mean=(),
        target_std=(),
    )
    for cache in (True, False):
        part = audio(place, seconds=0.12, augment=AUGMENT, cache=cache).train
        seen = part.seen_as(info, own.info.classes)
        assert not seen.is_augmented
        for index in range(3):
            kind = part.names[index].split("/")[0]
            wave, label = seen[index]
            assert info.classes[int(label)] == kind
            expected = AudioReader(sample_rate=16000, length=1600).read(
                str(place / part.names[index])
            )
            assert np.array_equal(wave.numpy(), expected)
    info.classes = ["tone", "noise"]
    with pytest.raises(DataError, match=r"1 classes \('chirp'\) of the data unknown to the model"):
        own.test.seen_as(info, own.info.classes)
    info.problem = "regression"
    with pytest.raises(DataError, match="is for classification and the model was trained for regr"):
        own.test.seen_as(info, own.info.classes)


def test_numbers_and_labels_seen_by_a_model_of_other_data(tmp_path: Path) -> None:
    for number in range(10):
        write(tmp_path / f"{number}.wav", tone())
    rows = "".join(f"{i}.wav,{i},{i * i}.5\n" for i in range(10))
    (tmp_path / "t.csv").write_text("path,a,b\n" + rows)
    part = audio(tmp_path / "t.csv", target=["a", "b"]).train
    info = SimpleNamespace(problem="regression", targets=["b", "a"], sample_rate=8000, length=800)
    info.target_mean, info.target_std = [1.0, 2.0], [10.0, 20.0]
    number = int(Path(part.names[0]).stem)
    expected = [(number**2 + 0.5 - 1) / 10, (number - 2) / 20]
    assert_close(part.seen_as(info, ())[0][1], torch.tensor(expected))
    info.targets = ["b"]
    with pytest.raises(DataError, match=r"1 targets \('a'\) of the data unknown"):
        part.seen_as(info, ())
    info.targets = ["b", "a", "c"]
    with pytest.raises(DataError, match=r"1 targets \('c'\) of the model not in the data"):
        part.seen_as(info, ())
    (tmp_path / "l.csv").write_text(
        "path,x,y\n" + "".join(f"{i}.wav,{i % 2},0\n" for i in range(10))
    )
    labels = audio(tmp_path / "l.csv", target=["x", "y"], split="random").train
    info.problem, info.classes = "multilabel", ["z", "x"]
    odd = [int(Path(name).stem) % 2 for name in labels.names]
    seen = labels.seen_as(info, labels._raw.classes)
    assert [seen[i][1].tolist() for i in range(len(odd))] == [[0, each] for each in odd]


def test_augmentation_stays_in_its_ranges() -> None:
    waves = torch.full((50, 100), 0.5)
    rows = np.arange(50)
    gained = RandomSound(gain=6)(waves, rows, 0, 0)[:, 0] / 0.5
    assert gained.min() > 10 ** (-6 / 20) and gained.max() < 10 ** (6 / 20)
    assert gained.std() > 0.1
    shifted = RandomSound(shift=0.1)(waves, rows, 0, 0)
    silent = (shifted == 0).sum(1)
    assert int(silent.max()) == 10 and int(silent.min()) == 0
    noisy = RandomSound(noise=0.1)(torch.zeros(50, 4000), rows, 0, 0)
    assert float(noisy.std(1).max()) < 0.105 and float(noisy.mean().abs()) < 0.01
    turned = RandomSound(invert=True)(waves, rows, 0, 0)[:, 0]
    assert set(turned.tolist()) == {0.5, -0.5}
    assert torch.equal(RandomSound()(waves, rows, 0, 0), waves)
    assert torch.equal(AUGMENT(waves, rows, 1, 2)[7], AUGMENT(waves[7:8], rows[7:8], 1, 2)[0])
    assert not torch.equal(AUGMENT(waves, rows, 1, 2), AUGMENT(waves, rows, 1, 3))
    with pytest.raises(DataError, match=r"(?s)gain \(61\).*shift \(-1\).*noise \(2\)"):
        RandomSound(gain=61, shift=-1, noise=2)

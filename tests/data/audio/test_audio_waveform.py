"""From files that users have lying about to waveforms, or to one line that says what is wrong."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sound_files import tone, write

from data.audio import waveform
from data.audio.measure import facts
from data.audio.resampling import resampled
from data.audio.waveform import decode, fitted, header
from data.errors import SampleError


@pytest.mark.parametrize(
    ("ending", "subtype", "near"),
    [
        ("wav", "PCM_16", 4e-5),
        ("wav", "PCM_24", 2e-7),
        ("wav", "PCM_U8", 1e-2),
        ("wav", "FLOAT", 1e-7),
        ("wav", "DOUBLE", 1e-7),
        ("wav", "ULAW", 2e-2),
        ("flac", "PCM_24", 2e-7),
        ("ogg", "VORBIS", 0.1),
        ("mp3", "MPEG_LAYER_III", 0.1),
        ("aiff", "PCM_16", 4e-5),
    ],
)
def test_encodings_give_the_same_wave(
    tmp_path: Path, ending: str, subtype: str, near: float
) -> None:
    values = tone(16000, 0.2)
    path = write(tmp_path / f"a b.{ending}", values, 16000, subtype)
    wave = decode(path, sample_rate=16000)
    assert wave.dtype == np.float32 and wave.ndim == 1
    assert abs(len(wave) - len(values)) <= (1200 if ending == "mp3" else 0)
    assert np.abs(wave[:3000] - values[:3000]).max() < near
    assert np.array_equal(decode(path.read_bytes(), sample_rate=16000), wave)
    head = header(path)
    assert (head.rate, head.channels, head.encoding) == (16000, 1, subtype)


def test_channels_are_averaged_and_rates_resampled(tmp_path: Path) -> None:
    left, right = tone(44100, 0.1, 300), tone(44100, 0.1, 600)
    path = write(tmp_path / "a.wav", np.stack([left, right], 1), 44100, "FLOAT")
    mixed = ((left.astype(np.float32) + right.astype(np.float32)) / 2).astype(np.float32)
    assert np.array_equal(decode(path, sample_rate=8000), resampled(mixed, 44100, 8000))
    assert header(path).channels == 2


def test_amplitude_stays_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "loud.wav", 4 * tone(), subtype="FLOAT")
    assert decode(path, sample_rate=8000).max() > 1.9


def test_one_sample_is_sound(tmp_path: Path) -> None:
    path = write(tmp_path / "one.wav", np.array([0.5]))
    assert decode(path, sample_rate=8000).tolist() == [0.5]
    assert fitted(decode(path, sample_rate=16000), 4).shape == (4,)


def truncated(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def bad_files(place: Path) -> dict[str, Path]:
    place.mkdir()
    (place / "empty.wav").touch()
    (place / "text.wav").write_text("this is a text, no sound at all\n" * 10)
    (place / "half.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    write(place / "none.wav", np.zeros(0))
    write(place / "nan.wav", np.array([0.0, np.nan, np.inf]), subtype="FLOAT")
    truncated(write(place / "short.wav", tone()), 0.5)
    truncated(write(place / "short.flac", tone(16000, 2.0)), 0.5)
    (place / "folder.wav").mkdir()
    os.mkfifo(place / "pipe.wav")
    (place / "headless.raw").write_bytes(bytes(100))
    (place / "link.wav").symlink_to(place / "nowhere.wav")
    return {path.name: path for path in place.iterdir()}


def test_bad_files_are_named_with_the_reason_in_one_line(tmp_path: Path) -> None:
    files = bad_files(tmp_path / "bad files")
    files["missing.wav"] = tmp_path / "missing.wav"
    reasons = {
        "empty.wav": "is an empty file (0 bytes)",
        "text.wav": "is no sound that soundfile can read",
        "half.m4a": "is no sound that soundfile can read",
        "headless.raw": "is no sound that soundfile can read",
        "none.wav": "holds no sound (0 samples)",
        "nan.wav": "has 2 values that are NaN or infinite",
        "short.wav": "is truncated (",
        "short.flac": "",
        "folder.wav": "is a folder",
        "pipe.wav": "is no file but a pipe",
        "link.wav": "is missing",
        "missing.wav": "is missing",
    }
    assert set(files) == set(reasons)
    for name, reason in reasons.items():
        with pytest.raises(SampleError) as error:
            decode(files[name], sample_rate=8000)
        (line,) = error.value.problems
        assert line.startswith(f"{files[name]} ") and reason in line and "\n" not in line
        assert error.value.exit_code == 7
    with pytest.raises(SampleError, match=r"^sound is an empty file"):
        decode(b"", sample_rate=8000)


def test_a_wav_of_unknown_length_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "stream.wav", tone())
    content = bytearray(path.read_bytes())
    content[4:8] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    assert len(decode(path, sample_rate=8000)) == 800


def test_too_much_sound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "long.wav", tone())
    monkeypatch.setattr(waveform, "BLOCK", 100)
    assert len(decode(path, sample_rate=8000)) == 800
    monkeypatch.setattr(waveform, "MAX_VALUES", 799)
    with pytest.raises(SampleError, match=r"long\.wav has more than 799 values"):
        decode(path, sample_rate=8000)


def test_an_odd_rate_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "odd.wav", tone(), 8000)
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", 2_000_000)
    path.write_bytes(content)
    with pytest.raises(SampleError, match="sample rate of 2000000 Hz"):
        decode(path, sample_rate=8000)


def test_fitting_takes_the_middle_a_share_or_adds_silence() -> None:
    wave = np.arange(10, dtype=np.float32)
    assert fitted(wave, 4).tolist() == [3, 4, 5, 6]
    assert fitted(wave, 4, 0.0).tolist() == [0, 1, 2, 3]
    assert fitted(wave, 4, 0.9999).tolist() == [6, 7, 8, 9]
    assert fitted(wave, 12).tolist() == [*range(10), 0, 0]
    assert {int(fitted(wave, 4, share)[0]) for share in np.linspace(0, 0.999, 50)} == set(range(7))


def test_facts_measure_clipping_and_silence(tmp_path: Path) -> None:
    loud = (4 * tone(8000, 0.5)).clip(-1, 1)
    found = facts(write(tmp_path / "clipped.wav", np.stack([loud, loud], 1)))
    assert (found.rate, found.channels, found.seconds) == (8000, 2, 0.5)
    share = (np.abs(4 * tone(8000, 0.5)) >= 1).mean()
    assert found.peak > 0.9999 and found.clipped == pytest.approx(share, abs=0.01)
    quiet = facts(write(tmp_path / "quiet.wav", np.zeros(100)))
    assert (quiet.peak, quiet.clipped, quiet.rms) == (0, 0, 0)
    clean = facts(tone(8000, 1.0), 8000)
    assert clean.clipped == 0 and clean.rms == pytest.approx(0.5 / 2**0.5, rel=1e-3)
    assert clean.seconds == 1.0 and facts(np.zeros(0)).peak == 0
    with pytest.raises(SampleError, match="empty"):
        facts(b"")


def test_soundfile_reads_what_this_machine_wrote(tmp_path: Path) -> None:
    """The reference: mono 16-bit sound at its own rate is just what soundfile gives."""
    path = write(tmp_path / "a.flac", tone(), subtype="PCM_16")
    assert np.array_equal(decode(path, sample_rate=8000), soundfile.read(path, dtype="float32")[0])

"""The one path from a file of sound to a waveform: training, test and predict all take it.

NumPy and soundfile only, so that it also runs where torch is not installed.
"""

import io
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.audio.resampling import resampled
from data.errors import SampleError

EXTENSIONS = frozenset(
    (".aif", ".aiff", ".au", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".w64", ".wav", ".wave")
)
MAX_VALUES = 200_000_000
MAX_RATE = 1_000_000
BLOCK = 1 << 20
OPEN_SIZES = (0, 0xFFFFFFFF, 0x7FFFFFFF)
# Frames of these are counted by estimate where the file doesn't say.
ESTIMATED = ("MP3", "OGG")


class Header(NamedTuple):
    """What a file says of its sound."""

    rate: int
    """Sample rate in Hz."""
    frames: int
    """Samples of each channel."""
    channels: int
    """1 for mono, 2 for stereo."""
    encoding: str
    """How samples are stored, such as "PCM_16"."""

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.frames / self.rate


def header(path: str | Path, name: str | None = None) -> Header:
    """Return what the header of a file says; the sound itself stays unread.

    Raises:
        SampleError: as `decode` does, but for what only decoding brings to light.
    """
    name = name or str(path)
    with _opened(path, name) as sound:
        return _header(sound, name)


def decode(
    source: str | Path | bytes, *, sample_rate: int, name: str | None = None
) -> NDArray[np.float32]:
    """Turn a file of sound (or its bytes) into a waveform, float32 [T], mono, at `sample_rate`.

    Channels are averaged. Whole numbers are scaled to -1..1; the amplitude stays as it is, also
    beyond 1 in files of floats.

    Args:
        source: path, or the file's content: all that libsndfile reads, such as WAV, FLAC, OGG, MP3.
        sample_rate: Hz; other rates are resampled, see `data.audio.resampling`.
        name: what to call the source in an error; by default its path.

    Raises:
        SampleError: the file is missing, empty, no sound, truncated, of more than 200 million
            values, or has values that are not finite.
    """
    frames, rate = samples(source, name)
    return resampled(mono(frames), rate, sample_rate)


def samples(source: str | Path | bytes, name: str | None = None) -> tuple[NDArray[np.float32], int]:
    """Return all channels, float32 [T, C], and their rate; errors as for `decode`."""
    name = name or ("sound" if isinstance(source, bytes) else str(source))
    with _opened(source, name) as sound:
        head, estimated = _header(sound, name), sound.format in ESTIMATED
        try:
            values = _read(sound, name)
        except SampleError:
            raise
        except Exception as error:
            # Decoders meet foreign bytes; soundfile hands on whatever they run into.
            raise SampleError(_unreadable(name, error)) from error
    short = head.frames - len(values)
    # A count that is an estimate may be off by a frame or two.
    if short > (0.05 * head.frames + 4000 if estimated else 0):
        raise SampleError(
            f"{name} is truncated ({len(values)} of {head.frames} samples); remove or replace it"
        )
    if not len(values):
        raise SampleError(f"{name} holds no sound (0 samples); remove or replace it")
    unsound = values.size - int(np.isfinite(values).sum())
    if unsound:
        raise SampleError(
            f"{name} has {unsound} {'value' if unsound == 1 else 'values'} that are NaN or "
            "infinite; remove or replace it"
        )
    return values, head.rate


def mono(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of the channels of [T, C], float32 [T]."""
    if values.shape[1] == 1:
        return np.ascontiguousarray(values[:, 0])
    mixed: NDArray[np.float32] = values.mean(axis=1, dtype=np.float32)
    return mixed


def fitted(
    wave: NDArray[np.float32], length: int, share: float | None = None
) -> NDArray[np.float32]:
    """Return `length` samples of a waveform [T]: a part of it, or it with silence after it.

    The part is the middle one; with `share`, from 0 up to below 1, one of the T - length + 1
    possible ones, from the first to the last.
    """
    spare = len(wave) - length
    if spare < 0:
        return np.pad(wave, (0, -spare))
    start = spare // 2 if share is None else int(share * (spare + 1))
    return wave[start : start + length]


def _opened(source: str | Path | bytes, name: str) -> Any:
    """Open a file of sound, whose size agrees with what it claims."""
    import soundfile

    if not isinstance(source, bytes):
        _check_path(Path(source), name)
    _check_size(source, name)
    try:
        return soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else str(source))
    except Exception as error:
        # Besides LibsndfileError: TypeError for headerless .raw.
        raise SampleError(
            f"{name} is no sound that soundfile can read (libsndfile "
            f"{soundfile.__libsndfile_version__}); save it as WAV or FLAC, or remove it"
        ) from error


def _check_path(path: Path, name: str) -> None:
    """Raise SampleError for what can't be read as a file."""
    try:
        if not path.exists():
            raise SampleError(f"{name} is missing; restore it, or take it out of the data")
        if path.is_dir():
            raise SampleError(f"{name} is a folder; give a file of sound in it")
        if not path.is_file():  # reading a pipe would wait for ever
            raise SampleError(f"{name} is no file but a pipe or a device; save the sound as a file")
        with path.open("rb"):
            pass
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise SampleError(f"{name} may not be read ({reason}); change its permissions") from error


def _check_size(source: str | Path | bytes, name: str) -> None:
    """Raise SampleError for an empty file, and for a WAV that is shorter than it says."""
    if isinstance(source, bytes):
        start, size = source[:8], len(source)
    else:
        with Path(source).open("rb") as file:
            start = file.read(8)
        size = Path(source).stat().st_size
    if not size:
        raise SampleError(f"{name} is an empty file (0 bytes); remove or replace it")
    if start[:4] != b"RIFF" or len(start) < 8:
        return
    # libsndfile takes what there is of a truncated WAV without a word.
    (claimed,) = struct.unpack("<I", start[4:])
    # One byte of padding at the end is often left out.
    if claimed not in OPEN_SIZES and claimed + 8 > size + 1:
        raise SampleError(
            f"{name} is truncated ({size} of {claimed + 8} bytes); remove or replace it"
        )


def _header(sound: Any, name: str) -> Header:
    rate = int(sound.samplerate)
    if not 1 <= rate <= MAX_RATE:
        raise SampleError(
            f"{name} has a sample rate of {rate} Hz; rates from 1 to {MAX_RATE:,} can be read"
        )
    frames = int(sound.frames)
    if frames == 0:
        raise SampleError(f"{name} holds no sound (0 samples); remove or replace it")
    return Header(rate, frames, int(sound.channels), str(sound.subtype))


def _read(sound: Any, name: str) -> NDArray[np.float32]:
    """Read to the end in blocks: a header of a few bytes can claim any length."""
    most = MAX_VALUES // int(sound.channels)
    parts: list[NDArray[np.float32]] = []
    count = 0
    while True:
        part = sound.read(min(BLOCK, most + 1), dtype="float32", always_2d=True)
        count += len(part)
        if count > most:
            raise SampleError(
                f"{name} has more than {MAX_VALUES:,} values; cut it into shorter files"
            )
        parts.append(part)
        if len(part) < min(BLOCK, most + 1):
            return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _unreadable(name: str, error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"{name} can't be decoded ({reason}); remove or replace it"

"""What recordings say about themselves, so that nobody types a size twice."""

from dataclasses import dataclass

from data.info import Info


@dataclass(frozen=True, kw_only=True)
class AudioInfo(Info):
    """The facts about recordings that models, evaluation, predict and export need."""

    kind = "audio"
    sample_rate: int
    """Samples of a waveform in a second, Hz."""
    seconds: float
    """Duration of one input."""
    length: int
    """Samples of one input."""

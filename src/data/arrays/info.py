"""What arrays say about themselves."""

from dataclasses import dataclass

from data.info import Info


@dataclass(frozen=True, kw_only=True)
class ArraysInfo(Info):
    """The facts about arrays that models, evaluation and export need."""

    layout: str
    """What the axes of a sample mean, see `data.arrays.layout`."""
    channels: int
    """Channels of pictures and sequences; 0 otherwise."""
    height: int
    """Rows of pictures; 0 otherwise."""
    width: int
    """Columns of pictures; 0 otherwise."""
    mean: tuple[float, ...]
    """Of each feature or channel, over the training split only; of pixels / 255 where those are
    stored; 0 without `data.normalise`."""
    std: tuple[float, ...]
    """Likewise; 1 where it is 0, and without `data.normalise`."""

"""The first training batch as somebody would look at it: pictures with captions, or text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainer.facts import problem_of
from trainer.recording.picture import sample_grid

if TYPE_CHECKING:
    import numpy as np

SHOWN = 32  # pictures
LINES = 16  # samples of text
VALUES = 12  # of a sample of numbers


def picture(splits: Any, batch: Any, indices: Sequence[int]) -> np.ndarray | None:
    """The batch as one picture, uint8 [H, W, 3]; None for what is no picture.

    Images are shown as the model gets them, augmented. A dataset whose targets are drawn, too, has
    `drawn(batch)`: pictures uint8 [H, W, 3]; one whose inputs are no images but can be looked at
    has `picture(index)`. Images of which nobody says how they were normalised are stretched from
    their least value to their greatest.
    """
    dataset, info = splits.train, splits.info
    if hasattr(dataset, "drawn"):
        return tiles(dataset.drawn(batch)[:SHOWN], None)
    if not isinstance(batch, tuple) or not len(indices):
        return None
    captions = captions_of(info, batch[1])
    if getattr(batch[0], "ndim", 0) == 4 and hasattr(info, "mean"):
        return sample_grid(batch[0], info.mean, info.std, captions, SHOWN)
    if hasattr(dataset, "picture"):
        pictures = [dataset.picture(index) for index in indices[:SHOWN]]
        return tiles(pictures, captions)
    if getattr(batch[0], "ndim", 0) == 4 and batch[0].is_floating_point():
        low, high = batch[0].aminmax()
        return sample_grid((batch[0] - low) / (high - low), None, None, captions, SHOWN)
    return None


def text(splits: Any, indices: Sequence[int]) -> str:
    """The samples of a batch as they are read, such as a row or a sentence; "" for others."""
    told = getattr(splits.train, "sample_text", None)
    if told is None:
        return ""
    names = getattr(splits.train, "names", None)
    heads = [str(i) if names is None else str(names[i]) for i in indices[:LINES]]
    return "\n\n".join(
        f"{head}\n{told(index)}" for head, index in zip(heads, indices[:LINES], strict=True)
    )


def numbers(splits: Any, batch: Any, indices: Sequence[int]) -> str:
    """The samples of a batch of tensors as a few of their numbers; "" for what is no pair."""
    if not isinstance(batch, tuple) or not len(indices) or not hasattr(batch[0], "dtype"):
        return ""
    names = getattr(splits.train, "names", None)
    targets = captions_of(splits.info, batch[1]) or [""] * len(indices)
    lines = []
    for index, sample, target in zip(indices[:LINES], batch[0], targets, strict=False):
        values = sample.flatten().tolist()
        shown = ", ".join(f"{value:.4g}" for value in values[:VALUES])
        head = f"{index if names is None else names[index]}  {target}".rstrip()
        what = f"{str(sample.dtype).removeprefix('torch.')} {list(sample.shape)}"
        lines.append(f"{head}\n{what}: {shown}{', ...' if len(values) > VALUES else ''}")
    return "\n\n".join(lines)


def tiles(pictures: Sequence[np.ndarray], captions: Sequence[str] | None) -> np.ndarray | None:
    """Pictures side by side; None where there are none, or of different sizes."""
    import numpy as np

    if not len(pictures) or len({each.shape for each in pictures}) > 1:
        return None
    return sample_grid(np.stack(pictures).transpose(0, 3, 1, 2), None, None, captions, SHOWN)


def captions_of(info: Any, target: Any) -> list[str] | None:
    """A few words on each target; None where there is nothing short to say."""
    rows, problem = target[:SHOWN].tolist(), problem_of(info)
    if problem == "classification" and target.ndim == 1:
        return [str(info.classes[row]) for row in rows]
    if target.ndim != 2:
        return None
    if problem == "regression":
        return [f"{row[0] * info.target_std[0] + info.target_mean[0]:.4g}" for row in rows]
    if len(rows[0]) != len(info.classes):
        return None
    # Several labels; of mixed samples each with its share.
    several = problem == "multilabel"
    return [
        " ".join(
            str(name) if several else f"{name} {share:.0%}"
            for name, share in zip(info.classes, row, strict=True)
            if share > 0
        )
        for row in rows
    ]

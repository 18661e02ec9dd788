"""Sizes of image files as they are stored, read from their headers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.audit.figures import histogram
from data.audit.finding import Finding, many, places
from data.audit.parts import Part
from data.audit.study import Study

TINY = 16
ASPECT = 4.0


def sizes_of(part: Part, folder: Path | None) -> NDArray[np.float64]:
    """Return height and width [N, 2] of the files behind a part's samples; NaN where unknown."""
    from PIL import Image

    found = np.full((len(part), 2), np.nan)
    for place, row in enumerate(part.rows.tolist()):
        file = part.file(row, folder)
        if file is None:
            continue
        try:
            with Image.open(file) as image:
                found[place] = image.height, image.width
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue  # what can't be read has its own finding
    return found


def sizes_study(parts: Sequence[Part], sizes: Sequence[NDArray[np.float64]], info: Any) -> Study:
    """Return what is to be said of the sizes."""
    known = np.concatenate(sizes)
    names = [name for part in parts for name in part.names(np.arange(len(part)))]
    inside = np.flatnonzero(np.isfinite(known[:, 0]))
    if not len(inside):
        return Study()
    known, names = known[inside], [names[place] for place in inside]
    shorter, longer = known.min(axis=1), known.max(axis=1)
    wanted = min(getattr(info, "height", 0), getattr(info, "width", 0))
    small = (shorter < TINY) | (shorter * 2 < wanted)
    flat = longer > ASPECT * shorter
    result = Study()
    for flags, what, remedy in (
        (small, "small", f"they are blown up to {wanted} pixels; remove them, or lower data.size"),
        (flat, "very long", "much of them is cut off by data.fit=crop; remove them, or try pad"),
    ):
        if flags.any():
            at = np.flatnonzero(flags).tolist()
            result.findings.append(
                Finding(
                    "warning",
                    many(len(at), f"{what} image"),
                    places(shown(names[k], known[k]) for k in at),
                    remedy,
                )
            )
    different = np.unique(known, axis=0)
    if len(different) > 1:
        least, most = known[known.prod(axis=1).argmin()], known[known.prod(axis=1).argmax()]
        result.findings.append(
            Finding(
                "note",
                f"images of {many(len(different), 'size')}, from {size(least)} to {size(most)}",
                "",
                "all of them are brought to data.size; nothing needs to be done",
            )
        )
        series = [
            (part.split, own.min(axis=1)[np.isfinite(own[:, 0])])
            for part, own in zip(parts, sizes, strict=True)
        ]
        drawn = histogram("Shorter side of the image files, in pixels", series)
        result.figures += [drawn] if drawn is not None else []
    result.facts = {
        "sizes": {size(each): int((known == each).all(axis=1).sum()) for each in different[:20]}
    }
    return result


def size(each: NDArray[np.float64]) -> str:
    """Return "480 x 640"."""
    return f"{int(each[0])} x {int(each[1])}"


def shown(name: str, each: NDArray[np.float64]) -> str:
    """Return a name with a size."""
    return f"{name}: {size(each)}"

"""Images: sizes, blank ones, unreadable ones, and those that look alike."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.audit.duplicates import Contents
from data.audit.figures import Gallery
from data.audit.finding import Finding, many, places
from data.audit.lookalikes import LEAST_SIDE, alike, exact, shown
from data.audit.looked import Looked, look
from data.audit.parts import Part, digests
from data.audit.sizes import sizes_of, sizes_study
from data.audit.study import Study, flagged, unreadable

EXAMPLES = 16


def study(parts: Sequence[Part], info: Any, folder: Path | None) -> Study:
    """Look at all pictures."""
    looked = [look(part) for part in parts]
    result = Study()
    result.findings += unreadable(parts, [each.bad for each in looked], "image")
    result.findings += blank(parts, looked)
    sized = sizes_study(parts, [sizes_of(part, folder) for part in parts], info)
    result.findings += sized.findings
    result.figures += [*sized.figures, examples(parts[0], info)]
    result.facts = sized.facts
    result.contents.append(
        Contents([each.digests for each in looked], "image", ignore=[~e.plain for e in looked])
    )
    if (doubled := exact(parts, looked)) is not None:
        result.figures.append(doubled)
    if min(each.side for each in looked) >= LEAST_SIDE:
        near = alike(parts, looked)
        result.findings += near.findings
        result.figures += near.figures
    return result


def blank(parts: Sequence[Part], looked: Sequence[Looked]) -> list[Finding]:
    """Pictures of nearly one colour."""
    names = flagged(parts, [each.blank for each in looked])
    if not names:
        return []
    return [
        Finding(
            "warning",
            f"{many(len(names), 'image')} of one colour, or nearly",
            places(names),
            "nothing is to be seen on them; remove them",
        )
    ]


def examples(part: Part, info: Any) -> Gallery:
    """Return some training pictures with their classes, the same ones whatever the order."""
    marks = digests(name.encode() for name in part.names(np.arange(len(part))))
    chosen = np.argsort(marks, kind="stable")[:EXAMPLES]
    labels, classes = part.labels, getattr(info, "classes", ())
    row = []
    for place in chosen.tolist():
        known = labels is not None and 0 <= labels[place] < len(classes)
        label = str(classes[labels[place]]) if known and labels is not None else ""
        try:
            row.append(shown(part, place, label or " "))
        except ValueError:  # one that can't be read, which has its finding
            continue
    return Gallery("Some training images as the model gets them", [row])

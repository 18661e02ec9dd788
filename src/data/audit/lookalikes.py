"""Images that come twice, to the last bit or nearly, and how they are shown."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from data.audit import perceptual
from data.audit.figures import Gallery, png, small
from data.audit.finding import Finding, many, percent, places
from data.audit.looked import Looked
from data.audit.parts import Part
from data.audit.study import Study
from data.splits import Indices

NEAR_BITS = 7
ALIKE = 0.99  # correlation of the small pictures
LEAST_SIDE = 32  # smaller pictures of different things look alike too often
PAIRS, MOST = 8, 10_000
Place = tuple[int, int]  # which part, and which of its samples


def exact(parts: Sequence[Part], looked: Sequence[Looked]) -> Gallery | None:
    """Return equal pictures side by side, those across splits first; None where there are none."""
    groups: dict[int, list[Place]] = {}
    for side, each in enumerate(looked):
        for place in np.flatnonzero(each.plain).tolist():
            groups.setdefault(int(each.digests[place]), []).append((side, place))
    doubled = [in_order(parts, group) for group in groups.values() if len(group) > 1]
    if not doubled:
        return None
    doubled.sort(key=lambda group: (group[0][0] == group[-1][0], named(parts, group[0])))
    return gallery("The same image twice", parts, doubled)


def alike(parts: Sequence[Part], looked: Sequence[Looked]) -> Study:
    """Find pictures that look alike without being equal, across splits and within."""
    side = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    place = np.concatenate([np.arange(len(part)) for part in parts])
    marks = np.concatenate([each.digests for each in looked])
    kept = single(parts, looked, side, place, marks)
    thumbs = np.concatenate([each.thumbs for each in looked])[kept]
    pairs = perceptual.near(np.concatenate([each.hashes for each in looked])[kept], NEAR_BITS)
    likeness = np.einsum("ij,ij->i", thumbs[pairs[:, 0]], thumbs[pairs[:, 1]])
    good = (likeness >= ALIKE) & (marks[kept[pairs[:, 0]]] != marks[kept[pairs[:, 1]]])
    chosen = kept[pairs[good]][np.argsort(-likeness[good], kind="stable")]
    apart = side[chosen[:, 0]] != side[chosen[:, 1]]
    result = Study()
    for own, across in ((chosen[apart], True), (chosen[~apart], False)):
        if not len(own):
            continue
        couples = [
            in_order(parts, [(int(side[k]), int(place[k])) for k in couple])
            for couple in own[:MOST].tolist()
        ]
        couples.sort(key=lambda couple: [named(parts, one) for one in couple])
        # Across splits, the second of a pair is of the later split: it is what is measured on.
        number = len(np.unique(own[:, 1] if across else own))
        result.findings.append(finding(parts, couples, number, len(marks), across))
        where = ", in different splits" if across else ", in one split"
        result.figures.append(gallery(f"Images that look alike{where}", parts, couples))
    return result


def single(
    parts: Sequence[Part], looked: Sequence[Looked], side: Indices, place: Indices, marks: Any
) -> Indices:
    """Return the pictures to be compared: of those that are equal in a split, the first by name."""
    plain = np.flatnonzero(np.concatenate([each.plain for each in looked]))
    names = np.array([named(parts, (int(side[k]), int(place[k]))) for k in plain], dtype=object)
    plain = plain[np.argsort(names, kind="stable")]
    keys = np.stack([marks[plain], side[plain].astype(np.uint64)])
    _, first = np.unique(keys, axis=1, return_index=True)
    return np.sort(plain[first])


def finding(
    parts: Sequence[Part], couples: Sequence[Sequence[Place]], number: int, total: int, across: bool
) -> Finding:
    """Return what is to be said of some pairs."""
    look = "looks" if number == 1 else "look"
    where = places(" ~ ".join(named(parts, one) for one in couple) for couple in couples)
    if across:
        return Finding(
            "warning",
            f"{many(number, 'image')} of one split {look} like one of another "
            f"({percent(number / total)} of all)",
            where,
            "look at them (--html); keep copies in one split, else what is measured is partly "
            "known by heart",
        )
    return Finding(
        "note",
        f"{many(number, 'image')} {look} like another of the same split",
        where,
        "look at them (--html), and remove copies",
    )


def named(parts: Sequence[Part], one: Place) -> str:
    """Return the name of a picture."""
    return parts[one[0]].names(one[1])[0]


def in_order(parts: Sequence[Part], group: Sequence[Place]) -> list[Place]:
    """Return pictures in an order that depends on their splits and names alone."""
    return sorted(group, key=lambda one: (one[0], named(parts, one)))


def gallery(title: str, parts: Sequence[Part], groups: Sequence[Sequence[Place]]) -> Gallery:
    """Return the first groups of pictures side by side."""
    rows = [[shown(parts[side], place) for side, place in group[:4]] for group in groups[:PAIRS]]
    note = f"the first {PAIRS} of {len(groups):,}" if len(groups) > PAIRS else ""
    return Gallery(title, rows, note)


def shown(part: Part, place: int, label: str = "") -> tuple[bytes, str]:
    """Return a picture as PNG, and what to write below it."""
    row = int(part.rows[place])
    caption = label or f"{part.split}: {part.name(row)}"
    return png(small(np.ascontiguousarray(part.dataset.picture(row), dtype=np.uint8))), caption

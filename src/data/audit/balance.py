"""Classes: how many samples each has, and in which splits they are missing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.audit.figures import Bars
from data.audit.finding import Finding, many, named, percent, places
from data.audit.parts import Part

FEW = 10
LARGE_RATIO, RATIO = 10.0, 3.0
DRAWN = 40
UNITS = {"segmentation": "pixel", "detection": "box"}


def counts_of(part: Part, num_classes: int) -> NDArray[np.int64] | None:
    """Return how many samples of a split have each class [num_classes], or each label."""
    labels = part.all_labels
    if labels is not None:
        inside = labels[(labels >= 0) & (labels < num_classes)]
        return np.bincount(inside, minlength=num_classes)
    several = None if part.batch is None else part.batch[1]
    if several is None or several.shape[1:] != (num_classes,):
        return None
    return np.asarray((several > 0.5).sum(axis=0), dtype=np.int64)  # several labels a sample


def study(parts: Sequence[Part], info: Any) -> tuple[list[Finding], list[Bars], dict[str, Any]]:
    """Return findings about the classes, a picture of their counts, and the counts."""
    classes = [str(name) for name in getattr(info, "classes", ())]
    problem = getattr(info, "problem", "classification")
    if problem in UNITS:
        return of_regions(classes, [int(n) for n in getattr(info, "class_counts", ())], problem)
    if problem not in ("classification", "multilabel"):
        return [], [], {}
    counts = {part.split: counts_of(part, len(classes)) for part in parts}
    found = {split: number for split, number in counts.items() if number is not None}
    if not classes or "train" not in found:
        return [], [], {}
    several = getattr(info, "problem", "") == "multilabel"
    findings = [*out_of_range(parts, classes), *lone_class(found["train"], classes, several)]
    if not findings:
        findings = [*absent(found, classes), *uneven(found["train"], classes, several)]
    bars = Bars(
        "Samples of each label" if several else "Samples of each class",
        [(classes[k], [int(found[s][k]) for s in found]) for k in range(min(len(classes), DRAWN))],
        list(found),
        f"the first {DRAWN} of {len(classes)}" if len(classes) > DRAWN else "",
    )
    facts = {
        split: dict(zip(classes, number.tolist(), strict=True)) for split, number in found.items()
    }
    return findings, [bars], {"classes": facts}


def of_regions(
    classes: Sequence[str], counts: Sequence[int], problem: str
) -> tuple[list[Finding], list[Bars], dict[str, Any]]:
    """Return the same for classes of pixels or boxes, of which the training split was counted."""
    if len(counts) != len(classes) or not classes:
        return [], [], {}
    unit = UNITS[problem]
    units = f"{unit}es" if unit.endswith("x") else f"{unit}s"
    rows = [(name, [count]) for name, count in zip(classes, counts, strict=True)]
    bars = Bars(f"Training {units} of each class", rows[:DRAWN], ["train"])
    facts = {"classes": {"train": dict(zip(classes, counts, strict=True))}}
    none = [name for name, count in zip(classes, counts, strict=True) if not count]
    if not none:
        return [], [bars], facts
    what = f"{many(len(none), 'class', 'classes')} without a training {unit}"
    remedy = "a model can't learn what it never sees; remove the class, or add samples"
    return [Finding("warning", what, named(none), remedy)], [bars], facts


def out_of_range(parts: Sequence[Part], classes: Sequence[str]) -> list[Finding]:
    """Labels that name no class."""
    found = []
    for part in parts:
        labels = part.all_labels
        if labels is None:
            continue
        wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
        if len(wrong):
            where = places(f"{part.name(row)}: {labels[row]}" for row in wrong.tolist())
            found.append(
                Finding(
                    "error",
                    f"{many(len(wrong), 'label')} of the {part.split} split out of range",
                    where,
                    f"labels have to be 0 to {len(classes) - 1} for {len(classes)} classes",
                )
            )
    return found


def lone_class(counts: NDArray[np.int64], classes: Sequence[str], several: bool) -> list[Finding]:
    """A training split of one class teaches nothing."""
    present = np.flatnonzero(counts)
    if several or len(present) != 1 or len(classes) < 2:
        return []
    return [
        Finding(
            "error",
            f"only class {classes[present[0]]!r} comes in the train split",
            "",
            "any model learns to say nothing else; add samples of the other classes",
        )
    ]


def absent(counts: dict[str, NDArray[np.int64]], classes: Sequence[str]) -> list[Finding]:
    """Classes that a split lacks, and classes with few samples."""
    found = []
    train = counts["train"]
    for split, number in counts.items():
        if split == "train":
            continue
        if len(strange := np.flatnonzero((train == 0) & (number > 0))):
            found.append(
                Finding(
                    "error",
                    f"{many(len(strange), 'class', 'classes')} of the {split} split without a "
                    "training sample",
                    named([classes[k] for k in strange.tolist()]),
                    "a model can't learn what it never sees; split anew (data.split=stratified)",
                )
            )
        if len(missing := np.flatnonzero((train > 0) & (number == 0))):
            found.append(
                Finding(
                    "warning",
                    f"{many(len(missing), 'class', 'classes')} missing in the {split} split",
                    named([classes[k] for k in missing.tolist()]),
                    "what is measured says nothing of them; add samples, or give the split a "
                    "larger share",
                )
            )
    if len(never := np.flatnonzero(sum(counts.values(), np.zeros_like(train)) == 0)):
        found.append(
            Finding(
                "warning",
                f"{many(len(never), 'class', 'classes')} without any sample",
                named([classes[k] for k in never.tolist()]),
                "remove the class, or add samples",
            )
        )
    if len(few := np.flatnonzero((train > 0) & (train < FEW))):
        found.append(
            Finding(
                "warning",
                f"{many(len(few), 'class', 'classes')} with fewer than {FEW} training samples",
                places(f"{classes[k]!r}: {train[k]}" for k in few.tolist()),
                "add samples, or join classes",
            )
        )
    return found


def uneven(counts: NDArray[np.int64], classes: Sequence[str], several: bool) -> list[Finding]:
    """Classes of very different size."""
    present = np.flatnonzero(counts)
    if len(present) < 2:
        return []
    most, least = present[np.argmax(counts[present])], present[np.argmin(counts[present])]
    ratio = counts[most] / counts[least]
    if ratio < RATIO:
        return []
    share = counts[most] / counts.sum()
    always = "" if several else f"; saying {classes[most]!r} is right {percent(share)} of the time"
    return [
        Finding(
            "warning" if ratio >= LARGE_RATIO else "note",
            f"classes of uneven size: {classes[most]!r} has {ratio:.3g} times the training "
            f"samples of {classes[least]!r}{always}",
            f"{counts[most]:,} and {counts[least]:,}",
            "look at f1 and at each class instead of the accuracy; loader.balance=sampler draws "
            "all classes equally often",
        )
    ]

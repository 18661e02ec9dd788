"""Average precision of boxes, as COCO has it, in NumPy.

Source: https://cocodataset.org/#detection-eval (101 recall levels, IoU 0.50:0.05:0.95)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
THRESHOLDS = np.linspace(0.5, 0.95, 10)
LEVELS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Matches:
    """What became of the found boxes of one class, over all images, the likeliest first."""

    scores: Floats
    """Probabilities [D]."""
    right: NDArray[np.bool_]
    """Whether each is right, for every IoU of THRESHOLDS: [10, D]."""
    num_true: int
    """How many true boxes there are."""


def iou(first: Floats, second: Floats) -> Floats:
    """Intersection over union of boxes [N, 4] and [M, 4] (x1, y1, x2, y2): float64 [N, M]."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    area = (first[:, 2:] - first[:, :2]).prod(axis=1)
    other = (second[:, 2:] - second[:, :2]).prod(axis=1)
    union = area[:, None] + other - shared
    result: Floats = np.zeros_like(shared)
    np.divide(shared, union, out=result, where=union > 0)
    return result


def matched(found: Floats, true: Floats) -> NDArray[np.bool_]:
    """Which found boxes of one image and class are right, for each IoU of THRESHOLDS: [10, D].

    Each found box, the likeliest first, takes the true one that it overlaps most among those that
    no likelier one has taken; it is right when they overlap by the threshold or more. `found` are
    in the order of their scores.
    """
    overlap = iou(found, true)
    right = np.zeros((len(THRESHOLDS), len(found)), dtype=bool)
    if not overlap.size:
        return right
    taken = np.zeros((len(THRESHOLDS), len(true)), dtype=bool)
    levels = np.arange(len(THRESHOLDS))
    for place in range(len(found)):
        free = np.where(taken, -1.0, overlap[place])
        best = free.argmax(axis=1)
        # COCO's own tool takes off as much, so that 0.7 is reached by 0.7.
        right[:, place] = free[levels, best] >= np.minimum(THRESHOLDS, 1 - 1e-10)
        taken[levels, best] |= right[:, place]
    return right


def collected(
    images: Sequence[tuple[Floats, Floats, Floats]],
) -> Matches:
    """The matches of one class over all images, each (scores [D], found [D, 4], true [M, 4]).

    Of equal scores the earlier image comes first.
    """
    scores, right, num_true = [np.zeros(0)], [np.zeros((len(THRESHOLDS), 0), dtype=bool)], 0
    for score, found, true in images:
        order = np.argsort(-score, kind="stable")
        scores.append(score[order])
        right.append(matched(found[order], true))
        num_true += len(true)
    every = np.concatenate(scores)
    order = np.argsort(-every, kind="stable")
    return Matches(every[order], np.concatenate(right, axis=1)[:, order], num_true)


def average_precision(matches: Matches) -> Floats:
    """Average precision at each IoU of THRESHOLDS, [10]; NaN for a class without a true box.

    The mean, over 101 levels of recall, of the best precision at that recall or above.
    """
    if not matches.num_true:
        return np.full(len(THRESHOLDS), np.nan)
    hits = matches.right.cumsum(axis=1)
    recall = hits / matches.num_true
    precision = hits / np.arange(1, hits.shape[1] + 1)
    # From the right: no later precision is higher.
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    found = np.zeros(len(THRESHOLDS))
    for level in range(len(THRESHOLDS)):
        places = np.searchsorted(recall[level], LEVELS, side="left")
        reached = places < recall.shape[1]
        found[level] = best[level][places[reached]].sum() / len(LEVELS)
    return found


@dataclass(frozen=True)
class Operating:
    """What is found at the threshold where F1 is best."""

    threshold: float
    precision: float
    recall: float
    f1: float


def best_f1(every: Sequence[Matches]) -> Operating:
    """The threshold, one for all classes, where F1 at IoU 0.5 is best; zeros where all is wrong."""
    scores = np.concatenate([matches.scores for matches in every])
    right = np.concatenate([matches.right[0] for matches in every])
    num_true = sum(matches.num_true for matches in every)
    if not len(scores) or not num_true:
        return Operating(1.0, 0.0, 0.0, 0.0)
    order = np.argsort(-scores, kind="stable")
    hits = right[order].cumsum()
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + num_true)
    # A threshold takes all boxes of its score along: only the last of equals can be one.
    last = np.append(scores[order][1:] != scores[order][:-1], True)
    place = int(np.where(last, f1, -1.0).argmax())
    return Operating(
        float(scores[order][place]),
        float(hits[place] / (place + 1)),
        float(hits[place] / num_true),
        float(f1[place]),
    )

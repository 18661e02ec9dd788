"""Samples of shards that can't be used: an error, or left out and listed."""

from collections.abc import Mapping

from data.bad_samples import BadFile, OnError, too_many
from data.errors import DataError


def judged(
    reasons: Mapping[str, str], count: int, what: str, on_error: OnError, max_bad: int
) -> tuple[BadFile, ...]:
    """Return what is left out: nothing with "stop", which takes every reason for an error.

    Args:
        reasons: why each sample can't be used, by its name; more than `max_bad` needn't be given.
        count: how many samples can't be used.
        what: what they are, for messages.
        on_error: "stop", or "skip" for leaving them out.
        max_bad: how many may be left out.

    Raises:
        DataError: with all reasons, or that they are too many.
    """
    if count and on_error == "stop":
        raise DataError(*reasons.values())
    if count > max_bad:
        raise DataError(too_many(what, list(reasons.values()), max_bad))
    # They are found before the split, so that they are of none; training is where most would be.
    return tuple(BadFile("train", None, name, why) for name, why in reasons.items())

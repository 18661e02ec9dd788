"""Augmentation policies of torchvision by name, for single training samples."""

import difflib
from collections.abc import Callable
from typing import Any

from data.errors import DataError

POLICIES = {
    "randaugment": "RandAugment",
    "trivialaugment": "TrivialAugmentWide",
    "augmix": "AugMix",
    "autoaugment": "AutoAugment",
}


def policy(transform: Any) -> Callable[[Any], Any] | None:
    """Return a transform as it is, or what a name stands for, with torchvision's defaults.

    "randaugment" (Cubuk et al. 2020), "trivialaugment" (Müller and Hutter 2021), "augmix"
    (Hendrycks et al. 2020), "autoaugment" (Cubuk et al. 2019, the policy for ImageNet); all take
    and give uint8 images.

    Raises:
        DataError: an unknown name.
    """
    if not isinstance(transform, str):
        found: Callable[[Any], Any] | None = transform
        return found
    name = transform.strip().lower()
    if name not in POLICIES:
        close = difflib.get_close_matches(name, POLICIES, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise DataError(
            f"transform ({transform!r}) in data.transform; {hint}choose {', '.join(POLICIES)}, or "
            "a node with _target_"
        )
    # torchvision is slow to import, and most runs don't need it.
    from torchvision.transforms import v2

    made: Callable[[Any], Any] = getattr(v2, POLICIES[name])()
    return made

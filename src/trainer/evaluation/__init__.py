"""What a trained classifier is worth: counts on the device, metrics, baselines, figures, report.

Its names are looked up when they are asked for: what only draws needs no torch.
"""

from typing import TYPE_CHECKING, Any

__all__ = ["Classification", "Counts"]

if TYPE_CHECKING:
    from trainer.evaluation.classification import Classification
    from trainer.evaluation.counts import Counts


def __getattr__(name: str) -> Any:
    """Import a class when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'trainer.evaluation' has no attribute {name!r}")
    from importlib import import_module

    home = "classification" if name == "Classification" else "counts"
    return getattr(import_module(f"trainer.evaluation.{home}"), name)

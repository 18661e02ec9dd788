"""What a trained model is worth: metrics on the device, baselines, figures, reports; by problem.

Its names are looked up when they are asked for: what only draws needs no torch.
"""

from typing import TYPE_CHECKING, Any

__all__ = ["Classification", "Counts", "MultiLabel", "Regression"]

if TYPE_CHECKING:
    from trainer.evaluation.classification import Classification
    from trainer.evaluation.counts import Counts
    from trainer.evaluation.multilabel import MultiLabel
    from trainer.evaluation.regression import Regression


def __getattr__(name: str) -> Any:
    """Import a class when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'trainer.evaluation' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"trainer.evaluation.{name.lower()}"), name)

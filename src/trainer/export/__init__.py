"""What a trained model is turned into: artefacts, each proven in a fresh process, and a manifest.

Importing this imports nothing; `export=none` never pays for the rest.
"""

from typing import TYPE_CHECKING, Any

__all__ = ["Artefacts", "Nothing"]

if TYPE_CHECKING:
    from trainer.export.artefacts import Artefacts


class Nothing:
    """No artefacts: the weights in `checkpoints/` are all there is."""

    def write(self, trained: Any, folder: Any, console: Any) -> None:
        """Leave the folder as it is."""


def __getattr__(name: str) -> Any:
    """Import `Artefacts` when it is first asked for."""
    if name != "Artefacts":
        raise AttributeError(f"module 'trainer.export' has no attribute {name!r}")
    from trainer.export.artefacts import Artefacts

    return Artefacts

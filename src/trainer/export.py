"""What a trained model is turned into."""

from pathlib import Path


class Nothing:
    """No artefacts: the weights in `checkpoints/` are all there is."""

    def write(self, folder: Path) -> None:
        """Leave the folder as it is."""

"""A recorder of one's own: all numbers in one CSV file."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Csv:
    """Writes `scalars.csv`; pictures and texts are left out."""

    def __init__(self, folder: Path, purge_step: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = (folder / "scalars.csv").open("a", newline="")
        self.rows = csv.writer(self.file)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write one row for each number."""
        self.rows.writerows((step, name, value) for name, value in values.items())

    def image(self, step: int, name: str, pixels: object) -> None:
        """Leave it out."""

    def text(self, step: int, name: str, text: str) -> None:
        """Leave it out."""

    def finish(self, config: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Write the final metrics, too."""
        self.rows.writerows(("end", name, value) for name, value in metrics.items())

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self.file.close()

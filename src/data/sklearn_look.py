"""What one of scikit-learn's tables is for. No torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.look import Look
from data.sklearn_sets import NAMES, bundled
from data.tables.look import look_frame


def look_sklearn(path: Path | None, options: Mapping[str, Any]) -> Look:
    """Return what one of scikit-learn's tables is for; they have no path."""
    name = options.get("name") or "wine"
    if path is not None or name not in NAMES:
        return Look("sklearn", "classification", "tabular", certainty=0.0)
    try:
        return look_frame(bundled(name), "sklearn", options)
    except DataError:
        return Look("sklearn", "classification", "tabular", certainty=0.0)

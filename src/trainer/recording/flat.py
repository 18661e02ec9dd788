"""A nested config as one level of dotted names, for tables and comparisons."""

from collections.abc import Mapping
from typing import Any


def flat(config: Any, prefix: str = "") -> dict[str, Any]:
    """A nested config as one level of dotted names."""
    if not isinstance(config, Mapping):
        return {prefix: config}
    result: dict[str, Any] = {}
    for name, value in config.items():
        result |= flat(value, f"{prefix}.{name}" if prefix else str(name))
    return result

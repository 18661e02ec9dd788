"""Which first look belongs to which choice of conf/data, and what lies behind a path."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from data.look import Look

# In the order in which they are asked what a path holds.
LOOKS = {
    "images": "data.images.look.look_images",
    "segmentation": "data.segmentation.look.look_segmentation",
    "detection": "data.detection.look.look_detection",
    "audio": "data.audio.look.look_audio",
    "speechcommands": "data.audio.look.look_speechcommands",
    "yesno": "data.audio.look.look_yesno",
    "text": "data.text.look.look_text",
    "language": "data.text.look.look_language",
    "translation": "data.text.look.look_translation",
    "series": "data.series.look.look_series",
    "table": "data.tables.look.look_table",
    "arrays": "data.arrays.look.look_arrays",
    "stream": "data.shards.look.look_stream",
    "sklearn": "data.sklearn_look.look_sklearn",
    "torchvision": "data.torchvision.look.look_torchvision",
    "hub": "data.hub.look.look_hub",
}
# What needs a name and has no path to look at.
NAMED = ("sklearn", "torchvision", "hub")


def look(kind: str, options: Mapping[str, Any]) -> Look | None:
    """Return what to choose for data of a kind; None for a choice that has no look of its own.

    Args:
        kind: the choice of conf/data, such as "table".
        options: the values of its keys so far, `path` among them.
    """
    if kind not in LOOKS:
        return None
    module, _, name = LOOKS[kind].rpartition(".")
    path = options.get("path")
    place = Path(path).expanduser() if isinstance(path, str | Path) and str(path) else None
    found: Look = getattr(import_module(module), name)(place, options)
    return found


def looks(path: Path) -> list[Look]:
    """Return what a file or a folder may hold, the likeliest first; nothing that it can't be."""
    found = [
        seen
        for kind in LOOKS
        if kind not in NAMED
        and (seen := look(kind, {"path": path})) is not None
        and seen.certainty > 0
    ]
    return sorted(found, key=lambda seen: -seen.certainty)

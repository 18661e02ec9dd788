"""Whether a folder or a file seems to hold images with boxes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.detection.formats import coco_files, voc_folders
from data.detection.yolo import yolo_places
from data.errors import DataError
from data.look import Look


def look_detection(path: Path | None, options: Mapping[str, Any]) -> Look:
    """Return whether there is COCO's JSON or YOLO's labels; of a JSON only the head is read."""
    del options  # nothing that a user may have said changes what the folder is
    if path is None or not path.exists():
        return Look("detection", "detection", "detector", certainty=0.0)
    about: tuple[str, ...] = ()
    certainty = 0.97
    try:
        files = coco_files(path)
        if files:
            about = (f"images with boxes: COCO JSON, {', '.join(f.name for _, f in files[:3])}",)
        elif path.is_dir() and (where := yolo_places(path)):
            groups = sorted({place.split for place in where if place.split})
            split = f", split by folders: {', '.join(groups)}" if groups else ""
            about = (f"images with boxes: YOLO text files{split}",)
        elif voc_folders(path):
            # Not readable, but the builder says what to do.
            about, certainty = ("images with boxes: Pascal VOC's XML files",), 0.9
    except (DataError, OSError):
        about = ()
    return Look(
        "detection",
        "detection",
        "detector",
        about=about,
        certainty=certainty if about else 0.0,
        loss="detection",
        evaluation="detection",
    )

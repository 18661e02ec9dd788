"""Where a folder keeps images and masks."""

import os
from pathlib import Path

from data.errors import DataError
from data.images.pairing import WHOLE, Place, places
from data.inputs import nearest

MASK_FOLDERS = (
    "masks",
    "mask",
    "labels",
    "label",
    "annotations",
    "annotation",
    "gt",
    "segmentation",
    "segmentationclass",
)
SUFFIXES = ("_mask", "_masks", "_label", "_labels", "_seg", "_segmentation", "_gt", "-mask")


def mask_places(folder: Path) -> list[Place]:
    """Return where images and masks are; in the folder itself where there are no such folders."""
    return places(folder, MASK_FOLDERS) or [Place(WHOLE, folder, folder)]


def existing_folder(path: str | Path | None, what: str) -> Path:
    """Return `path` as a folder that exists, or raise DataError with the nearest name."""
    if path is None or not str(path).strip():
        raise DataError(f"data.path is needed: data.path=FOLDER, with {what}")
    folder = Path(path).expanduser()
    if not folder.exists():
        hint = nearest(folder, "; check data.path", folders=True)
        raise DataError(f"{folder} in data.path does not exist{hint}")
    if not folder.is_dir():
        raise DataError(f"{folder} in data.path is a file; give the folder with {what}")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise DataError(f"{folder} in data.path may not be read; change its permissions")
    return folder

"""Whether a folder seems to hold images with masks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.images.pairing import pair, places
from data.inputs import EXTENSIONS
from data.look import Look
from data.segmentation.layout import MASK_FOLDERS, SUFFIXES, mask_places


def look_segmentation(path: Path | None, options: Mapping[str, Any]) -> Look:
    """Return whether images and masks lie in `path`; only the folders are listed."""
    del options  # nothing that a user may have said changes what the folder is
    nothing = Look("segmentation", "segmentation", "unet", certainty=0.0)
    if path is None or not path.is_dir():
        return nothing
    try:
        where = mask_places(path)
        pairs = pair(path, where, endings=EXTENSIONS, suffixes=SUFFIXES)
    except (DataError, OSError):
        return nothing
    matched = sum(mask is not None for mask in pairs.partners)
    if not matched:
        return nothing
    share = matched / len(pairs.names)
    beside = not places(path, MASK_FOLDERS)
    if beside and share < 0.5:
        return nothing
    by_folder = sorted({group for group in pairs.groups if group})
    about = [f"images with masks: {matched} of {len(pairs.names)} images have one"]
    if by_folder:
        about.append(f"split by folders: {', '.join(by_folder)}")
    return Look(
        "segmentation",
        "segmentation",
        "unet",
        about=tuple(about),
        # Folders of images and of masks are no classes, also where some masks are missing.
        certainty=0.95 * (share if beside or share < 0.5 else 1.0),
        loss="cross_entropy",
        evaluation="segmentation",
    )

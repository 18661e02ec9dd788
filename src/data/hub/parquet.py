"""Texts and tables of the `datasets` library, written to one file that is read as a user's own."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import DataError
from data.hub.roles import Roles

SPLIT = "split of the hub"


def parquet_of(parts: Mapping[str, Any], roles: Roles) -> Path:
    """Return the file with all rows, their split and classes by name; made where it is missing."""
    import pandas

    from data.images.cache import folder

    frames = []
    for role, part in parts.items():
        frame = part.select_columns(list(roles.columns)).to_pandas()
        if roles.names and roles.target in frame and roles.named:
            names = np.array([*roles.names, ""], dtype=object)
            frame[roles.target] = names[frame[roles.target].to_numpy()]
        if role:
            frame[SPLIT] = role
        frames.append(frame)
    marks = [str(getattr(part, "_fingerprint", id(part))) for part in parts.values()]
    digest = hashlib.sha256("\0".join([*marks, *parts, *roles.columns]).encode()).hexdigest()
    place = folder()
    file = place / f"hub-{digest[:32]}.parquet"
    partial = place / f"hub-{digest[:32]}-{id(frames)}.part"
    try:
        place.mkdir(parents=True, exist_ok=True)
        pandas.concat(frames).to_parquet(partial)
        partial.replace(file)
    except OSError as error:
        raise DataError(
            f"{file} can't be written ({error.strerror or error}); make room, or name another "
            "folder in FIVESTEP_CACHE"
        ) from error
    return file

"""What a dataset of the Hugging Face Hub is for, from its columns."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.look import Look

UNKNOWN = Look("hub", "classification", "cnn", certainty=0.0)


def look_hub(path: Path | None, options: Mapping[str, Any]) -> Look:
    """Return what a dataset is for; it is opened for that, which may download it.

    Never raises: what can't be opened has certainty 0, and the builder says why.
    """
    from data.hub.files import opened
    from data.hub.parquet import parquet_of
    from data.hub.roles import roles_of
    from data.looks import look

    keys = ("kind", "image", "text", "target")
    try:
        parts = opened(options.get("name"), path, options.get("config"), options.get("revision"))
        roles = roles_of(parts, **{key: options.get(key) for key in keys})
        data: dict[str, Any] = {"kind": roles.kind, "target": roles.target}
        if roles.kind == "images":
            return Look("hub", roles.problem, "cnn", about=(roles.told,), data=data)
        said = {"path": parquet_of(parts, roles), "target": roles.target, "text": roles.text}
        seen = look(roles.kind, {**said, **(options.get("options") or {})})
    except DataError:
        return UNKNOWN
    if seen is None or seen.certainty == 0:
        return UNKNOWN
    return replace(seen, kind="hub", about=(roles.told,), data=data, certainty=1.0)

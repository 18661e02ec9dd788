"""What a run's data says of itself, stored with a signature: it names how inputs are read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.errors import Refused
from trainer.storage import atomic
from trainer.storage.signature import Origin, origin, sign

INFO = "info.json"
# What fivestep's own data names as its reader: made without a question, whoever wrote the file.
OWN_READERS = ("data.reader.ImageReader",)
_LIMIT = 10_000_000


def write_info(path: Path, info: Mapping[str, Any]) -> None:
    """Write it as JSON with its signature as the last entry; raises CannotWrite."""
    content = json.loads(json.dumps(info))
    atomic.write_json(path, {**content, "signature": sign(_text(content), path.name)})


def read_info(path: Path) -> tuple[dict[str, Any], Origin]:
    """Return what `write_info` wrote, and its origin: "own", "stranger" or "tampered".

    Raises Refused when the file is missing, damaged or too long.
    """
    try:
        content = json.loads(atomic.read_regular(path, _LIMIT))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or "it is no JSON"
        raise Refused(f"{path} can't be read ({reason}); restore it from a copy") from error
    if not isinstance(content, dict):
        raise Refused(f"{path} holds no description of data; restore it from a copy")
    signature = content.pop("signature", "")
    return content, origin(_text(content), str(signature), path.name)


def _text(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True).encode()

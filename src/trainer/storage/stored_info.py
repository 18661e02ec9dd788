"""What a run's data says of itself, stored with a signature: it names how inputs are read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.errors import Refused
from trainer.storage import atomic
from trainer.storage.signature import Origin, origin, sign

INFO = "info.json"
# What fivestep's own data names as its reader and its answer: made without a question, whoever
# wrote the file.
OWN_NODES = (
    "data.images.reader.ImageReader",
    "data.answers.ClassAnswer",
    "data.answers.LabelsAnswer",
    "data.answers.NumbersAnswer",
    "data.arrays.reader.ArrayReader",
    "data.audio.reader.AudioReader",
    "data.detection.answer.BoxAnswer",
    "data.images.picture_reader.PictureReader",
    "data.segmentation.answer.MaskAnswer",
    "data.series.reader.SequenceReader",
    "data.series.reader.WindowReader",
    "data.shards.row_reader.RowReader",
    "data.tables.reader.TableReader",
    "data.text.answers.LanguageAnswer",
    "data.text.answers.TranslationAnswer",
    "data.text.readers.TextReader",
    "data.text.readers.LanguageReader",
    "data.text.readers.TranslationReader",
)
_LIMIT = 10_000_000


def write_info(path: Path, info: Mapping[str, Any]) -> None:
    """Write it as JSON with its signature as the last entry; raises CannotWrite."""
    content = json.loads(json.dumps(info))
    atomic.write_json(path, {**content, "signature": sign(_text(content), path.name)})


def read_info(path: Path) -> tuple[dict[str, Any], Origin]:
    """Return what `write_info` wrote, and its origin: "own", "stranger" or "tampered".

    Raises Refused when the file is missing, damaged or too long, and for a reader that holds what
    nobody has vouched for.
    """
    try:
        content = json.loads(atomic.read_regular(path, _LIMIT))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or "it is no JSON"
        raise Refused(f"{path} can't be read ({reason}); restore it from a copy") from error
    if not isinstance(content, dict) or not _well_formed(content):
        raise Refused(f"{path} holds no description of data; restore it from a copy")
    signature = content.pop("signature", "")
    whose = origin(_text(content), str(signature), path.name)
    for name in ("reader", "answer"):
        refuse_interpolation(content.get(name), whose, path)
    return content, whose


def refuse_interpolation(node: Any, whose: Origin, path: Path) -> None:
    """Raise Refused where a stranger's node has one: it could make objects that nobody named.

    OmegaConf resolves `${oc.create:...}` to a node, which would be built like those around it.
    """
    if whose != "own" and "${" in json.dumps(node, ensure_ascii=False):
        raise Refused(
            f"{path} was not written by you on this machine (its signature is not yours) and its "
            "reader or answer holds an interpolation, ${...}, which a stored one never does; don't "
            "use it"
        )


def is_node(node: object) -> bool:
    """Whether an entry is none, or names what reads inputs or says what outputs mean."""
    return node is None or (isinstance(node, dict) and isinstance(node.get("_target_"), str))


def _well_formed(content: Mapping[str, Any]) -> bool:
    """Whether the entries that commands work with are of the kind that they have to be."""
    classes = content.get("classes", [])
    return (
        isinstance(classes, list)
        and all(isinstance(name, str | int | float) for name in classes)
        and is_node(content.get("reader"))
        and is_node(content.get("answer"))
    )


def _text(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True).encode()

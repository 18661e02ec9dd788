"""Settings in YAML as a run stores them: signed, without tags, read back as plain data."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from trainer.errors import Refused
from trainer.storage.signature import Origin, read_signed, write_signed

_DEPTH = 100
_TRUST: tuple[Origin, ...] = ("tampered", "stranger", "own")


class StoredConfig(NamedTuple):
    """The settings of an earlier run, secrets masked, and whose they are."""

    config: dict[str, Any]
    overrides: list[str]
    origin: Origin


def write_yaml(path: Path, title: str, value: object) -> None:
    """Write plain containers and scalars as signed YAML under a comment; raises CannotWrite."""
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000)
    if yaml.safe_load(text) != value:
        # PyYAML reads some rare separators (U+0085) back as others, unless they are escaped.
        text = yaml.safe_dump(value, sort_keys=False, width=1000)
    write_signed(path, f"# {title}\n{text}")


def read_stored(config: Path, overrides: Path) -> StoredConfig:
    """Return what two such files hold; the origin is "own" only when both are.

    Raises Refused when one is missing, damaged, too long, or holds more than plain data.
    """
    settings, origin = _read(config)
    texts, second = _read(overrides)
    if not isinstance(settings, dict):
        raise Refused(f"{config} holds no settings; restore it from a copy")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Refused(f"{overrides} holds no list of overrides; restore it from a copy")
    return StoredConfig(settings, texts, min(origin, second, key=_TRUST.index))


def _read(path: Path) -> tuple[Any, Origin]:
    try:
        text, origin = read_signed(path)
        _refuse_tricks(path, text)
        return yaml.safe_load(text), origin
    except Refused:
        raise
    except OSError as error:
        raise Refused(f"{path} can't be read: {error.strerror}; restore it from a copy") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        told = getattr(error, "problem", None) or " ".join(str(error).split())
        reason = f"line {mark.line + 1}: {told}" if mark else told
        raise Refused(f"{path} is damaged ({reason}); restore it from a copy") from error


def _refuse_tricks(path: Path, text: str) -> None:
    """Refuse tags, and what unfolds into gigabytes or nests without end, before it is built."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise Refused(f"{path} has YAML aliases, which a stored config never has")
        # PyYAML's safe tags make sets and tuples, which those who look for names may not expect.
        if getattr(event, "tag", None) is not None:
            raise Refused(f"{path} has YAML tags, which a stored config never has")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH:
            raise Refused(f"{path} nests more than {_DEPTH} deep, which a stored config never does")

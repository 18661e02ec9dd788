"""Settings in YAML as a run stores them: signed, without tags, read back as plain data."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from trainer.errors import Refused
from trainer.storage.signature import Origin, read_signed, write_signed

_DEPTH = 100
_PLAIN = (str, int, float, bool, type(None))
_BASE_60 = re.compile(r"[-+]?\d[\d_]*(:\d+)+(\.[\d_]*)?").fullmatch
# The parser in C is ten times as fast: a megabyte takes seconds, not minutes.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
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
    settings, origin = read_yaml(config)
    texts, second = read_yaml(overrides)
    if not isinstance(settings, dict):
        raise Refused(f"{config} holds no settings; restore it from a copy")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Refused(f"{overrides} holds no list of overrides; restore it from a copy")
    return StoredConfig(settings, texts, min(origin, second, key=_TRUST.index))


def read_yaml(path: Path) -> tuple[Any, Origin]:
    """Return what `write_yaml` wrote, and whose it is; raises Refused as `read_stored` does."""
    try:
        text, origin = read_signed(path)
        _refuse_tricks(path, text)
        value = yaml.load(text, Loader=_LOADER)  # noqa: S506  # builds plain data only
    except Refused:
        raise
    except OSError as error:
        raise Refused(f"{path} can't be read: {error.strerror}; restore it from a copy") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        told = getattr(error, "problem", None) or " ".join(str(error).split())
        reason = f"line {mark.line + 1}: {told}" if mark else told
        raise Refused(f"{path} is damaged ({reason}); restore it from a copy") from error
    if odd := next((part for part in _parts(value) if type(part) not in _PLAIN), None):
        raise Refused(
            f"{path} holds a {type(odd).__name__} ({odd}), which a stored config never does"
        )
    return value, origin


def _parts(value: Any) -> Iterator[Any]:
    """Every key and every value that is no container; a key that is empty, as a tuple."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield (key,) if key is None else key
            yield from _parts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _parts(part)
    else:
        yield value


def _refuse_tricks(path: Path, text: str) -> None:
    """Refuse tags, and what unfolds into gigabytes or nests without end, before it is built."""
    depth = 0
    for event in yaml.parse(text, _LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise Refused(f"{path} has YAML aliases, which a stored config never has")
        # PyYAML's safe tags make sets and tuples, which those who look for names may not expect.
        if getattr(event, "tag", None) is not None:
            raise Refused(f"{path} has YAML tags, which a stored config never has")
        # PyYAML takes minutes for a long one.
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and _BASE_60(event.value):
            raise Refused(f"{path} has numbers to the base 60, which a stored config never has")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH:
            raise Refused(f"{path} nests more than {_DEPTH} deep, which a stored config never does")

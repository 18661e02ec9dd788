"""What the columns of a dataset are for: which holds the images or texts, which the target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError

TARGET_NAMES = ("label", "labels", "target", "class", "category", "y", "fine_label")
TEXT_NAMES = ("text", "sentence", "content", "review", "document")
LONG_TEXT = 20


@dataclass(frozen=True)
class Roles:
    """What is learnt from what."""

    kind: str
    """"images", "text" or "table"."""
    target: str
    """The column that is to be learnt."""
    columns: tuple[str, ...]
    """All columns that are used."""
    image: str | None = None
    """The column of images."""
    text: str | None = None
    """The column of texts."""
    problem: str = "classification"
    """What there is to learn, for images."""
    names: tuple[str, ...] = ()
    """Classes, labels or targets, where they are known."""
    named: bool = False
    """Whether the column holds places in `names`."""
    values: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    """For images the targets of all samples, split after split."""

    @property
    def told(self) -> str:
        """One line for the user."""
        seen = self.image or self.text or f"{len(self.columns)} columns"
        return f"{self.kind}: {seen!r} to predict {self.target!r} from"


def roles_of(
    parts: Mapping[str, Any],
    *,
    kind: str | None = None,
    image: str | None = None,
    text: str | None = None,
    target: str | None = None,
) -> Roles:
    """Return what the columns are for; arguments are what the user says, None for open.

    Raises:
        DataError: columns that aren't there, or that can't be told apart.
    """
    first = next(iter(parts.values()))
    features = dict(first.features)
    problems = [
        f"column {name!r} in data.{key} is none of the dataset; it has {_shown(features)}"
        for key, name in (("image", image), ("text", text), ("target", target))
        if name is not None and name not in features
    ]
    if problems:
        raise DataError(*problems)
    pictures = [name for name, each in features.items() if type(each).__name__ == "Image"]
    texts = [name for name in features if _is_text(first, name)]
    if kind is None:
        kind = "images" if image or pictures else "text" if text or texts else "table"
    if kind == "table":
        plain = [name for name, each in features.items() if type(each).__name__ != "Image"]
        target = target or _target(features, plain, ()) or plain[-1]
        names = _names(features[target])
        return Roles("table", target, tuple(plain), names=names, named=bool(names))
    if kind == "text":
        text = text or _one(texts, TEXT_NAMES, "text")
        target = target or _target(features, list(features), (text,))
        if target is None:
            raise DataError(_no_target(features))
        names = _names(features[target])
        return Roles("text", target, (text, target), text=text, names=names, named=bool(names))
    image = image or _one(pictures, (), "image")
    target = target or _target(features, list(features), (image, *pictures))
    if target is None:
        raise DataError(_no_target(features))
    problem, found, values = _targets(parts, target, features[target])
    return Roles(
        "images", target, (image, target), image=image, problem=problem, names=found, values=values
    )


def _is_text(part: Any, name: str) -> bool:
    """Whether a column holds texts of several words."""
    if getattr(part.features[name], "dtype", None) not in ("string", "large_string"):
        return False
    some = [str(each) for each in part[name][:LONG_TEXT] if each]
    return bool(some) and sum(" " in each for each in some) * 2 > len(some)


def _one(found: Sequence[str], usual: Sequence[str], key: str) -> str:
    """Return the only column, or the one of them that is called as usual."""
    named = [name for name in found if name.lower() in usual]
    if len(found) == 1 or named:
        return (named or found)[0]
    what = f"several columns of {key}s ({', '.join(found)})" if found else f"no column of {key}s"
    raise DataError(f"the dataset has {what}; name one in data.{key}")


def _target(features: Mapping[str, Any], names: Sequence[str], but: Sequence[str]) -> str | None:
    """Return the column that is called a target, the only class, or the only other column."""
    rest = [name for name in names if name not in but]
    named = [name for usual in TARGET_NAMES for name in rest if name.lower() == usual]
    classes = [name for name in rest if _names(features[name])]
    for found in (named, classes):
        if found and (len(found) == 1 or found is named):
            return found[0]
    return rest[0] if len(rest) == 1 else None


def _no_target(features: Mapping[str, Any]) -> str:
    return (
        f"which column is to be learnt can't be told from {_shown(features)}; name it in "
        "data.target"
    )


def _names(feature: Any) -> tuple[str, ...]:
    """Return the class names of a column of classes, () for any other."""
    return tuple(feature.names) if type(feature).__name__ == "ClassLabel" else ()


def _targets(
    parts: Mapping[str, Any], target: str, feature: Any
) -> tuple[str, tuple[str, ...], NDArray[Any]]:
    """Return problem, names and the targets of all samples."""
    said = [each for part in parts.values() for each in part[target]]
    empty = sum(each is None for each in said)
    if empty:
        raise DataError(
            f"{empty} of {len(said)} samples without a value in {target!r}; choose another column "
            "in data.target, or leave those samples out"
        )
    inner = getattr(feature, "feature", None)
    if isinstance(said[0], list | tuple):
        names = _names(inner) or tuple(sorted({str(each) for row in said for each in row}))
        places = {name: place for place, name in enumerate(names)}
        values = np.zeros((len(said), len(names)))
        for row, labels in enumerate(said):
            for each in labels:
                values[row, each if _names(inner) else places[str(each)]] = 1
        return "multilabel", names, values
    if isinstance(said[0], float):
        return "regression", (target,), np.array(said, dtype=np.float64)[:, None]
    if names := _names(feature):
        labels = np.array(said, dtype=np.int64)
        if labels.min() < 0:
            unknown = [role for role, part in parts.items() if min(part[target]) < 0]
            raise DataError(
                f"samples without a known class (-1) in {', '.join(map(repr, unknown))}; the "
                "dataset keeps them to itself: write the other splits to files and use these"
            )
        return "classification", names, labels
    unique = sorted(set(said), key=lambda each: (str(type(each)), each))
    places = {each: place for place, each in enumerate(unique)}
    labels = np.array([places[each] for each in said], dtype=np.int64)
    return "classification", tuple(map(str, unique)), labels


def _shown(features: Mapping[str, Any]) -> str:
    names = list(map(repr, features))
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")

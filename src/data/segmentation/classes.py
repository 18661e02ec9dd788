"""What the values of masks stand for: class numbers, two classes, gray levels, or colours."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from data.errors import DataError
from data.pixels.masks import (
    HALF,
    MOST_CLASSES,
    Census,
    Encoding,
    packed,
    shown_code,
    valid,
)

Ignore = int | Sequence[int] | Literal["auto"] | None
Classes = Sequence[str] | Mapping[str, Any] | None
SMALL = 64  # class numbers lie close to 0; 255 among them is what is ignored
MOST_LEVELS = 64
SOFT = 16  # how far soft edges and JPEG carry 0 and 255 away
SHOWN = 5
logger = logging.getLogger(__name__)


def named(folder: Path, classes: Classes) -> Classes:
    """Return the class names that were given, or those of classes.txt or labelmap.txt."""
    if classes is not None:
        return classes
    for path in (folder / "classes.txt", folder / "labelmap.txt"):
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError:
            continue
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is no UTF-8 text; save it as UTF-8") from error
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        logger.warning("class names are those of %s", path)
        if path.name == "classes.txt":
            return lines
        return {line.split(":")[0]: _numbers(line, path) for line in lines}
    return None


def _numbers(line: str, path: Path) -> list[int]:
    """Return the colour of a line of a labelmap.txt: `name:red,green,blue::`."""
    try:
        red, green, blue = (int(part) for part in line.split(":")[1].split(","))
    except (IndexError, ValueError) as error:
        raise DataError(
            f"{line!r} of {path} is no class; write name:red,green,blue, or set data.classes"
        ) from error
    return [red, green, blue]


def class_problems(classes: Any, ignore: Any) -> list[str]:
    """Return what is wrong with data.classes and data.ignore by themselves."""
    problems = []
    names = list(classes or ())
    if isinstance(classes, str) or any(not isinstance(name, str) or not name for name in names):
        problems.append(f"classes ({classes!r}) in data.classes; give a list of names")
    elif len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        problems.append(f"{', '.join(twice[:SHOWN])} in data.classes more than once; name it once")
    elif classes is not None and not 2 <= len(names) <= MOST_CLASSES:
        problems.append(
            f"{len(names)} classes in data.classes; a segmentation has 2 to {MOST_CLASSES}, the "
            "background being one"
        )
    elif isinstance(classes, Mapping):
        codes = [_code(value) for value in classes.values()]
        if None in codes or len(set(codes)) < len(codes):
            problems.append(
                f"classes ({dict(classes)!r}) in data.classes; give each name its own value, a "
                "number or [red, green, blue]"
            )
    if ignore not in ("auto", None) and _code(ignore) is None:
        problems.append(
            f"ignore ({ignore!r}) in data.ignore; give a mask value, [red, green, blue], null, or "
            "auto"
        )
    return problems


def _code(value: Any) -> int | None:
    if type(value) is int:
        return value if value >= 0 else None
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 3:
        return None
    return packed(value) if all(type(v) is int and 0 <= v <= 255 for v in value) else None


def encoding(
    census: Census, *, colours: bool, classes: Classes, ignore: Ignore
) -> tuple[tuple[str, ...], Encoding]:
    """Return the class names, and which value of a mask stands for which class.

    All that is assumed is logged. Raises DataError for values that no class has: which, in how
    many files and pixels, and in which file first.
    """
    ignored = None if ignore == "auto" else _code(ignore)
    found = sorted(set(census.pixels) - {ignored})
    if not found:
        raise DataError("masks hold nothing but ignored pixels; check data.ignore")
    if isinstance(classes, Mapping):
        codes = tuple(code for value in classes.values() if (code := _code(value)) is not None)
        return _checked(census, tuple(classes), Encoding(codes, ignored, colours))
    names = None if classes is None else tuple(classes)
    if colours:
        return _by_colour(census, found, names, ignored)
    several = len(found) > 2 or len(names or ()) > 2
    if ignore == "auto" and found[-1] == 255 and several and [0, *found][-2] < SMALL:
        ignored, found = 255, found[:-1]
        logger.warning("mask value 255 is ignored (data.ignore=255)")
    if names is None or len(names) == 2:
        if found == [0, 255] or found == [255]:
            logger.warning("masks are of two classes: 0 and 255")
            return names or ("background", "foreground"), Encoding((0, 255), ignored)
        if ignored is None and _soft(census, found):
            logger.warning("masks of two classes with soft edges are cut at %d", HALF)
            names = names or ("background", "foreground")
            return names, Encoding((0, 255), ignored, threshold=True)
    if names is None:
        return _by_value(census, found, ignored)
    if found[-1] >= len(names) == len(found):
        _tell_levels(found, names)
        return names, Encoding(tuple(found), ignored)
    return _checked(census, names, Encoding(tuple(range(len(names))), ignored))


def _by_colour(
    census: Census, found: list[int], names: tuple[str, ...] | None, ignored: int | None
) -> tuple[tuple[str, ...], Encoding]:
    """Classes are the colours, sorted."""
    if len(found) > (MOST_LEVELS if names is None else len(names)):
        expected = f"{len(names)} classes" if names else f"at most {MOST_LEVELS} classes"
        raise DataError(
            f"masks hold {len(found)} colours for {expected}, such as "
            f"{_places(census, found, True)}; save masks as PNG without smoothing, or give "
            "data.classes={name: [red, green, blue], ...}"
        )
    if names is not None and len(found) < len(names):
        raise DataError(
            f"masks hold {len(found)} colours for {len(names)} names in data.classes, so which is "
            "which can't be told; give data.classes={name: [red, green, blue], ...}"
        )
    names = names or tuple(shown_code(code, True) for code in found)
    _tell_levels(found, names, colours=True)
    return _two_or_more(names), Encoding(tuple(found), ignored, colours=True)


def _by_value(
    census: Census, found: list[int], ignored: int | None
) -> tuple[tuple[str, ...], Encoding]:
    """Classes are numbers, or else a few gray levels, sorted."""
    if found[-1] < SMALL or found[-1] < min(2 * len(found), MOST_CLASSES):
        names = _two_or_more(tuple(map(str, range(max(found[-1] + 1, 1)))))
        logger.warning("masks hold class numbers 0..%d; data.classes can name them", found[-1])
        return names, Encoding(tuple(range(len(names))), ignored)
    if len(found) > MOST_LEVELS:
        raise DataError(
            f"masks hold {len(found)} values from {found[0]} to {found[-1]}, such as "
            f"{_places(census, found[1:], False)}: neither class numbers nor a few gray levels; "
            "save masks as PNG without smoothing, or set data.classes"
        )
    names = _two_or_more(tuple(map(str, found)))
    _tell_levels(found, names)
    return names, Encoding(tuple(found), ignored)


def _tell_levels(codes: Sequence[int], names: Sequence[str], *, colours: bool = False) -> None:
    pairs = [f"{shown_code(c, colours)}={n}" for c, n in zip(codes, names, strict=True)]
    what = "colours" if colours else "gray levels"
    more = ", ..." if len(pairs) > 8 else ""
    logger.warning("%s of masks are classes in their order: %s%s", what, ", ".join(pairs[:8]), more)


def _soft(census: Census, found: Sequence[int]) -> bool:
    """Whether nearly all pixels are nearly 0 or 255, as in JPEG and with smoothed edges."""
    if found[0] >= SOFT or not 255 - SOFT < found[-1] <= 255:
        return False
    whole = sum(census.pixels[code] for code in found)
    middle = sum(census.pixels[c] for c in found if SOFT <= c <= 255 - SOFT)
    return len(found) > 2 and middle < 0.1 * whole


def _two_or_more(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) < 2:
        raise DataError(
            f"all masks hold the same value ({names[0]}); a segmentation needs two classes, the "
            "background being one"
        )
    return names


def _checked(
    census: Census, names: tuple[str, ...], found: Encoding
) -> tuple[tuple[str, ...], Encoding]:
    """Return both unless masks hold values that are no class."""
    known = {*found.codes, found.ignored}
    strange = sorted(set(census.pixels) - known)
    if not strange:
        return names, found
    problems = []
    for code in strange:
        files = census.files[code]
        among = f" and {files - 1} more" if files > 1 else ""
        problems.append(
            f"mask value {shown_code(code, found.colours)} in {census.first[code]}{among} "
            f"({census.pixels[code]:,} pixels) is no class; valid are {valid(found)} for "
            f"{len(names)} classes: mend the masks, or set data.ignore or data.classes"
        )
    raise DataError(*problems)


def _places(census: Census, codes: Sequence[int], colours: bool) -> str:
    return ", ".join(
        f"{shown_code(code, colours)} in {census.first[code]}" for code in codes[:SHOWN]
    )

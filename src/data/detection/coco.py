"""COCO's JSON: images, annotations and categories in one file.

Source: https://cocodataset.org/#format-data
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.detection.boxed import Box, Boxed, box_fault
from data.errors import DataError, SampleError
from data.images.pairing import IMAGE_FOLDERS
from data.pixels.masks import upright_size

PARTS = ("images", "annotations", "categories")
SIDES = 4
logger = logging.getLogger(__name__)


def read_coco(folder: Path, files: Sequence[tuple[str, Path]]) -> Boxed:
    """Return the images and boxes of one or several JSON files; `files` are (split, path).

    Images are looked for beside the JSON, in the folders there that usually hold them, and above.
    """
    found = Boxed(about="COCO JSON")
    contents = [(split, path, _content(path)) for split, path in files]
    _classes(found, contents)
    if found.problems:
        raise DataError(*found.problems)
    numbers = {name: number for number, name in enumerate(found.classes)}
    crowds = 0
    for split, path, content in contents:
        crowds += _add(found, folder, split, path, content, numbers)
    if crowds:
        logger.warning("%d annotations with iscrowd=1 are left out", crowds)
    twice = [name for name, count in Counter(found.names).items() if count > 1]
    found.problems += [f"{folder / name} is listed more than once; list it once" for name in twice]
    return found


def is_coco(path: Path) -> bool:
    """Whether a JSON file begins as one of COCO's does, or is small and is one."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            head = file.read(1 << 16)
            if not head.lstrip().startswith("{"):
                return False
            named = [f'"{part}"' in head for part in (*PARTS, "info", "licenses")]
            return any(named) if file.read(1) else all(named[:2])
    except (OSError, UnicodeDecodeError):
        return False


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read ({error}); check data.path") from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} is no JSON: {error.msg} in line {error.lineno}, column {error.colno}; write "
            "it again"
        ) from error
    missing = [
        part
        for part in PARTS
        if not isinstance(content, dict) or not isinstance(content.get(part), list)
    ]
    if missing:
        raise DataError(
            f"{path} has no list of {', '.join(missing)}, as COCO's JSON has; write it again"
        )
    return dict(content)


def _classes(found: Boxed, contents: Sequence[tuple[str, Path, Mapping[str, Any]]]) -> None:
    """Take the names of all categories down, in the order of their ids."""
    for _, path, content in contents:
        rows = content["categories"]
        wrong = [row for row in rows if not isinstance(row, dict) or not {"id", "name"} <= {*row}]
        if wrong or not rows:
            found.problems.append(f"{path}: categories need an id and a name each ({wrong[:1]})")
            continue
        for field in ("id", "name"):
            values = Counter(str(row[field]) for row in rows)
            twice = [value for value, count in values.items() if count > 1]
            if twice:
                found.problems.append(
                    f"{path}: {len(twice)} categories with the same {field} ({twice[0]!r}); give "
                    "each its own"
                )
        ordered = sorted(rows, key=lambda row: (not isinstance(row["id"], int), row["id"]))
        used = {row.get("category_id") for row in content["annotations"] if isinstance(row, dict)}
        for row in ordered:
            # Roboflow writes a category above all others, which no box has.
            parent = row["id"] not in used and any(
                other.get("supercategory") == row["name"] for other in rows
            )
            if str(row["name"]) not in found.classes and not parent:
                found.classes.append(str(row["name"]))


def _add(
    found: Boxed,
    folder: Path,
    split: str,
    path: Path,
    content: Mapping[str, Any],
    numbers: Mapping[str, int],
) -> int:
    """Take the images of one file down; returns how many boxes of crowds were left out."""
    names = {row["id"]: str(row["name"]) for row in content["categories"]}
    boxes, sizes, paths = _images(found, folder, path, content)
    crowds, seen = 0, set()
    for place, row in enumerate(content["annotations"]):
        where = f"{path}, annotation {place}"
        if not isinstance(row, dict):
            found.faults.append(f"{where} is no object; mend or remove it")
            continue
        where = f"{path}, annotation {row.get('id', place)}"
        if row.get("iscrowd"):
            crowds += 1
            continue
        number, image = row.get("id", f"#{place}"), row.get("image_id")
        fault = None
        if number in seen:
            fault = f"{where}: this id comes more than once; give each annotation its own"
        elif image not in boxes:
            fault = f"{where}: image_id {image!r} is of no image; mend or remove it"
        elif row.get("category_id") not in names:
            fault = (
                f"{where}: category_id {row.get('category_id')!r} is no category; there are "
                f"{', '.join(map(str, list(names)[:8]))}: mend or remove it"
            )
        seen.add(number)
        box = None if fault else _box(row, numbers.get(names[row["category_id"]], 0))
        if fault is None and box is None:
            fault = f"{where}: bbox {row.get('bbox')!r} isn't [x, y, width, height]; mend it"
        if fault is None and box is not None:
            fault = box_fault(box, sizes[image], f"{where} ({paths[image]})")
        if fault is not None:
            found.faults.append(fault)
        elif box is not None:
            boxes[image].append(box)
    for number, name in paths.items():
        if sizes[number] == (0, 0):
            found.bad[len(found.names)] = _why(folder / name)
        found.add(name, split, sizes[number], boxes[number])
    return crowds


def _images(
    found: Boxed, folder: Path, path: Path, content: Mapping[str, Any]
) -> tuple[dict[Any, list[Box]], dict[Any, tuple[int, int]], dict[Any, str]]:
    """Return the boxes (none yet), size and path of each image, by its id."""
    boxes: dict[Any, list[Box]] = {}
    sizes: dict[Any, tuple[int, int]] = {}
    paths: dict[Any, str] = {}
    places = _places(path, folder)
    for place, row in enumerate(content["images"]):
        if not isinstance(row, dict) or not {"id", "file_name"} <= {*row}:
            found.problems.append(f"{path}: image {place} has no id or no file_name; mend it")
            continue
        number, name = row["id"], str(row["file_name"]).replace("\\", "/")
        if number in boxes:
            found.problems.append(
                f"{path}: image id {number!r} comes more than once ({name}); give each its own"
            )
            continue
        file = next((p for root in places if (p := root / name).is_file()), places[0] / name)
        size = _size(file)
        claimed = (row.get("width"), row.get("height"))
        if size != (0, 0) and None not in claimed and claimed != size:
            found.problems.append(
                f"{path}: image {name} is said to be {claimed[0]} x {claimed[1]} pixels and is "
                f"{size[0]} x {size[1]}; its boxes can't be right: write the size that it has"
            )
        boxes[number], sizes[number] = [], size
        paths[number] = _below(file, folder)
    return boxes, sizes, paths


def _places(path: Path, folder: Path) -> list[Path]:
    """Return where the images of a JSON file may be."""
    stem = re.sub(r"^(instances|annotations|person_keypoints)_?", "", path.stem)
    known = [stem] if stem else []
    roots = [path.parent, *([path.parent.parent] if path.parent != folder else [])]
    found = []
    for root in roots:
        found += [root]
        found += [root / name for name in (*IMAGE_FOLDERS, "data") if (root / name).is_dir()]
        found += [root / name for name in known if (root / name).is_dir()]
        found += [root / i / name for i in IMAGE_FOLDERS for name in known if (root / i).is_dir()]
    return found


def _box(row: Mapping[str, Any], label: int) -> Box | None:
    bbox = row.get("bbox")
    if not isinstance(bbox, list) or len(bbox) != SIDES:
        return None
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in bbox):
        return None
    x, y, width, height = bbox
    return Box(label, x, y, x + width, y + height)


def _size(file: Path) -> tuple[int, int]:
    try:
        return upright_size(file)
    except SampleError:
        return (0, 0)


def _why(file: Path) -> str:
    try:
        upright_size(file)
    except SampleError as error:
        return str(error)
    return f"{file} can't be read; remove or replace it"


def _below(file: Path, folder: Path) -> str:
    try:
        return file.relative_to(folder).as_posix()
    except ValueError:
        return file.as_posix()

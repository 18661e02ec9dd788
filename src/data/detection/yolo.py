"""Ultralytics' YOLO layout: a text file of boxes for each image, class names in a YAML file.

A line is `class x_centre y_centre width height`, as fractions of the image; of a polygon
(`class x1 y1 x2 y2 ...`) the smallest box around it is taken.
Source: https://docs.ultralytics.com/datasets/detect/
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.detection.boxed import Box, Boxed, box_fault
from data.errors import DataError, SampleError
from data.images.pairing import WHOLE, Place, pair, places
from data.pixels.masks import upright_size

LABEL_FOLDERS = ("labels", "label")
NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml", "classes.txt")
logger = logging.getLogger(__name__)


def yolo_places(folder: Path) -> list[Place]:
    """Return where images and text files are: as `places` has it, or beside each other, or []."""
    where = places(folder, LABEL_FOLDERS)
    if where:
        texts = (path for place in where for path in place.partners.rglob("*.txt"))
        return where if next(texts, None) is not None else []
    beside = [Place(WHOLE, folder, folder)]
    texts = (folder / text for text in pair(folder, beside, endings=[".txt"]).partners if text)
    first = next((path for path in texts if path.stat().st_size), None)
    # Captions, say, lie beside images as well.
    return beside if first is not None and _lines(first)[0] else []


def read_yolo(folder: Path, where: Sequence[Place], classes: Sequence[str] | None) -> Boxed:
    """Return the images of a folder with their boxes; those without a text file have none."""
    pairs = pair(folder, where, endings=[".txt"])
    found = Boxed(about="YOLO text files", problems=pairs.problems)
    names = list(classes) if classes is not None else class_names(folder)
    highest, polygons, without = -1, 0, 0
    for name, text, group in zip(pairs.names, pairs.partners, pairs.groups, strict=True):
        try:
            size = upright_size(folder / name)
        except SampleError as error:
            found.bad[len(found.names)] = str(error)
            size = (0, 0)
        boxes: list[Box] = []
        without += text is None
        if text is not None:
            lines, faults = _lines(folder / text)
            found.faults += faults
            for number, values in lines:
                box = _box(values, size if size[0] else (1, 1))
                fault = box_fault(box, size, f"{folder / text}, line {number}")
                if names is not None and box.label >= len(names):
                    fault = (
                        f"{folder / text}, line {number}: class {box.label} is none; there are 0.."
                        f"{len(names) - 1}: mend it, or the names"
                    )
                if fault is not None:
                    found.faults.append(fault)
                    continue
                boxes.append(box)
                highest, polygons = max(highest, box.label), polygons + (len(values) > 5)
        found.add(name, group, size, boxes)
    if names is None:
        names = [str(number) for number in range(highest + 1)]
        logger.warning("classes have numbers for names: there is no data.yaml or classes.txt")
    found.classes = names
    if polygons:
        logger.warning("%d polygons are taken as the boxes around them", polygons)
    if without:
        logger.warning("%d images have no text file, and so no boxes", without)
    if pairs.alone:
        alone = [name for name in pairs.alone if Path(name).name not in NAMES]
        if alone:
            shown = ", ".join(alone[:3]) + (", ..." if len(alone) > 3 else "")
            logger.warning("%d text files without an image are left out: %s", len(alone), shown)
    return found


def class_names(folder: Path) -> list[str] | None:
    """Return the names of data.yaml or classes.txt, in the folder or above its split folders."""
    for root in (folder, folder / "labels", folder.parent):
        for name in NAMES:
            path = root / name
            if not path.is_file() or (root == folder.parent and name == "classes.txt"):
                continue
            try:
                text = path.read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                raise DataError(f"{path} can't be read ({error}); save it as UTF-8") from error
            if name == "classes.txt":
                return [line.strip() for line in text.splitlines() if line.strip()]
            if (names := _of_yaml(path, text)) is not None:
                return names
    return None


def _of_yaml(path: Path, text: str) -> list[str] | None:
    import yaml

    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"{path} is no YAML ({' '.join(str(error).split())}); mend it") from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if names is None:
        return None
    if not isinstance(names, list) or not names:
        raise DataError(f"{path}: names ({names!r}) isn't a list of class names; mend it")
    return [str(name) for name in names]


def _lines(path: Path) -> tuple[list[tuple[int, list[float]]], list[str]]:
    """Return the numbers of each line with its place, and what is wrong with others."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return [], [f"{path} can't be read ({error}); mend or remove it"]
    found, faults = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = [float(word) for word in line.split()]
        except ValueError:
            values = []
        if (
            len(values) < 5
            or (len(values) > 5 and (len(values) % 2 == 0 or len(values) < 7))
            or values[0] != int(values[0])
            or values[0] < 0
        ):
            faults.append(
                f"{path}, line {number}: {line.strip()[:60]!r} isn't class, x, y, width, height; "
                "mend it"
            )
            continue
        found.append((number, values))
    return found, faults


def _box(values: Sequence[float], size: tuple[int, int]) -> Box:
    columns, rows = size
    label, *rest = values
    if len(rest) > 4:
        across, down = rest[::2], rest[1::2]
        x1, x2, y1, y2 = min(across), max(across), min(down), max(down)
    else:
        x, y, width, height = rest
        x1, x2, y1, y2 = x - width / 2, x + width / 2, y - height / 2, y + height / 2
    return Box(int(label), x1 * columns, y1 * rows, x2 * columns, y2 * rows)

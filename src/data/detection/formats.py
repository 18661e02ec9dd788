"""Which format a folder of images with boxes has, and where its files are."""

from collections.abc import Sequence
from pathlib import Path

from data.detection.boxed import Boxed
from data.detection.coco import is_coco, read_coco
from data.detection.yolo import read_yolo, yolo_places
from data.errors import DataError
from data.folders import split_in_name
from data.inputs import nearest
from data.splits import SPLIT_WORDS

JSON_FOLDERS = ("annotations", "labels")


def coco_files(path: Path) -> list[tuple[str, Path]]:
    """Return COCO's JSON files with the split of each, "" for one that isn't split yet.

    In the folder, in annotations/, or in the folder of each split (as Roboflow has it).
    """
    if path.is_file():
        return [("", path)] if is_coco(path) else []
    found = [file for file in _jsons(path) if is_coco(file)]
    for name in JSON_FOLDERS:
        found += [file for file in _jsons(path / name) if is_coco(file)]
    if not found:
        for names in SPLIT_WORDS.values():
            for name in names:
                found += [file for file in _jsons(path / name) if is_coco(file)][:1]
    split = [(split_in_name(file.relative_to(path).as_posix()), file) for file in found]
    by_name = {group for group, _ in split}
    if len(found) > 1 and "train" in by_name:
        return [(group, file) for group, file in split if group and _of_boxes(file)]
    if len(found) > 1:
        found = [file for file in found if _of_boxes(file)]
    return [("", found[0])] if len(found) == 1 else [("", file) for file in found]


def voc_folders(path: Path) -> list[Path]:
    """Return the folders of Pascal VOC's XML files in a folder, or one or two levels below it."""
    if not path.is_dir():
        return []
    return [
        place
        for level in ("", "VOC*/", "VOC*/VOC*/")
        for place in sorted(path.glob(f"{level}Annotations"))
        if (place.parent / "JPEGImages").is_dir() and any(place.glob("*.xml"))
    ]


def read_boxes(path: str | Path | None, classes: Sequence[str] | None) -> tuple[Path, Boxed]:
    """Return the folder that names are relative to, and its images with their boxes.

    Raises:
        DataError: there is no such folder, or nothing in it that is known.
    """
    if path is None or not str(path).strip():
        raise DataError(
            "data.path is needed: data.path=FOLDER with images and COCO's JSON or YOLO's labels"
        )
    place = Path(path).expanduser()
    if not place.exists():
        raise DataError(f"{place} in data.path does not exist{nearest(place, '; check data.path')}")
    files = coco_files(place)
    folder = place if place.is_dir() else _root(place)
    if len(files) > 1 and len({split for split, _ in files}) < len(files):
        shown = ", ".join(str(file) for _, file in files[:5])
        raise DataError(
            f"{place} has {len(files)} JSON files ({shown}), so which one is meant can't be told; "
            "give its path, or name them train, val and test"
        )
    if files:
        return folder, read_coco(folder, files)
    where = yolo_places(folder) if place.is_dir() else []
    if where:
        return folder, read_yolo(folder, where, classes)
    if voc := voc_folders(place):
        raise DataError(
            f"{place} in data.path holds Pascal VOC's XML files ({voc[0]}); convert them to COCO "
            "or YOLO, see docs/detection.md for the layouts"
        )
    what = "no COCO JSON (images, annotations, categories)"
    raise DataError(
        f"{place} in data.path is {what}"
        if place.is_file()
        else f"{place} in data.path holds {what} and no images/ with labels/*.txt; see "
        "docs/detection.md for the layouts"
    )


def _root(file: Path) -> Path:
    """Return the folder of a JSON file, or the one above annotations/."""
    return file.parent.parent if file.parent.name in JSON_FOLDERS else file.parent


def _jsons(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))


def _of_boxes(file: Path) -> bool:
    """Whether a name isn't that of COCO's further files, of captions, keypoints and the like."""
    return not file.name.startswith(("captions", "person_keypoints", "stuff", "panoptic"))

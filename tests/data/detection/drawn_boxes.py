"""Small folders of images with boxes: bright rectangles on dark, in COCO's JSON or YOLO."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROWS, COLUMNS = 40, 60


def picture(boxes: list[tuple[int, int, int, int]], seed: int = 0) -> NDArray[np.uint8]:
    pixels = np.random.default_rng(seed).integers(0, 40, (ROWS, COLUMNS, 3), dtype=np.uint8)
    for x, y, width, height in boxes:
        pixels[y : y + height, x : x + width] = 255
    return pixels


def boxes_of(number: int) -> list[tuple[int, int, int, int]]:
    """None in every fifth image, otherwise one or two: x, y, width, height."""
    if number % 5 == 4:
        return []
    first = (4 + number, 6, 16, 12)
    return [first] if number % 2 else [first, (36, 24, 10, 14)]


def save(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def coco(count: int = 10) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(count):
        images.append(
            {"id": number + 1, "file_name": f"{number:02}.png", "width": COLUMNS, "height": ROWS}
        )
        for place, box in enumerate(boxes_of(number)):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number + 1,
                    "category_id": 7 if place else 3,
                    "bbox": list(box),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": 7, "name": "small"}, {"id": 3, "name": "large"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def coco_folder(root: Path, content: dict[str, Any] | None = None) -> Path:
    for number in range(10):
        save(root / f"images/{number:02}.png", picture(boxes_of(number), number))
    (root / "annotations.json").write_text(json.dumps(content or coco()))
    return root


def yolo_text(number: int) -> str:
    lines = []
    for place, (x, y, width, height) in enumerate(boxes_of(number)):
        numbers = (
            (x + width / 2) / COLUMNS,
            (y + height / 2) / ROWS,
            width / COLUMNS,
            height / ROWS,
        )
        lines.append(f"{place} " + " ".join(f"{value:.9f}" for value in numbers))
    return "\n".join(lines) + "\n"


def yolo_folder(root: Path, images: str = "images", labels: str = "labels") -> Path:
    for number in range(10):
        save(root / images / f"{number:02}.png", picture(boxes_of(number), number))
        path = root / labels / f"{number:02}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        if boxes_of(number):
            path.write_text(yolo_text(number))
    (root / "data.yaml").write_text("names: [large, small]\nnc: 2\n")
    return root

"""What the two models learn from sixty drawn images in a minute of one core."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import nn

from data.augmentation.joint import JointAffine
from data.detection import detection
from data.loading.loaders import loader
from data.segmentation import segmentation
from data.splits import Splits
from models.detector import Detector
from models.unet import UNet
from models.vision_losses import DetectionLoss
from trainer.evaluation.detection import Detection
from trainer.evaluation.segmentation import Segmentation

SIDE = 64


def draw(folder: Path, count: int = 60) -> Path:
    """One to three discs, squares and triangles of any colour on noise, with masks and boxes."""
    random = np.random.default_rng(0)
    names = ("disc", "square", "triangle")
    found: dict[str, list[dict[str, object]]] = {"images": [], "annotations": []}
    found["categories"] = [{"id": n, "name": name} for n, name in enumerate(names)]
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        image = Image.fromarray(random.integers(90, 170, (SIDE, SIDE, 3), dtype=np.uint8))
        mask = Image.new("L", (SIDE, SIDE))
        name = f"{number:02}.png"
        found["images"].append({"id": number, "file_name": name, "width": SIDE, "height": SIDE})
        for column in random.permutation(3)[: random.integers(1, 4)].tolist():
            size = int(random.integers(10, 20))
            x = 21 * column + int(random.integers(0, 21 - size))
            y = int(random.integers(0, SIDE - size))
            kind, red, green = (int(n) for n in random.integers((0, 0, 0), (3, 256, 90)))
            colours: tuple[tuple[int, ...] | int, ...] = ((red, green, 200), kind + 1)
            far = (x + size, y + size)
            for surface, colour in zip((image, mask), colours, strict=True):
                pen = ImageDraw.Draw(surface)
                if kind == 2:
                    pen.polygon([(x, far[1]), far, (x + size // 2, y)], fill=colour)
                else:
                    (pen.ellipse, pen.rectangle)[kind]((x, y, *far), fill=colour)
            box = {"id": len(found["annotations"]), "image_id": number, "category_id": kind}
            found["annotations"].append({**box, "bbox": [x, y, size + 1, size + 1]})
        image.save(folder / "images" / name)
        mask.save(folder / "masks" / name)
    (folder / "annotations.json").write_text(json.dumps(found))
    return folder


def learnt(
    splits: Splits[Any], model: nn.Module, loss: nn.Module, evaluation: Any, epochs: int
) -> dict[str, float]:
    train = loader(splits.train, batch_size=8, shuffle=True, seed=0, device="cpu")
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    steps = epochs * len(train)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for epoch in range(epochs):
        for images, target in train.epoch(epoch):
            found = loss(model(images), target)
            optimizer.zero_grad()
            (found[0] / found[1] if isinstance(found, tuple) else found).backward()
            optimizer.step()
            schedule.step()
    model.eval()
    measured = evaluation.start(splits.info, "cpu")
    test = loader(splits.test, batch_size=8, shuffle=False, seed=0, device="cpu")
    with torch.no_grad():
        for images, target in test.epoch(0):
            measured.update(model(images), target, 0.0, 1.0)
    values: dict[str, float] = measured.values()
    return values


@pytest.mark.long
def test_masks_are_learnt(tmp_path: Path) -> None:
    augment = JointAffine(flip=True, rotate=10, scale=0.1, shift=0.05, fill="edge")
    splits = segmentation(draw(tmp_path / "shapes"), size=SIDE, augment=augment)
    model = UNet(splits.info.input_shape, splits.info.num_outputs)
    values = learnt(splits, model, nn.CrossEntropyLoss(), Segmentation(), 60)
    assert values["mean_iou"] >= 0.8


@pytest.mark.long
def test_boxes_are_learnt(tmp_path: Path) -> None:
    augment = JointAffine(flip=True, scale=0.2, shift=0.1, fill="edge")
    splits = detection(draw(tmp_path / "shapes"), size=SIDE, augment=augment)
    model = Detector(splits.info.input_shape, splits.info.num_outputs)
    values = learnt(splits, model, DetectionLoss(SIDE, SIDE), Detection(), 60)
    assert values["map50"] >= 0.7

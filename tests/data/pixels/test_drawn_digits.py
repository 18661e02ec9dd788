"""Ten digits drawn by hand, through the reader, to a model that never saw such drawings.

The drawings are in tests/users/drawn_digits, with the script that made them.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from data.digits import digits
from data.images.reader import ImageReader
from models.cnn import CNN
from trainer.cli import main

DRAWN = Path(__file__).parents[2] / "users" / "drawn_digits"


def right(run: Path, reader: ImageReader) -> int:
    """How many of the ten the averaged weights of a run get right."""
    best = json.loads((run / "checkpoints" / "best.json").read_text())["folder"]
    weights = load_file(run / "checkpoints" / best / "ema.safetensors")
    model = CNN((1, 8, 8), 10).eval()
    model.load_state_dict({name.removeprefix("model."): value for name, value in weights.items()})
    samples = [reader.read(str(DRAWN / f"{number}.png")) for number in range(10)]
    with torch.no_grad():
        found = model(torch.from_numpy(reader.batch(samples))).argmax(1)
    return int((found == torch.arange(10)).sum())


def reader_of(run: Path, **changes: str) -> ImageReader:
    info = SimpleNamespace(**json.loads((run / "info.json").read_text()))
    return ImageReader(**{k: v for k, v in (info.reader | changes).items() if k != "_target_"})


def train(folder: Path, *words: str) -> Path:
    run = folder / "run"
    assert main(["train", *words, "recorder=silent", "export=none", f"run.dir={run}"]) == 0
    return run


def test_eight_of_ten_are_right_after_a_few_epochs(tmp_path: Path) -> None:
    run = train(tmp_path, "trainer.epochs=6")
    assert right(run, reader_of(run)) >= 8
    # Scaled like a photograph they could not be read: it is the fit that does it.
    assert right(run, reader_of(run, fit="stretch")) < 5


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_eight_of_ten_are_right_after_the_default_run(tmp_path: Path, seed: int) -> None:
    run = train(tmp_path, f"seed={seed}")
    assert right(run, reader_of(run)) >= 8


def test_the_drawings_are_black_on_white_and_unlike_each_other() -> None:
    sizes, pens = set(), []
    for number in range(10):
        image = Image.open(DRAWN / f"{number}.png")
        pixels = np.asarray(image)
        assert image.format == "PNG" and np.median(pixels) == 255 and pixels.min() == 0
        rows = np.nonzero(pixels < 128)[0]
        height = int(rows.max() - rows.min() + 1)
        sizes.add((image.size, height))
        inked = pixels < 128
        edge = (inked[1:] != inked[:-1]).sum() + (inked[:, 1:] != inked[:, :-1]).sum()
        pens.append(2 * inked.sum() / (edge * np.pi / 4) / height)
    assert len(sizes) == 10
    assert min(pens) < 0.06 and max(pens) > 0.13  # thin and thick, by the digit's height


def test_none_is_from_the_data() -> None:
    splits = digits()
    reader = ImageReader(**{k: v for k, v in splits.info.reader.items() if k != "_target_"})
    every = torch.cat([part.samples for part in (splits.train, splits.validation, splits.test)])
    for number in range(10):
        pixels = reader.read(str(DRAWN / f"{number}.png"))[..., 0]
        apart = (every[:, 0].long() - torch.tensor(pixels.astype(int))).abs().float().mean((1, 2))
        assert apart.min() > 5

"""Samples that can't be read: a run stops and names them, or goes on without and lists them."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from forkserver import Ended, ForkServer
from PIL import Image
from safetensors.torch import load_file
from worker_rows import WORDS

ROWS = tuple(word for word in WORDS if "timeout" not in word)
ROWS = (*ROWS, "data._target_=bad_rows.rows", "loader.num_workers=0")
SKIP = "loader.on_error=skip"
IMAGES = (
    "train", "data=images", "data.path=pics", "data.size=8", "data.augment=null", "run.dir=run",
    "model=mlp", "model.hidden=[4]", "trainer.epochs=2", "trainer.threads=1", "recorder=silent",
    "export=none", "loader.batch_size=4", "loader.num_workers=0",
)  # fmt: skip
# What FAULTS.md FI-08 names, besides those that are no trouble.
DAMAGED = {
    "cat/00.jpg": "can't be decoded (image file is truncated",
    "cat/04.jpg": "is not an image that Pillow",
    "dog/01.jpg": "is an empty file (0 bytes)",
    "dog/07.jpg": "can't be decoded (Image size (400000000 pixels) exceeds limit",
}


def listed(place: Path) -> list[dict[str, str]]:
    with (place / "run/bad_samples.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def weights(place: Path) -> dict[str, list[float]]:
    path = sorted((place / "run/checkpoints").glob("step_*/model.safetensors"))[-1]
    return {name: tensor.flatten().tolist() for name, tensor in load_file(path).items()}


def count(place: Path, split: str) -> int:
    """How many samples an evaluation was about."""
    report = json.loads((place / f"run/evaluation/{split}.json").read_text())
    return int(report["num_samples"])


def ends(server: ForkServer, place: Path, words: Sequence[str], code: int = 0) -> Ended:
    ended = server.run(words, place)
    assert ended.code == code and "Traceback" not in ended.err, ended
    return ended


@pytest.fixture(scope="module")
def pics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures of two classes: four damaged, three of odd kinds that are no trouble."""
    folder = tmp_path_factory.mktemp("damaged") / "pics"
    for number in range(30):
        path = folder / ("cat", "dog")[number % 2] / f"{number:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    (folder / "cat/00.jpg").write_bytes((folder / "cat/00.jpg").read_bytes()[:-100])
    (folder / "cat/04.jpg").write_text("no picture")
    (folder / "dog/01.jpg").write_bytes(b"")
    Image.new("1", (20_000, 20_000)).save(folder / "dog/07.jpg", format="png")
    Image.new("CMYK", (12, 12)).save(folder / "cat/06.jpg")
    deep = np.arange(144, dtype=np.uint16).reshape(12, 12) * 400
    Image.fromarray(deep).save(folder / "cat/08.jpg", format="png")
    Image.new("P", (12, 12)).save(folder / "dog/09.jpg", format="png")
    return folder


@pytest.mark.parametrize("cache", ["true", "false"])
def test_pictures_that_can_not_be_read(
    cache: str, pics: Path, server: ForkServer, tmp_path: Path
) -> None:
    shutil.copytree(pics, tmp_path / "pics")
    words = (*IMAGES, f"data.cache={cache}")
    told = ends(server, tmp_path, words, code=2).err
    assert all(f"pics/{name} {why}" in told for name, why in DAMAGED.items()), told
    assert not (tmp_path / "run").exists()

    told = ends(server, tmp_path, [*words, SKIP, "loader.max_bad=3"], code=2).err
    assert "4 images can't be read, more than loader.max_bad (3) allows" in told
    assert not (tmp_path / "run").exists()

    ended = ends(server, tmp_path, [*words, SKIP, "loader.max_bad=4"])
    assert "samples left out: 4 (bad_samples.csv)" in ended.out
    found = {row["name"]: row["reason"] for row in listed(tmp_path)}
    assert found.keys() == DAMAGED.keys()
    assert all(why in found[name] for name, why in DAMAGED.items())
    info = json.loads((tmp_path / "run/info.json").read_text())
    assert sum(info[f"num_{split}"] for split in ("train", "validation", "test")) == 26
    before = weights(tmp_path)
    ends(server, tmp_path, ["train", "resume=run"])  # complete
    assert weights(tmp_path) == before


def test_a_picture_that_only_running_meets(pics: Path, server: ForkServer, tmp_path: Path) -> None:
    """Its header is sound, and it is none of those that statistics are taken over."""
    shutil.copytree(pics, tmp_path / "pics")
    for name in DAMAGED:
        (tmp_path / "pics" / name).unlink()
    words = [*IMAGES, "data.cache=false", "data.validation=0.2", SKIP]
    ends(server, tmp_path, words)
    assert not (tmp_path / "run/bad_samples.csv").exists()
    with (tmp_path / "run/evaluation/validation_predictions.csv").open(newline="") as file:
        names = [row["input"] for row in csv.DictReader(file)]
    shutil.rmtree(tmp_path / "run")
    path = tmp_path / "pics" / names[1]
    path.write_bytes(path.read_bytes()[:-100])
    ends(server, tmp_path, words)
    [row] = listed(tmp_path)
    assert (row["split"], row["sample"], row["name"]) == ("validation", "1", names[1])
    assert row["reason"].startswith(f"pics/{names[1]} (sample 1) can't be decoded")
    assert count(tmp_path, "validation") == len(names) - 1
    with (tmp_path / "run/evaluation/validation_predictions.csv").open(newline="") as file:
        assert [each["input"] for each in csv.DictReader(file)] == [names[0], *names[2:]]


BAD = ("+data.bad=[3,7,50]", "+data.bad_validation=[0,1,2,3]", "+data.bad_test=[11,5]")


def test_rows_that_can_not_be_read(server: ForkServer, tmp_path: Path) -> None:
    """The same in this process and in workers; a batch may be lost as a whole."""
    places = [tmp_path / "0", tmp_path / "2"]
    for place in places:
        place.mkdir()
        ends(server, place, [*ROWS, *BAD, SKIP, f"loader.num_workers={place.name}"])
        assert (count(place, "validation"), count(place, "test")) == (8, 10)
        found = [(row["split"], row["sample"], row["name"]) for row in listed(place)]
        assert sorted(found) == sorted(
            [("train", str(n), f"row {n}") for n in (3, 7, 50)]
            + [("validation", str(n), f"row {n}") for n in range(4)]
            + [("test", str(n), f"row {n}") for n in (5, 11)]
        )
        assert all("failed (OSError: gone, at " in row["reason"] for row in listed(place))
    assert weights(places[0]) == weights(places[1])
    plain = tmp_path / "plain"
    plain.mkdir()
    ends(server, plain, ROWS)
    assert weights(plain) != weights(places[0])  # the comparison can fail


def test_one_that_stops_the_run_and_is_then_left_out(server: ForkServer, tmp_path: Path) -> None:
    words = [*ROWS, "+data.bad=[34]"]
    told = ends(server, tmp_path, words, code=7).err
    assert "sample 34 of Rows failed (OSError: gone, at " in told
    assert "or set loader.on_error=skip" in told
    ends(server, tmp_path, ["train", "resume=run", SKIP])
    assert [row["sample"] for row in listed(tmp_path)] == ["34"]
    other = tmp_path / "other"
    other.mkdir()
    ends(server, other, [*words, SKIP])
    assert weights(tmp_path) == weights(other)


def test_more_than_a_run_puts_up_with(server: ForkServer, tmp_path: Path) -> None:
    words = [*ROWS, "+data.bad=[10,20,30,40,50]", SKIP, "loader.max_bad=3"]
    told = ends(server, tmp_path, words, code=7).err
    assert "4 samples can't be read, more than loader.max_bad (3) allows" in told
    assert "or raise loader.max_bad:\n  1. sample " in told
    ends(server, tmp_path, ["train", "resume=run", "loader.max_bad=5"])
    assert sorted(row["sample"] for row in listed(tmp_path)) == ["10", "20", "30", "40", "50"]

"""Each kind of data goes the whole way by its one command: train, evaluate, export, predict."""

import csv
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from trainer.cli import main

Box = tuple[int, int, int, int]
RNG = np.random.default_rng(0)
START = RNG.bit_generator.state
SHORT = ["trainer.threads=1", "recorder=silent", "export=onnx", "loader.num_workers=0"]


@dataclass(frozen=True)
class Kind:
    """A kind of data: what makes some, how it is trained on, what is predicted from it."""

    name: str
    make: Callable[[Path], Path]
    words: Sequence[str]
    inputs: Sequence[str]  # of predict, as seen from the folder of the data
    columns: Sequence[str]  # of predict's table, besides those that the inputs bring along
    metric: str
    least: float  # or most, where less is better
    rows: int = 1


def write_rows(path: Path, rows: Sequence[Sequence[object]], separator: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    return path


def table(folder: Path) -> Path:
    """European: semicolons, decimal commas, umlauts in cp1252, spaces in names, a missing cell."""
    rows = ["Größe m2;Zimmer;Ort;Preis"]
    for k in range(200):
        size, rooms, city = RNG.uniform(20, 200), k % 6 + 1, ("Bern", "Genève", "Zürich")[k % 3]
        price = 5 * size + 20 * rooms + 300 * (city == "Bern")
        numbers = [f"{size:.1f}".replace(".", ","), f"{price:.2f}".replace(".", ",")]
        rows.append(f"{numbers[0]};{'' if k == 7 else rooms};{city};{numbers[1]}")
    (folder / "wohnungen.csv").write_bytes("\r\n".join(rows).encode("cp1252"))
    (folder / "neu.csv").write_text("Größe m2;Zimmer;Ort\n80,5;3;Bern\n33;x;Chur\n", "utf-8")
    return folder / "wohnungen.csv"


def tone(path: Path, pitch: float, rate: int, channels: int = 1) -> None:
    import soundfile

    times = np.arange(int(0.4 * rate)) / rate
    wave = 0.4 * np.sin(2 * np.pi * pitch * times + RNG.uniform(0, 6))
    wave = np.repeat(wave[:, None], channels, axis=1) + RNG.normal(0, 0.01, (len(times), channels))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate)


def sounds(folder: Path) -> Path:
    """Mono and stereo, 8 and 16 kHz, WAV and FLAC."""
    for name, pitch in (("low", 200.0), ("high", 1500.0)):
        for k in range(20):
            kind, rate = ("wav", "flac")[k % 2], (8000, 16000)[k % 3 == 0]
            tone(folder / "tones" / name / f"{k}.{kind}", pitch, rate, 1 + k % 2)
    tone(folder / "new.wav", 1500.0, 44100, 2)
    return folder / "tones"


def reviews(folder: Path) -> Path:
    good, bad = ("lovely", "great", "superb"), ("awful", "boring", "dull")
    rows: list[list[object]] = [["review text", "label"]]
    for k in range(120):
        word = (good, bad)[k % 2][k % 3]
        thing = ("film", "book", "play")[k // 2 % 3]
        rows.append([f'A {word}, "{word}" {thing}\nnumber {k}', ("pos", "neg")[k % 2]])
    return write_rows(folder / "reviews.csv", rows)


def story(folder: Path) -> Path:
    (folder / "story.txt").write_text("the cat sat on the mat and the dog sat on the log. " * 120)
    return folder / "story.txt"


def numerals(folder: Path) -> Path:
    words = ("one", "two", "three", "four", "five")
    others = ("un", "deux", "trois", "quatre", "cinq")
    lines = [
        f"{words[a]} {words[b]} {k % 2}\t{others[a]} {others[b]} {k % 2}"
        for k in range(6)
        for a in range(5)
        for b in range(5)
    ]
    (folder / "numerals.tsv").write_text("\n".join(lines))
    return folder / "numerals.tsv"


def load(folder: Path) -> Path:
    rows: list[list[object]] = [["date", "load"]]
    for k in range(300):
        day = np.datetime64("2023-01-01") + k
        rows.append([day, round(100 + 20 * np.sin(2 * np.pi * k / 7) + RNG.normal(), 3)])
    write_rows(folder / "recent.csv", [rows[0], *rows[-80:]])
    return write_rows(folder / "load.csv", rows)


def blobs(folder: Path) -> Path:
    labels = np.arange(150) % 3 + 1  # not from 0
    features = RNG.normal(size=(150, 5)) + 4 * np.eye(5)[labels]
    np.savez(folder / "blobs.npz", x=features.astype(np.float32), y=labels)
    np.save(folder / "new.npy", features[:2].astype(np.float32))
    return folder / "blobs.npz"


def shape(draw: ImageDraw.ImageDraw, kind: int, box: Box, fill: Any) -> None:
    (draw.ellipse if kind else draw.rectangle)(box, fill=fill)


def labelled(folder: Path) -> Path:
    """Pictures with any number of labels, named in a table: RGB, gray, palette."""
    rows: list[list[object]] = [["file name", "red", "dark"]]
    (folder / "pics").mkdir()
    for k in range(60):
        red, dark = k % 2, k // 2 % 2
        level = 60 if dark else 200
        colour = (level, 10, 10) if red else (level, level, level)
        picture = Image.new("RGB", (24 + k % 3, 20), colour)
        picture = picture.convert("P") if k % 5 == 0 else picture
        picture.save(folder / f"pics/{k} .png")
        rows.append([f"pics/{k} .png", red, dark])
    return write_rows(folder / "labels.csv", rows)


def drawn(folder: Path) -> list[tuple[int, Box]]:
    (folder / "images").mkdir(parents=True)
    found = []
    for k in range(24):
        x, y, side = (int(v) for v in (*RNG.integers(2, 20, 2), RNG.integers(14, 24)))
        box = (x, y, x + side, y + side)
        picture = Image.new("RGB", (48, 48), (30, 40, 50))
        shape(ImageDraw.Draw(picture), k % 2, box, ((250, 90, 60), (80, 220, 90))[k % 2])
        picture.save(folder / f"images/{k:02d}.png")
        found.append((k % 2, box))
    return found


def masks(folder: Path) -> Path:
    found = drawn(folder / "shapes")
    (folder / "shapes/masks").mkdir()
    for k, (kind, box) in enumerate(found):
        mask = Image.new("L", (48, 48), 0)
        shape(ImageDraw.Draw(mask), kind, box, kind + 1)
        mask.save(folder / f"shapes/masks/{k:02d}.png")
    return folder / "shapes"


def boxes(folder: Path) -> Path:
    found = drawn(folder / "shapes")
    coco = {
        "images": [
            {"id": k, "file_name": f"{k:02d}.png", "width": 48, "height": 48}
            for k in range(len(found))
        ],
        "categories": [{"id": 1, "name": "square"}, {"id": 7, "name": "circle"}],
        "annotations": [
            {
                "id": k,
                "image_id": k,
                "category_id": (1, 7)[kind],
                "bbox": [box[0], box[1], box[2] - box[0] + 1, box[3] - box[1] + 1],
                "iscrowd": 0,
            }
            for k, (kind, box) in enumerate(found)
        ],
    }
    (folder / "shapes/annotations.json").write_text(json.dumps(coco))
    return folder / "shapes"


def shards(folder: Path) -> Path:
    place = folder / "shards"
    place.mkdir()
    for number in range(3):
        with tarfile.open(place / f"part-{number}.tar", "w") as file:
            for k in range(30):
                kind = k % 2
                picture = Image.new("L", (10, 10), (40, 220)[kind])
                stem = place / f"{number}_{k:03d}"
                picture.save(stem.with_suffix(".png"))
                stem.with_suffix(".cls").write_text(str(kind))
                for suffix in (".png", ".cls"):
                    file.add(stem.with_suffix(suffix), f"{number}_{k:03d}{suffix}")
                    stem.with_suffix(suffix).unlink()
    Image.new("L", (10, 10), 220).save(folder / "new.png")
    return place


def nothing(folder: Path) -> Path:
    rows: list[list[object]] = [["alcohol", "malic_acid"], ["14.2", "1.7"]]
    write_rows(folder / "few.csv", rows)
    return folder


def wines(folder: Path) -> Path:
    rows: list[list[object]] = [["acid", "sugar", "quality"]]
    rows += [[k % 13, k % 7 / 2, "good" if k % 13 > 6 else "bad"] for k in range(80)]
    write_rows(folder / "new.csv", [row[:2] for row in rows[:6]])
    return write_rows(folder / "wines.csv", rows)


OWN = """
import torch
from data import own

class Levels:
    def __init__(self, numbers):
        self.numbers, self.names = numbers, [f"level {n}" for n in numbers]

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, index):
        number = self.numbers[index]
        return torch.full((3, 8, 8), float(number % 2)) + number / 1000, number % 2

def levels():
    parts = [Levels(range(a, b)) for a, b in ((0, 60), (60, 80), (80, 100))]
    return own.splits(*parts, classes=["dark", "bright"])
"""


def own(folder: Path) -> Path:
    (folder / "own_levels.py").write_text(OWN)
    return folder


def noise(folder: Path) -> Path:
    Image.effect_noise((30, 20), 80).save(folder / "new.png")
    return folder


CLASS = ("label", "probability", "top_k")
CHOSEN = ["model=cnn", "loss=cross_entropy", "evaluation=classification"]
OWN_WORDS = ["data=own", "data._target_=own_levels.levels", *CHOSEN]
NOISE = "data.options={size: 60, image_size: [3, 12, 12], num_classes: 3}"
KINDS = [
    Kind(
        "own",
        own,
        [*OWN_WORDS, "trainer.epochs=4"],
        [],
        CLASS,
        "accuracy",
        0.9,
    ),
    Kind(
        "hub",
        wines,
        ["data=hub", "data.target=quality", "trainer.epochs=12"],
        ["new.csv"],
        CLASS,
        "accuracy",
        0.7,
        5,
    ),
    Kind(
        "torchvision",
        noise,
        ["data=torchvision", "data.name=FakeData", NOISE, "trainer.epochs=1"],
        ["new.png"],
        CLASS,
        "accuracy",
        0.0,  # its classes are chosen by chance
    ),
    Kind("table", table, ["trainer.epochs=15"], ["neu.csv"], ["Preis"], "r2", 0.8, 2),
    Kind("audio", sounds, ["data=audio", "trainer.epochs=15"], ["new.wav"], CLASS, "accuracy", 0.8),
    Kind(
        "text",
        reviews,
        ["data=text", "trainer.epochs=6"],
        ["reviews.csv"],
        CLASS,
        "accuracy",
        0.8,
        120,
    ),
    Kind(
        "language",
        story,
        ["data=language", "trainer.epochs=8", "loader.batch_size=4"],
        ["the cat"],
        ["text"],
        "perplexity",
        12.0,
    ),
    Kind(
        "translation",
        numerals,
        ["data=translation", "trainer.epochs=6"],
        ["two three 1"],
        ["text"],
        "token_accuracy",
        0.5,
    ),
    Kind(
        "series",
        load,
        ["data=series", "data.horizon=3", "data.window=14", "trainer.epochs=8"],
        ["recent.csv"],
        ["load+1", "load+2", "load+3"],
        "r2",
        0.7,
    ),
    Kind(
        "arrays",
        blobs,
        ["data=arrays", "trainer.epochs=8"],
        ["new.npy"],
        CLASS,
        "accuracy",
        0.8,
        2,
    ),
    Kind(
        "images",
        labelled,
        ["data=images", "data.size=16", "data.augment=null", "trainer.epochs=12"],
        ["pics"],
        ["labels", "probabilities"],
        "f1",
        0.8,
        60,
    ),
    Kind(
        "segmentation",
        masks,
        ["data=segmentation", "data.size=32", "trainer.epochs=10", "loader.batch_size=4"],
        ["shapes/images"],
        ["mask"],
        "mean_iou",
        0.4,
        24,
    ),
    Kind(
        "detection",
        boxes,
        ["data=detection", "data.size=48", "trainer.epochs=12", "loader.batch_size=4"],
        ["shapes/images"],
        ["boxes", "count"],
        "map50",
        0.05,
        24,
    ),
    Kind(
        "stream",
        shards,
        ["data=stream", "data.size=8", "trainer.epochs=4"],
        ["new.png"],
        CLASS,
        "accuracy",
        0.8,
    ),
    Kind(
        "sklearn",
        nothing,
        ["data=sklearn", "data.name=wine", "trainer.epochs=15"],
        [],
        CLASS,
        "accuracy",
        0.8,
        0,
    ),
]


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_the_whole_way(
    kind: Kind,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    RNG.bit_generator.state = START  # the same data, whichever tests ran before
    path = kind.make(tmp_path)
    where = [] if path == tmp_path else [f"data.path={path.relative_to(tmp_path)}"]
    code = main(["train", *kind.words, *where, *SHORT, "run.dir=run"])
    said = capfd.readouterr()
    assert code == 0, said.err
    if kind.name != "own":  # nobody can look at it before it is made
        assert f"evaluation={'' if kind.name != 'table' else 'regression'}" in said.out
    report = json.loads((tmp_path / "run/evaluation/test.json").read_text())
    less = kind.metric == "perplexity"
    assert (report[kind.metric] <= kind.least) if less else (report[kind.metric] >= kind.least)
    assert (tmp_path / "run/export/model.onnx").exists(), said
    looks = {"samples.png", "samples.txt"} & {file.name for file in Path("run").iterdir()}
    assert looks, "the first batch can be looked at"
    with Path("run/splits.csv").open() as file:
        names = [row["name"] for row in csv.DictReader(file)]
    assert len(set(names)) == len(names)

    assert main(["evaluate", "run", "--json"]) == 0
    again = json.loads(capfd.readouterr().out)
    assert again[kind.metric] == report[kind.metric]
    if not kind.inputs:
        return
    tables = []
    for of, name in (("run", "a.csv"), ("run/export", "b.csv")):
        main(["predict", of, *kind.inputs, "--output", name])
        with Path(name).open(encoding="utf-8", newline="") as file:
            tables.append(list(csv.DictReader(file)))
    first, second = tables
    assert len(first) == len(second) == kind.rows
    assert set(kind.columns) <= set(first[0]) and next(iter(first[0])) == "input"
    for one, other in zip(first, second, strict=True):
        assert one["input"] == other["input"] and one["error"] == other["error"]
        assert bool(one[kind.columns[0]]) != bool(one["error"]) or kind.columns[0] == "labels"

"""What is wrong with folders of images, and what users get: the line, exit code 2, nothing left."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from mistakes import QUICK, folder_of_a_user, refused, train
from PIL import Image

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder of a user's, in which every test stands."""
    with folder_of_a_user(tmp_path):
        yield tmp_path


def pictures(root: Path, classes: str = "a b c", count: int = 4, ending: str = "png") -> Path:
    generator = np.random.default_rng(0)
    for name in classes.split():
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 255, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.{ending}")
    return root


def prepare(case: str) -> None:
    """Make `pics` with one thing wrong."""
    root = Path("pics")
    if case == "empty":
        root.mkdir()
    elif case == "file":
        root.write_text("x")
    elif case == "one_class":
        pictures(root, "a")
    elif case == "one_each":
        pictures(root, count=1)
    elif case != "missing":
        pictures(root)
    odd = root / "a" / "odd.jpg"
    if case == "text":
        odd.write_text("no picture")
    elif case == "zero":
        odd.touch()
    elif case == "cut":
        (root / "a" / "0.png").write_bytes((root / "a" / "0.png").read_bytes()[:200])
    elif case == "huge":
        Image.new("1", (8000, 7000)).save(odd.with_suffix(".png"))
    elif case == "pipe":
        os.mkfifo(odd)
    elif case == "link":
        odd.symlink_to("/nonexistent")
    elif case == "empty_class":
        (root / "d").mkdir()


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("missing", "pics in data.path does not exist"),
        ("empty", "pics in data.path is empty; put images"),
        ("file", "pics in data.path is a file; give the folder that holds the classes"),
        ("one_class", "only one class ('a') in pics"),
        ("one_each", "class 'a' has 1 sample, too few for 3 splits"),
        ("text", "pics/a/odd.jpg is not an image"),
        ("zero", "pics/a/odd.jpg is an empty file (0 bytes)"),
        ("cut", "pics/a/0.png can't be decoded (image file is truncated)"),
        ("huge", "pics/a/odd.png has 56,000,000 pixels"),
        ("pipe", "pics/a/odd.jpg is no file but a broken link, a pipe or a device"),
        ("link", "pics/a/odd.jpg is no file but a broken link, a pipe or a device"),
        ("empty_class", "class folder 'd' of pics without an image"),
    ],
)
def test_a_folder_of_images(case: str, told: str, capsys: Capture) -> None:
    prepare(case)
    assert told in refused(capsys, "data=images", "data.path=pics", "data.size=16")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["pics", "pics/a", "pics/a/0.png"])
def test_images_that_may_not_be_read(name: str, capsys: Capture) -> None:
    pictures(Path("pics"))
    Path(name).chmod(0)
    try:
        code = train(capsys, "data=images", "data.path=pics", "data.size=16").code
    finally:
        with suppress(OSError):
            Path(name).chmod(0o755)
    assert code == 2


@pytest.mark.parametrize("words", [["data.size=[16,20]"], ["data.cache=false", "data.size=16"]])
def test_what_takes_several_kinds_takes_them(words: list[str], capsys: Capture) -> None:
    pictures(Path("pics"))
    quick = (*QUICK, "model.width=4", "data.augment=null", "loader.num_workers=0")
    outcome = train(capsys, "data=images", "data.path=pics", *words, quick=quick)
    assert outcome.code == 0, outcome.err


def test_a_picture_that_is_cut_off_and_only_met_while_running(place: Path, capsys: Capture) -> None:
    """Its header is sound, and the first batch doesn't hold it."""
    pictures(place / "pics" / "train")
    pictures(place / "pics" / "val", count=20, ending="jpg")
    file = place / "pics" / "val" / "c" / "9.jpg"
    file.write_bytes(file.read_bytes()[:-200])
    words = ("data=images", "data.path=pics", "data.cache=false", "data.size=16", "data.test=0")
    quick = (*QUICK, "model.width=4", "loader.num_workers=0", "loader.batch_size=4", "run.dir=run")
    outcome = train(capsys, *words, quick=quick)
    assert outcome.code == 7, outcome
    assert "val/c/9.jpg (sample 59) can't be decoded" in outcome.err
    assert "Traceback" not in outcome.err
    assert (place / "run" / "status.json").exists()

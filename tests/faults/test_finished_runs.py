"""Runs with nothing to do, or nothing left to do: said, and not a file is touched."""

import shutil
from pathlib import Path

import pytest
from forkserver import ForkServer
from small_project import STEPS, TRAIN, elsewhere, finished, make_project

FREE = (*TRAIN, "run.dir=free", "scheduler=none")


@pytest.fixture(scope="module")
def done(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with finished runs, with and without a schedule that has an end."""
    place = make_project(tmp_path_factory.mktemp("done"))
    finished(server, place, *TRAIN)
    finished(server, place, *FREE)
    return place


@pytest.fixture
def place(done: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(done, tmp_path / "place")
    return tmp_path / "place"


def touched(folder: Path) -> dict[str, tuple[int, int]]:
    """When each file was last written, to the nanosecond, and its place on the disk."""
    paths = (path for path in sorted(folder.rglob("*")) if path.name != ".lock")
    found = {str(path): path.stat() for path in paths if "__pycache__" not in path.parts}
    return {name: (stat.st_mtime_ns, stat.st_ino) for name, stat in found.items()}


@pytest.mark.parametrize(
    "words",
    [
        TRAIN,
        ("train", "resume=run"),
        (*TRAIN, "loader.num_workers=0"),
        ("train", "resume=free", "trainer.epochs=2"),
        ("train", "resume=free", "trainer.record_every=3"),
        (*FREE, "trainer.max_minutes=60"),
    ],
)
def test_what_is_complete_stays_as_it_is(
    words: tuple[str, ...], server: ForkServer, place: Path
) -> None:
    before = touched(place)
    ended = finished(server, place, *words)
    assert "is already complete; nothing was done" in ended.out
    assert touched(place) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((*FREE, "trainer.epochs=1"), "trainer.epochs=1 is less than the 2 epochs that are done"),
        (("train", "resume=free", "trainer.epochs=1"), "less than the 2 epochs that are done"),
        (("train", "resume=free", "trainer.steps=7"), "less than the 30 steps that are done"),
        (("train", "resume=run", "trainer.epochs=1"), "trainer.epochs can't be changed"),
        ((*TRAIN, "trainer.epochs=1"), "trainer.epochs was 2 when run was started and is now 1"),
        (("train", "resume=free", "trainer.epochs=0"), "trainer.epochs is 0; it has to be"),
        (("train", "run.dir=new", "trainer.epochs=0"), "trainer.epochs is 0; it has to be"),
        (("train", "run.dir=new", "trainer.steps=0"), "trainer.steps is 0; it has to be"),
    ],
)
def test_less_than_is_done_and_nothing_at_all_are_refused(
    words: tuple[str, ...], told: str, server: ForkServer, place: Path
) -> None:
    before = touched(place)
    ended = server.run(words, place, **elsewhere())
    assert ended.code == 2 and told in ended.err and "Traceback" not in ended.err, ended.err
    assert touched(place) == before


def test_less_than_is_done_of_an_unfinished_run(server: ForkServer, place: Path) -> None:
    half = [*FREE, "run.dir=half"]
    assert server.run(half, place, **elsewhere(stop=STEPS)).code == 130
    before = touched(place)
    for words in ([*half, "trainer.epochs=1"], ["train", "resume=half", "trainer.epochs=1"]):
        ended = server.run(words, place, **elsewhere())
        assert ended.code == 2, ended.err
        assert "end the run after 15 steps, but 20 are done" in ended.err
    assert touched(place) == before


def test_a_finished_run_goes_on_when_it_is_made_longer(server: ForkServer, place: Path) -> None:
    """The control: not every finished run is complete."""
    before = touched(place / "free")
    ended = finished(server, place, "train", "resume=free", "trainer.epochs=3")
    assert "Continuing from step 30" in ended.out
    assert touched(place / "free") != before
    assert "already complete" in finished(server, place, "train", "resume=free").out

"""`fivestep reproduce`: the same again is found to be the same, and anything else is not."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from forkserver import Ended, ForkServer
from mistakes import contents
from small_project import NET, TRAIN, elsewhere, finished, make_project, rows, same


@pytest.fixture(scope="module")
def done(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a finished run, which was stopped once on its way."""
    place = make_project(tmp_path_factory.mktemp("done"))
    assert server.run(TRAIN, place, **elsewhere(stop=20)).code == 130
    finished(server, place, "train", "resume=run")
    return place


@pytest.fixture
def place(done: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(done, tmp_path / "place", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "place"


def reproduce(server: ForkServer, place: Path, *words: str, **what: Any) -> Ended:
    """Reproduce the run, which stays as it is, into a folder beside it."""
    before = contents(place / "run")
    command = ["reproduce", "run", "run.dir=again", *words]
    ended = server.run(command, place, **elsewhere(**what))
    assert "Traceback" not in ended.err
    assert contents(place / "run") == before
    return ended


def report(place: Path) -> Any:
    """What was written down; strict JSON."""

    def strange(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    text = (place / "again/reproduction.json").read_text()
    return json.loads(text, parse_constant=strange)


def test_a_run_comes_to_the_same_again(server: ForkServer, place: Path) -> None:
    ended = reproduce(server, place)
    assert ended.code == 0, ended.err
    assert "again is run again, bit for bit:" in ended.out
    # Some points of its data are equal; of the environments there is nothing to warn about.
    assert "differ" not in ended.out
    for what in ("metrics", "final metrics", "last checkpoint", "best checkpoint"):
        assert report(place)["compared"][what]["identical"]
        assert f"  {what:15}  identical in " in ended.out
    assert report(place)["identical"] and report(place)["environment"] == {}
    assert same(place / "run", place / "again")
    assert not (place / "again/export").exists() or not any((place / "again/export").iterdir())


def test_another_seed_is_found_out(server: ForkServer, place: Path) -> None:
    """Only training draws from it: the first weights and the order of the data are the same."""
    (place / "net.py").write_text(NET.replace("nn.Tanh()", "nn.Dropout(0.5)"))
    shutil.rmtree(place / "run")
    finished(server, place, *TRAIN)
    assert reproduce(server, place).code == 0
    shutil.rmtree(place / "again")
    ended = reproduce(server, place, seed=1)
    assert ended.code == 7
    assert "again is not run again:" in ended.out
    assert "What they ran on is the same, as far as it is recorded." in ended.out
    assert "error: again is not run again: metrics differ first in train/loss at step 10" in (
        ended.err
    )
    found = report(place)
    first = found["compared"]["metrics"]["first"]
    assert (first["line"], first["name"], first["step"]) == (1, "train/loss", 10)
    assert first["difference"] == pytest.approx(abs(first["was"] - first["is"]))
    last = found["compared"]["last checkpoint"]
    assert not found["identical"] and last["largest"] > 0 and last["different"] > 4
    assert ".safetensors by up to" in last["told"]


def test_changed_code_is_named(server: ForkServer, place: Path) -> None:
    (place / "net.py").write_text(NET.replace("nn.Tanh()", "nn.ReLU()"))
    ended = reproduce(server, place)
    assert ended.code == 7
    before, _, after = ended.out.partition("again is not run again:")
    for told in (before, after):  # before it costs anything, and beside the outcome
        assert "net.py" in [row[0] for row in rows(told) if row]
    assert set(report(place)["environment"]) == {"net.py"}


def test_threads_and_device_are_those_of_the_run(server: ForkServer, place: Path) -> None:
    """auto is two threads on four cores, and one on two."""
    shutil.rmtree(place / "run")
    finished(server, place, *TRAIN, cores=4)
    ended = reproduce(server, place, cores=2)
    assert ended.code == 0, ended.err
    config = (place / "again/config.yaml").read_text()
    assert "threads: 2" in config and "device: cpu" in config


def test_changed_data_is_told_before_anything_is_trained(server: ForkServer, place: Path) -> None:
    table = (place / "table.csv").read_text()
    (place / "table.csv").write_text(table.replace("6,", "9,", 1))
    ended = reproduce(server, place)
    assert ended.code == 2 and "the data is no longer that with which run was started" in ended.err
    assert "fingerprint" in [row[0] for row in rows(ended.err) if row]
    assert not (place / "again").exists()


def test_what_was_stopped_goes_on_and_is_compared(server: ForkServer, place: Path) -> None:
    ended = reproduce(server, place, stop=20)
    assert ended.code == 130
    assert "continue with: " in ended.err and "reproduce run run.dir=again" in ended.err
    shutil.copytree(place / "again", place / "other")
    finished(server, place, "train", "resume=again")
    # Finished by train, or gone on with by itself: either is compared.
    assert "already complete" in reproduce(server, place).out
    assert report(place)["identical"]
    ended = server.run(["reproduce", "run", "run.dir=other"], place, **elsewhere())
    assert ended.code == 0 and "Continuing from step 20" in ended.out, ended.err


def test_a_run_that_was_made_longer_says_so(server: ForkServer, place: Path) -> None:
    shutil.rmtree(place / "run")
    uneven = [*TRAIN, "scheduler=none", "evaluation.every=2", "trainer.epochs=1"]
    finished(server, place, *uneven)
    finished(server, place, "train", "resume=run", "trainer.epochs=3")
    ended = reproduce(server, place)
    # It was evaluated after its first epoch, as nobody does who goes through at once.
    assert ended.code == 7 and "run went on at step 15 with" in ended.out
    assert ["trainer.epochs", "1", "3"] in rows(ended.out)
    assert report(place)["resumed"]["run"][0]["step"] == 15


def test_what_can_not_be_reproduced_is_refused(server: ForkServer, place: Path) -> None:
    status = json.loads((place / "run/status.json").read_text())

    def refused(told: str, *words: str) -> None:
        ended = server.run(["reproduce", *words], place, **elsewhere())
        assert ended.code == 2 and told in ended.err and "Traceback" not in ended.err, ended.err
        assert not (place / "again").exists() and not (place / "runs").exists()

    refused("run.dir=run is run or lies in it", "run", "run.dir=run")
    refused("lies in it", "run", "run.dir=run/again")
    refused("only run.dir can", "run", "optimizer.lr=1")
    refused("does not exist; did you mean", "rum")
    (place / "run/status.json").write_text(json.dumps(status | {"state": "preempted"}))
    refused("finish it first: ", "run")
    (place / "run/status.json").write_text(json.dumps(status))
    (place / "run/metrics.jsonl").rename(place / "metrics.jsonl")
    refused("metrics.jsonl can't be read", "run")
    (place / "run/metrics.jsonl").write_text("[]\n")
    refused("line 1 of ", "run")
    (place / "metrics.jsonl").replace(place / "run/metrics.jsonl")
    (place / "run/config.yaml").rename(place / "config.yaml")
    refused("it was started from Python", "run")
    (place / "config.yaml").rename(place / "run/config.yaml")
    shutil.rmtree(place / "run/checkpoints")
    refused("no checkpoint left to compare with", "run")


def test_a_run_that_the_clock_has_ended(server: ForkServer, place: Path) -> None:
    words = [*TRAIN, "run.dir=short", "trainer.max_minutes=0.0001"]
    finished(server, place, *words)
    ended = server.run(["reproduce", "short"], place, **elsewhere())
    assert ended.code == 2 and "was ended by the clock" in ended.err
    finished(server, place, *TRAIN, "run.dir=long", "trainer.max_minutes=600")
    ended = finished(server, place, "reproduce", "long", "run.dir=same")
    assert "max_minutes: null" in (place / "same/config.yaml").read_text()


def test_a_strangers_run_needs_trust(server: ForkServer, place: Path) -> None:
    for file in ("config.yaml", "overrides.yaml"):
        text = (place / "run" / file).read_text()
        (place / "run" / file).write_text(text[: text.rindex("# signature")])
    ended = reproduce(server, place)
    assert ended.code == 2 and "--trust net.Net --trust table.rows" in ended.err
    assert not (place / "again").exists()
    ended = reproduce(server, place, "--trust", "net.Net", "--trust", "table.rows")
    assert ended.code == 0, ended.err


def test_an_edited_config_is_told(server: ForkServer, place: Path) -> None:
    config = place / "run/config.yaml"
    config.write_text(config.read_text().replace("weight_decay: 0.05", "weight_decay: 0.4"))
    ended = reproduce(server, place, "--trust", "net.Net", "--trust", "table.rows")
    assert ended.code == 7 and "config.yaml or overrides.yaml was changed" in ended.err

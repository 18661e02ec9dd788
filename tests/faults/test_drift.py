"""A run that goes on with something changed: refused, warned about or allowed, all at once."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from forkserver import Ended, ForkServer
from mistakes import contents
from small_project import (
    NET,
    STEPS,
    TRAIN,
    WIDE,
    elsewhere,
    finished,
    make_project,
    rows,
    same,
)


@pytest.fixture(scope="module")
def stopped(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a run that was stopped half way, and one that was not."""
    place = tmp_path_factory.mktemp("stopped")
    make_project(place)
    finished(server, place, *TRAIN, "run.dir=whole")
    ended = server.run(TRAIN, place, **elsewhere(stop=STEPS))
    assert ended.code == 130, ended.err
    return place


@pytest.fixture
def place(stopped: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(stopped, tmp_path / "place")
    return tmp_path / "place"


def refused(server: ForkServer, place: Path, words: Sequence[str], **what: Any) -> str:
    """Start a command that has to refuse, and to leave everything as it is."""
    before = contents(place)
    ended = server.run(words, place, **elsewhere(**what))
    assert ended.code == 2, (ended.out, ended.err)
    assert "Traceback" not in ended.err and ended.err.startswith("error: ")
    after = contents(place)
    assert {k: v for k, v in after.items() if "__pycache__" not in k} == before
    return ended.err


def goes_on(server: ForkServer, place: Path, words: Sequence[str], **what: Any) -> Ended:
    """Start a command that has to go on to the end."""
    ended = server.run(words, place, **elsewhere(**what))
    assert ended.code == 0, ended.err
    assert "Continuing from step" in ended.out
    return ended


def resumed(place: Path) -> list[dict[str, Any]]:
    environment = json.loads((place / "run/environment.json").read_text())
    return list(environment.get("resumed", []))


def test_nothing_changed_nothing_said(server: ForkServer, place: Path) -> None:
    before = (place / "run/environment.json").read_bytes()
    ended = goes_on(server, place, TRAIN)
    assert "warning" not in ended.out + ended.err
    assert same(place / "run", place / "whole")
    assert (place / "run/environment.json").read_bytes() == before


def test_all_that_makes_it_another_run_is_told_at_once(server: ForkServer, place: Path) -> None:
    words = [*TRAIN, "optimizer.lr=0.1", "seed=7", "loader.batch_size=16", "trainer.epochs=9"]
    (place / "table.csv").write_text((place / "table.csv").read_text().replace("6,", "9,", 1))
    (place / "net.py").write_text(NET + "# changed\n")
    told = refused(server, place, words, torch_version="1.99.0")
    lines = rows(told)
    assert "4 settings are not those with which run was started" in told
    for row in (
        ["loader.batch_size", "8", "16"],
        ["optimizer.lr", "0.003", "0.1"],
        ["seed", "0", "7"],
        ["trainer.epochs", "2", "9"],
    ):
        assert row in lines
    heads = [lines.index(["was", "is"], start) for start in (0, 3, 8)]
    names = [line[0] for line in lines]
    order = [names.index(name) for name in ("seed", "fingerprint", "torch", "net.py")]
    assert order == sorted(order) and heads == sorted(heads)
    assert "the data is no longer that with which run was started; bring it back" in told
    assert "also different, which alone would be a warning" in told
    # In columns: every "was" of a table begins at the same place.
    first = told.splitlines()
    start = first[1].index("was")
    assert all(line[start - 1] == " " != line[start] for line in first[1:6])


def test_resume_tells_all_at_once_too(server: ForkServer, place: Path) -> None:
    told = refused(server, place, ["train", "resume=run", "optimizer.lr=0.1", "seed=7"])
    assert "these can't be changed when a run goes on" in told
    assert ["seed", "0", "7"] in rows(told)
    one = refused(server, place, ["train", "resume=run", "model=mlp"])
    assert "model can't be changed when a run goes on" in one
    goes_on(server, place, ["train", "resume=run", "seed=0"])  # as it was


def test_other_rows_are_refused_by_their_number_and_by_content(
    server: ForkServer, place: Path
) -> None:
    table = (place / "table.csv").read_text()
    (place / "table.csv").write_text(table.replace("6,", "9,", 1))
    for words in (TRAIN, ["train", "resume=run"]):
        told = refused(server, place, words)
        assert "the data is no longer that with which run was started" in told
        assert any(line.split()[0] == "fingerprint" for line in told.splitlines()[1:])
    (place / "table.csv").write_text(table)
    goes_on(server, place, ["train", "resume=run"])


def test_data_without_a_fingerprint_is_told_by_its_number(server: ForkServer, place: Path) -> None:
    words = [*TRAIN, "run.dir=run", "+data.marked=false"]
    shutil.rmtree(place / "run")
    assert server.run(words, place, **elsewhere(stop=STEPS)).code == 130
    table = (place / "table.csv").read_text().splitlines()
    (place / "table.csv").write_text("\n".join(table[:-3]) + "\n")
    assert ["train", "samples", "120", "117"] in rows(refused(server, place, words))


def test_another_torch_and_other_code_are_told_once(server: ForkServer, place: Path) -> None:
    (place / "net.py").write_text(NET + "# changed\n")
    ended = goes_on(server, place, ["train", "resume=run"], torch_version="1.99.0")
    assert (ended.out + ended.err).count("not all is as it was when run was started") == 1
    table = {row[0]: row[1:] for row in rows(ended.out) if row}
    assert table["torch"][-1] == "1.99.0" and "net.py" in table and "table.py" not in table
    (entry,) = resumed(place)
    assert entry["step"] == STEPS and set(entry["differences"]) == {"torch", "net.py"}
    assert "net.py" in (place / "run/train.log").read_text()
    assert same(place / "run", place / "whole")  # it was only a comment


def test_what_is_beside_a_module_counts_and_what_is_gone_is_told(
    server: ForkServer, place: Path
) -> None:
    shutil.rmtree(place / "run")
    (place / "layers.py").write_text("SIZE = 16\n")
    (place / "net.py").write_text("from layers import SIZE\n" + NET)
    assert server.run(TRAIN, place, **elsewhere(stop=STEPS)).code == 130
    modules = json.loads((place / "run/environment.json").read_text())["modules"]
    assert set(modules) == {"layers.py", "net.py", "table.py"}
    (place / "layers.py").unlink()
    (place / "net.py").write_text(NET)
    ended = goes_on(server, place, TRAIN)
    assert ["layers.py", "not", "there"] in [[row[0], *row[2:]] for row in rows(ended.out) if row]


def test_what_is_free_changes_no_bit(server: ForkServer, place: Path) -> None:
    words = ["trainer.record_every=3", "loader.timeout=60", "checkpoint.every=4"]
    words += ("checkpoint.keep=3", "trainer.on_oom=stop", "trainer.on_nonfinite=skip")
    ended = goes_on(server, place, ["train", "resume=run", *words])
    assert "warning" not in ended.out + ended.err
    assert same(place / "run", place / "whole")


def test_threads_are_those_of_the_start_wherever_it_goes_on(
    server: ForkServer, tmp_path: Path
) -> None:
    """auto is two threads on four cores, and one here."""
    finished(server, tmp_path, *WIDE, "run.dir=whole", cores=4)
    assert server.run(WIDE, tmp_path, **elsewhere(cores=4, stop=5)).code == 130
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    stored = json.loads((tmp_path / "run/environment.json").read_text())
    assert stored["threads"] == 2
    ended = goes_on(server, tmp_path, ["train", "resume=run"], one_core=True)
    assert "run was started with 2 CPU threads and keeps them" in ended.out
    assert same(tmp_path / "run", tmp_path / "whole")
    # The control: one thread is allowed when it is asked for, told, and not the same.
    ended = goes_on(server, tmp_path, ["train", "resume=other", "trainer.threads=1"])
    assert ["threads", "2", "1"] in rows(ended.out)
    assert not same(tmp_path / "other", tmp_path / "whole")


def test_more_epochs_only_under_a_schedule_without_end(server: ForkServer, place: Path) -> None:
    for words in ([*TRAIN, "trainer.epochs=3"], ["train", "resume=run", "trainer.epochs=3"]):
        assert "trainer.epochs" in refused(server, place, words)
    free = [*TRAIN, "scheduler=none", "run.dir=free"]
    finished(server, place, *free)
    ended = goes_on(server, place, [*free, "trainer.epochs=3"])
    assert "warning" not in ended.out + ended.err
    assert "trainer.epochs: 3" not in (place / "free/config.yaml").read_text()
    goes_on(server, place, ["train", "resume=free", "trainer.epochs=4"])
    finished(server, place, *free, "run.dir=four", "trainer.epochs=4")
    assert same(place / "free", place / "four")
    settings = [
        entry["settings"]["trainer.epochs"]
        for entry in json.loads((place / "free/environment.json").read_text())["resumed"]
    ]
    assert settings == [{"was": "2", "is": "3"}, {"was": "3", "is": "4"}]
    # A warm-up that is a share of all steps has an end.
    share = [*free, "run.dir=share", "scheduler.warmup=0.1"]
    finished(server, place, *share)
    assert "trainer.epochs" in refused(server, place, [*share, "trainer.epochs=3"])


@pytest.mark.parametrize(
    "damage", ["", "[1, 2]", "{", '{"threads": 1e9, "packages": 3, "git": "x"}', "pipe", "gone"]
)
def test_a_damaged_environment_ends_nothing(damage: str, server: ForkServer, place: Path) -> None:
    file = place / "run/environment.json"
    file.unlink()
    if damage == "pipe":
        os.mkfifo(file)
    elif damage != "gone":
        file.write_text(damage)
    ended = goes_on(server, place, ["train", "resume=run"])
    unread = "environment.json can't be read"
    assert (ended.out + ended.err).count(unread) == (0 if "threads" in damage else 1)
    assert same(place / "run", place / "whole")


def test_terminal_codes_of_a_stranger_are_not_printed(server: ForkServer, place: Path) -> None:
    file = place / "run/environment.json"
    content = json.loads(file.read_text())
    content["cpu"]["name"] = "\x1b[31mevil\x07" * 30
    file.write_text(json.dumps(content | {"threads": 10**6}))
    ended = goes_on(server, place, ["train", "resume=run"])
    assert "evil" in ended.out and "\x1b" not in ended.out and "\x07" not in ended.out

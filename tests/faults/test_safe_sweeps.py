"""The folder of a sweep from elsewhere: a database that would reach out, and words never typed."""

import json
import os
import shutil
import sqlite3
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forkserver import ForkServer
from payloads import put
from strangers import Handed

from trainer.errors import Refused, UserError
from trainer.sweep.axes import Choices, Interval, Space
from trainer.sweep.database import refuse_odd_files
from trainer.sweep.folder import read_request
from trainer.sweep.study import Study

SPACE: Space = {"optimizer.lr": Interval(1e-4, 1e-1, True, False), "model.width": Choices(("4",))}


def opened(folder: Path) -> Study:
    return Study(folder, SPACE, method="random", trials=4, direction="max")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search with a trial that is under way; nobody may change it."""
    folder = tmp_path_factory.mktemp("begun")
    assert opened(folder).ask() is not None
    return folder


@pytest.fixture
def folder(begun: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(begun, tmp_path / "sweep"))


def test_an_untouched_one_goes_on(folder: Path) -> None:
    candidate = opened(folder).ask()
    assert candidate is not None and candidate.number == 0


# --- what SQLite would do


def hot_journal(database: Path, second: Path | None) -> None:
    """Leave what a writer that died leaves: half a transaction, perhaps with a second journal."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("pragma cache_size=1")
    connection.execute("begin immediate")
    connection.execute("create table more (text)")
    for _ in range(2000):
        connection.execute("insert into more values (?)", ("x" * 500,))
    torn, journal = database.read_bytes(), Path(f"{database}-journal").read_bytes()
    connection.close()
    if second is not None:
        name = os.fsencode(second)
        page = struct.unpack(">I", journal[24:28])[0]
        total = sum(byte if byte < 128 else byte - 256 for byte in name) & 0xFFFFFFFF
        journal += struct.pack(">I", 0x40000000 // page + 1) + name
        journal += struct.pack(">II", len(name), total) + bytes.fromhex("d9d505f920a163d7")
    database.write_bytes(torn)
    Path(f"{database}-journal").write_bytes(journal)


def test_a_journal_cannot_delete_another_file(folder: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    hot_journal(folder / "study.db", victim)
    shutil.copytree(folder, tmp_path / "control")
    with pytest.raises(Refused, match="names other files"):
        opened(folder)
    assert victim.read_text() == "precious"
    # SQLite alone would have done it.
    connection = sqlite3.connect(tmp_path / "control/study.db")
    connection.execute("select count(*) from studies").fetchall()
    connection.close()
    assert not victim.exists()


def test_a_journal_of_ones_own_is_played_back(folder: Path) -> None:
    hot_journal(folder / "study.db", None)
    candidate = opened(folder).ask()
    assert candidate is not None and candidate.number == 0
    assert not Path(f"{folder / 'study.db'}-journal").exists()


@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "pickle", "deep"])
@pytest.mark.parametrize("name", ["study.db", "study.db-journal", "study.db-wal", "study.db-shm"])
def test_files_of_another_kind(folder: Path, name: str, kind: str) -> None:
    put(folder / name, kind, folder / "canary")
    victim = folder / "victim"
    before = victim.lstat() if victim.exists() else None
    if name != "study.db" and kind in ("pickle", "deep"):
        refuse_odd_files(folder / "study.db")  # SQLite finds that it is no journal
    else:
        with pytest.raises(Refused, match=r"is damaged"):
            opened(folder)
    assert not (folder / "canary").exists()
    assert before is None or victim.lstat().st_mtime_ns == before.st_mtime_ns


# --- what the tables say


def told(content: Any) -> Callable[[sqlite3.Connection], object]:
    """Let the study say something else of itself."""
    return lambda c: c.execute(
        "update study_user_attributes set value_json=?", (json.dumps(content),)
    )


def changed(act: Callable[[Any], object]) -> Callable[[sqlite3.Connection], object]:
    """Let it say almost the same."""

    def change(connection: sqlite3.Connection) -> None:
        row = connection.execute("select value_json from study_user_attributes").fetchone()
        content = json.loads(row[0])
        act(content)
        told(content)(connection)

    return change


ODD: dict[str, Callable[[sqlite3.Connection], object]] = {
    "a list": told([]),
    "nothing": told({}),
    "a choice of text": told({"chosen": "x", "rules": {}}),
    "no rules": changed(lambda content: content.pop("rules")),
    "rules of text": changed(lambda content: content["rules"].update(startup="x")),
    "no space": changed(lambda content: content["chosen"].pop("space")),
    "a space of text": changed(lambda content: content["chosen"].update(space="x")),
    "an axis of text": changed(lambda content: content["chosen"]["space"].update(a="x")),
    "an axis of nothing": changed(lambda content: content["chosen"]["space"].update(a={})),
    "bounds of text": changed(lambda c: c["chosen"]["space"]["optimizer.lr"].update(low="x")),
    "no JSON": lambda c: c.execute("update study_user_attributes set value_json='{'"),
    "no parameters": lambda c: c.execute("delete from trial_params"),
    "a distribution of ours": lambda c: c.execute("update trial_params set distribution_json='{}'"),
    "no JSON in a distribution": lambda c: c.execute(
        "update trial_params set distribution_json='x'"
    ),
    "another state": lambda c: c.execute("update trials set state='x'"),
    "no table": lambda c: c.execute("drop table trials"),
    "another parameter": lambda c: c.execute(
        "update trial_params set param_name='data._target_' where param_name='model.width'"
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_tables_of_another_form(folder: Path, name: str) -> None:
    connection = sqlite3.connect(folder / "study.db")
    ODD[name](connection)
    connection.commit()
    connection.close()
    with pytest.raises(UserError):
        opened(folder).ask()


# --- the request, and the trials


@pytest.mark.parametrize("kind", ["pickle", "pipe", "link", "long", "deep", "laughs", "python"])
def test_the_request(tmp_path: Path, kind: str) -> None:
    put(tmp_path / "sweep.yaml", kind, tmp_path / "canary")
    with pytest.raises(Refused):
        read_request(tmp_path)
    assert not (tmp_path / "canary").exists()


WORDS = ("optimizer.lr=0.1,0.2", "model.width=4", "trainer.epochs=1", "export=none")
RESUME = ("train", "-m", *WORDS, "sweep.resume=run")


@pytest.fixture(scope="module")
def grid(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of which no trial could be started; nobody may change it."""
    place = tmp_path_factory.mktemp("grid")
    patch = "watched:without_processes"
    ended = server.run(["train", "-m", *WORDS, "run.dir=run"], place, patch=patch)
    assert "can't be started" in ended.err and (place / "run/trials.jsonl").exists(), ended.err
    return place / "run"


def test_words_that_nobody_typed_are_not_run(
    server: ForkServer, grid: Path, tmp_path: Path
) -> None:
    shutil.copytree(grid, tmp_path / "run")
    handed = Handed(tmp_path, server)
    file = tmp_path / "run/trials.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        line.update(state="finished", exit_code=0)
    lines.append(
        {
            **lines[0],
            "number": 7,
            "state": "preempted",
            "exit_code": None,
            "overrides": [
                "optimizer.lr=0.1",
                "loss._target_=os.mkdir",
                f"+loss.path={handed.canary}",
            ],
        }
    )
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    ended = handed.opened(*RESUME)
    assert ended.code == 2 and "is none of this sweep" in ended.err


@pytest.mark.parametrize("kind", ["pickle", "pipe", "link", "long", "deep"])
def test_the_book_of_trials(server: ForkServer, grid: Path, tmp_path: Path, kind: str) -> None:
    shutil.copytree(grid, tmp_path / "run")
    handed = Handed(tmp_path, server)
    put(tmp_path / "run/trials.jsonl", kind, handed.canary)
    assert handed.opened(*RESUME).code == 2
    assert kind != "pipe" or stat.S_ISFIFO((tmp_path / "run/trials.jsonl").lstat().st_mode)

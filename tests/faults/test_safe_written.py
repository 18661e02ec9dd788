"""What is written holds no code: it can be handed on, and it tells no secrets."""

import csv
import json
import pickletools
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
import yaml
from forkserver import ForkServer
from safetensors.torch import load_file
from strangers import small_run
from torch.serialization import get_unsafe_globals_in_checkpoint

from trainer.bad_samples import BadSamples
from trainer.protocols import Loaders
from trainer.sweep.axes import Choices, Interval
from trainer.sweep.study import Study

# What torch itself makes tensors of.
TORCHS = re.compile(r"torch\._utils _rebuild_tensor_v2|torch \w+Storage|collections OrderedDict")
# Programs, by the formats that torch has for them: nobody opens a stranger's without --trust.
PROGRAMS = {"model.pt2", "model.ts", "predict.py"}


@pytest.fixture(scope="module")
def run(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(server, tmp_path_factory)


@pytest.fixture
def _no_allow_list() -> Iterator[None]:
    """What torch, or a package, has let be loaded by itself is no reason that ours can be."""
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    yield
    torch.serialization.add_safe_globals(allowed)


def globals_of(data: bytes) -> set[str]:
    """Every name that a pickle would import."""
    found: set[str] = set()
    texts: list[str] = []
    for code, argument, _ in pickletools.genops(data):
        if code.name in ("GLOBAL", "INST"):
            found.add(str(argument))
        elif code.name == "STACK_GLOBAL":
            found.add(" ".join(texts[-2:]))
        elif isinstance(argument, str):
            texts.append(argument)
    return found


@pytest.mark.usefixtures("_no_allow_list")
def test_a_training_state_holds_nothing_but_tensors_and_plain_values(run: Path) -> None:
    files = sorted(run.rglob("training.pt"))
    assert files
    for file in files:
        assert get_unsafe_globals_in_checkpoint(file) == []
        assert isinstance(torch.load(file, weights_only=True), dict)
        with zipfile.ZipFile(file) as archive:
            pickles = [name for name in archive.namelist() if name.endswith(".pkl")]
            assert len(pickles) == 1
            found = globals_of(archive.read(pickles[0]))
            assert all(member.compress_type == zipfile.ZIP_STORED for member in archive.infolist())
        assert found and not [name for name in found if not TORCHS.fullmatch(name)]


def test_every_file_of_a_run_is_of_a_kind_that_runs_nothing(run: Path) -> None:
    """Each is read by what its kind is read by; no file is left over."""
    left = []
    for file in sorted(path for path in run.rglob("*") if path.is_file()):
        kind, data = file.suffix, file.read_bytes()
        if file.name in PROGRAMS or file.name == "training.pt":
            continue
        if kind == ".safetensors":
            assert load_file(file)
        elif kind == ".json":
            json.loads(data)
        elif kind == ".jsonl":
            assert all(isinstance(json.loads(line), dict) for line in data.splitlines())
        elif kind == ".yaml":
            assert yaml.safe_load(data) is not None
        elif kind == ".csv":
            assert len(list(csv.reader(data.decode().splitlines()))) > 1
        elif kind == ".png":
            assert data.startswith(b"\x89PNG")
        elif kind in (".txt", ".log") or file.name == ".lock":
            data.decode()
        elif kind == ".onnx":
            assert not zipfile.is_zipfile(file)
        elif file.name.startswith("events.out.tfevents."):
            assert b"brain.Event" in data[:60]
        else:
            left.append(file.name)
        assert kind == ".onnx" or not holds_a_pickle(data), file
    assert not left


def holds_a_pickle(data: bytes) -> bool:
    """Whether a file is one, or an archive with one in it."""
    return data.startswith(b"PK") or re.match(rb"\x80[\x02-\x05]", data) is not None


def test_the_database_of_a_search_holds_no_pickle(tmp_path: Path) -> None:
    study = Study(
        tmp_path,
        {"optimizer.lr": Interval(1e-4, 1e-1, True, False), "model.width": Choices(("4", "8"))},
        method="bayes",
        trials=6,
        direction="max",
        prune="median",
    )
    while (candidate := study.ask()) is not None:
        study.report(candidate.number, 1, 0.5)
        study.tell(candidate.number, "finished", 0.5)
    connection = sqlite3.connect(tmp_path / "study.db")
    tables = [
        row[0] for row in connection.execute("select name from sqlite_master where type='table'")
    ]
    rows = [row for table in tables for row in connection.execute(f'select * from "{table}"')]
    connection.close()
    assert len(rows) > 20
    assert not [value for row in rows for value in row if isinstance(value, bytes)]


# --- secrets and spreadsheets


PROJECT = """
import csv
from dataclasses import dataclass, replace
import torch
from torch.utils.data import TensorDataset
from data.digits import digits

CLASSES = ("=1+1", "@x", "+y", "-z", "\\t=a", "6", "7", "8", "9", "10")

def make(api_key, url="", **_):
    assert api_key == "hunter2" and "hunter3" in url
    splits = digits()
    object.__setattr__(splits, "info", replace(splits.info, classes=CLASSES))
    return splits

def refuse(api_key):
    raise ValueError("no such key")
"""
KEYS = ["validation", "test", "split_seed", "folds", "fold", "augment", "transform"]
OURS = (
    "data._target_=project.make", *(f"~data.{key}" for key in KEYS),
    "+data.api_key=hunter2", "+data.url=https://me:hunter3@somewhere/x",
)  # fmt: skip
QUICK = (
    "run.dir=run", "trainer.epochs=1", "trainer.threads=1", "model.width=4",
    "loader.limit_batches=2", "evaluation.baselines=false", "evaluation.mistakes=0", "export=none",
)  # fmt: skip
SECRETS = (b"hunter2", b"hunter3", b"hunter4")


@pytest.fixture(scope="module")
def secret(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run whose settings and environment hold secrets; its folder, and what it said."""
    place = tmp_path_factory.mktemp("secret")
    (place / "project.py").write_text(PROJECT)
    patch = "watched:with_secret"
    ended = server.run(["train", *QUICK, *OURS], place, patch=patch, arguments=["hunter4"])
    assert ended.code == 0, ended.err
    return place / "run", ended.out + ended.err


def test_no_file_and_no_line_tells_a_secret(secret: tuple[Path, str]) -> None:
    folder, said = secret
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"config.yaml", "environment.json", "status.json", "train.log"} <= {
        p.name for p in files
    }
    told = [path.name for path in files for each in SECRETS if each in path.read_bytes()]
    assert not told
    assert not [each for each in SECRETS if each.decode() in said]
    # The keys themselves are there: what was masked is known.
    assert "api_key: '***'" in (folder / "config.yaml").read_text()


def test_an_error_tells_no_secret(server: ForkServer, tmp_path: Path) -> None:
    (tmp_path / "project.py").write_text(PROJECT)
    refused = ("data._target_=project.refuse", *OURS[1:-1])
    other = (*OURS[:-2], "+data.api_key=hunter2", "+model.api_key=hunter2")
    for words in (refused, other):
        ended = server.run(["train", *QUICK, *words], tmp_path)
        assert ended.code == 2 and "hunter2" not in ended.err, ended.err


def test_no_spreadsheet_takes_a_name_for_a_formula(secret: tuple[Path, str]) -> None:
    tables = sorted(secret[0].rglob("*.csv"))
    assert tables
    for table in tables:
        with table.open(newline="", encoding="utf-8") as opened:
            cells = [cell for row in csv.reader(opened) for cell in row]
        # The digits of splits.csv are called by their numbers.
        assert table.name == "splits.csv" or any(cell.startswith("'") for cell in cells)
        assert not [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell]


def test_nor_one_of_a_sample_that_was_left_out(tmp_path: Path) -> None:
    """Of those, too, that an earlier start has listed: the file may be a stranger's."""
    names = ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "＝x"]
    rows = [["train", "1", f"{name}.png", name] for name in names]
    with (tmp_path / "bad_samples.csv").open("w", newline="") as opened:
        csv.writer(opened).writerows([["split", "sample", "name", "reason"], *rows])
    met = [SimpleNamespace(split="test", sample=2, name=name, reason=name) for name in names]
    run: Any = SimpleNamespace(
        resumed=True,
        folder=SimpleNamespace(path=tmp_path),
        splits=SimpleNamespace(bad=met),
        loaders=Loaders(cast(Any, None), None, None),
        console=SimpleNamespace(warn=lambda text: None),
    )
    BadSamples(run).tell()
    with (tmp_path / "bad_samples.csv").open(newline="") as opened:
        cells = [cell for row in csv.reader(opened) for cell in row]
    assert len([cell for cell in cells if cell.startswith("'")]) >= 4 * (len(names) - 1)
    assert not [cell for cell in cells if cell[:1] in "=+-@\t\r＝" and cell]

"""`fivestep runs`: every run below a folder, as it is, whatever has happened to its files."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.cli import main
from trainer.storage.folder import RunFolder
from trainer.storage.listing import held, record, records

CONFIG = "data:\n  name: x\nevaluation:\n  every: 1\n  select: {}\ntrainer:\n  epochs: 40\n"


def make(
    place: Path,
    state: str = "finished",
    accuracy: float | None = 0.9,
    *,
    started: str = "2026-03-01T10:00:00.000+00:00",
    updated: str = "2026-03-01T10:01:07.000+00:00",
    overrides: str = "- model=mlp\n- run.dir=x\n",
    select: str = "accuracy",
    **more: Any,
) -> Path:
    """A folder as a run leaves it, as far as the list looks at it."""
    place.mkdir(parents=True)
    metrics: dict[str, Any] = {}
    if accuracy is not None:
        metrics = {f"validation/{select}": accuracy, f"test/{select}": accuracy - 0.1}
    status = {
        "state": state,
        "reason": None,
        "step": 120,
        "epoch": 3,
        "exit_code": 0,
        "metrics": metrics,
        "started": started,
        "updated": updated,
        "checkpoint": None,
    }
    (place / "status.json").write_text(json.dumps(status | more))
    (place / "config.yaml").write_text(CONFIG.format(select))
    (place / "overrides.yaml").write_text(f"# What was changed.\n{overrides}# signature: x:y\n")
    (place / ".lock").touch()
    return place


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path / "runs"


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["runs", *words]) == code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err if code else captured.out


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(told(capsys, "--json", *words))
    return found


def names(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    return [Path(run["folder"]).name for run in listed(capsys, *words)]


def test_a_run_in_full(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(runs / "mine" / "a", reason="all 3 epochs are done")
    (run,) = listed(capsys)
    assert run == {
        "folder": "runs/mine/a",
        "state": "finished",
        "reason": "all 3 epochs are done",
        "exit_code": 0,
        "step": 120,
        "epoch": 3,
        "epochs": 40,
        "select": "accuracy",
        "metrics": {"validation/accuracy": 0.9, "test/accuracy": 0.8},
        "started": run["started"],
        "updated": run["updated"],
        "seconds": 67.0,
        "checkpoint": None,
        "overrides": ["model=mlp", "run.dir=x"],
        "sweep": None,
        "damaged": [],
    }
    assert told(capsys).splitlines() == [
        "run          state     epoch     val    test  time  started       overrides",
        f"runs/mine/a  finished   3/40  0.9000  0.8000  1:07  {started(run)}  model=mlp",
        "",
        "1 run in runs; val, test: accuracy",
    ]


def started(run: Mapping[str, Any]) -> str:
    from datetime import datetime

    from trainer.commands.runs import moment

    return moment(datetime.fromisoformat(run["started"]))


def test_a_real_run_is_listed_as_its_own_files_say(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ["trainer.epochs=1", "loader.limit_batches=2", "trainer.threads=1", "model=mlp"]
    quick += ["recorder=silent", "evaluation.baselines=false", "evaluation.mistakes=0"]
    words = [*quick, "export=none", "evaluation.select=f1", f"run.dir={runs / 'one'}"]
    assert main(["train", *words]) == 0
    (run,) = listed(capsys)
    status = json.loads((runs / "one/status.json").read_text())
    assert run["metrics"] == status["metrics"] and run["overrides"] == words
    assert (run["select"], run["epochs"], run["epoch"]) == ("f1", 1, 1)
    shown = f"{status['metrics']['validation/f1']:.4f}  {status['metrics']['test/f1']:.4f}"
    assert shown in told(capsys) and "val, test: f1" in told(capsys)


def test_the_latest_comes_first_and_any_metric_can_sort(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, accuracy, day in (("a", 0.7, 3), ("b", 0.9, 1), ("c", None, 2), ("d", 0.8, 4)):
        metrics = {} if accuracy is None else {"validation/accuracy": accuracy, "test/loss": day}
        make(
            runs / name,
            metrics=metrics,
            started=f"2026-03-0{day}T10:00:00+00:00",
            updated=f"2026-03-0{day}T10:0{day}:00+00:00",
        )
    assert names(capsys) == ["d", "a", "c", "b"]
    assert names(capsys, "--reverse") == ["b", "c", "a", "d"]
    assert names(capsys, "--sort", "accuracy") == ["b", "d", "a", "c"]
    assert names(capsys, "--sort", "validation/accuracy", "--reverse") == ["a", "d", "b", "c"]
    assert names(capsys, "--sort", "test/loss") == ["b", "a", "d", "c"]
    assert names(capsys, "--sort", "name") == ["a", "b", "c", "d"]
    assert names(capsys, "--sort", "seconds") == ["d", "a", "c", "b"]
    assert names(capsys, "--limit", "2") == ["d", "a"]
    table = told(capsys, "--sort", "test/loss", "--limit", "2").splitlines()
    assert "1.0000" in table[1] and table[-1] == "2 of 4 runs in runs; val, test: loss"


def test_what_is_asked_for_and_is_not_to_be_had(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(runs / "a")
    assert "did you mean accuracy?" in told(capsys, "--sort", "acuracy", code=2)
    assert "there are: started, name" in told(capsys, "--sort", "zzz", code=2)
    text = told(capsys, "--state", "finishd", "--limit", "0", code=2)
    assert "did you mean finished?" in text and "1 or more" in text
    assert "did you mean --sort?" in told(capsys, "--sotr", code=2)
    assert "one argument too many" in told(capsys, "runs", "more", code=2)


def test_a_folder_that_is_missing_or_holds_nothing(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "runs does not exist; a run makes it: " in told(capsys, code=2)
    runs.mkdir()
    assert told(capsys).startswith("no runs in runs yet; start one with: ")
    assert listed(capsys) == []
    assert "run does not exist; did you mean runs?" in told(capsys, "run", code=2)
    assert "did you mean runs?" in told(capsys, "runz/deeper", code=2)
    (runs / "file").touch()
    assert "is a file" in told(capsys, "runs/file", code=2)
    make(runs / "a")
    assert told(capsys, "--state", "failed") == "no run in runs is failed (1 are not)\n"
    assert names(capsys, "--state", "finished") == ["a"]


def test_running_without_its_lock_is_died(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(runs / "died", "running")
    folder = RunFolder.claim(runs / "alive")
    try:
        assert held(runs / "alive") and not held(runs / "died")
        states = {Path(run["folder"]).name: run["state"] for run in listed(capsys)}
        assert states == {"alive": "running", "died": "died"}
        # Who looks doesn't keep others from looking, nor the run from going on.
        folder.status("running")
    finally:
        folder.release()
    assert not held(runs / "alive") and not held(runs / "nothing")
    RunFolder.open(runs / "alive", write=True).release()


def test_while_it_trains_its_metrics_are_those_of_validation(runs: Path) -> None:
    found = record(make(runs / "a", metrics={"accuracy": 0.5, "loss": "nan", "odd": [1]}))
    assert found is not None
    assert found.metric("accuracy") == found.metric("validation/accuracy") == 0.5
    assert found.metrics["validation/loss"] != found.metrics["validation/loss"]
    assert found.plain()["metrics"] == {"validation/accuracy": 0.5, "validation/loss": None}


def test_trials_of_a_sweep_have_their_path(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = runs / "digits-mlp" / "2026-03-01_10-00-00_abc123_sweep"
    make(sweep / "000", overrides="- seed=0\n")
    make(sweep / "001", "failed", None, reason="the loss is nan\nmore", overrides="- seed=1\n")
    (sweep / "sweep.yaml").write_text("method: grid\n")
    make(runs / "digits-mlp" / "2026-03-01_09-00-00_def456", overrides="[]\n")
    sweeps = [run["sweep"] for run in listed(capsys, "--sort", "name")]
    assert sweeps == [
        None,
        str(sweep.relative_to(runs.parent)),
        str(sweep.relative_to(runs.parent)),
    ]
    lines = told(capsys, "--sort", "name").splitlines()
    assert lines[1].startswith("runs/digits-mlp/*def456            finished")
    assert lines[2].startswith("runs/digits-mlp/*abc123_sweep/000  finished")
    assert lines[3] == "  seed=0" and lines[5:7] == ["  seed=1", "  the loss is nan"], lines
    assert " -  " in lines[4]  # nothing was measured
    assert list(runs.parent.glob(lines[2].split()[0])) == [sweep / "000"]


def test_beside_or_below(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make(runs / "digits" / "2026-03-01_10-00-00_abc123", overrides=f"- {'x' * 200}=1\n")
    for width in (44, 60, 80, 100, 120, 300):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = told(capsys).splitlines()
        assert max(map(len, lines[:-1])) <= width, width
        assert "finished" in lines[1] and "0.9000" in lines[1]
        assert len(lines) == (4 if width >= 100 else 5), width
    assert "runs/digits/2026-03-01_10-00-00_abc123  finished" in lines[1]


def test_runs_chosen_by_different_metrics(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(runs / "a", select="accuracy")
    make(runs / "b", select="'recall/7'")
    table = told(capsys, "--sort", "name")
    assert "accuracy 0.9000" in table and "the metric that chose the weights" in table
    assert listed(capsys, "--sort", "name")[1]["select"] == "recall/7"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "strange"}', "[" * 100_000, "\xff"])
def test_a_damaged_status_is_told(
    content: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = make(runs / "a")
    (place / "status.json").write_text(content, encoding="latin-1")
    (run,) = listed(capsys)
    assert (run["state"], run["damaged"]) == ("damaged", ["status.json"])
    assert "damaged: status.json" in told(capsys)
    # Of a folder that has nothing else of ours, nobody says that it was a run.
    (runs / "other").mkdir()
    (runs / "other/status.json").write_text(content, encoding="latin-1")
    assert names(capsys) == ["a"]


@pytest.mark.parametrize("content", ["{", "a: 1", "- [1]", "- !!python/name:os.system", "\x00"])
def test_damaged_overrides_are_told(
    content: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = make(runs / "a")
    (place / "overrides.yaml").write_text(content)
    (run,) = listed(capsys)
    assert (run["state"], run["overrides"]) == ("finished", [])
    assert run["damaged"] == ["overrides.yaml"]
    (place / "overrides.yaml").unlink()
    (run,) = listed(capsys)
    assert run["damaged"] == []


@given(
    st.dictionaries(
        st.sampled_from(["reason", "step", "epoch", "exit_code", "metrics", "started", "updated"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.floats() | st.lists(st.text()),
    )
)
def test_whatever_a_status_says_it_can_be_listed(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    place = make(tmp_path_factory.mktemp("runs") / "a", **values)
    found = record(place)
    assert found is not None
    json.dumps(found.plain(), allow_nan=False)
    from trainer.commands.runs import listed

    assert len(listed([found], "started", 80)) >= 2


def test_folders_that_go_while_they_are_listed(runs: Path) -> None:
    import shutil

    for name in ("a", "b", "c"):
        make(runs / name)
    found = records(runs)
    assert next(found).folder.name == "a"
    shutil.rmtree(runs / "b")
    assert [run.folder.name for run in found] == ["c"]


def test_links_are_not_followed_and_runs_not_looked_into(runs: Path) -> None:
    make(runs / "a")
    make(runs / "a" / "inner")
    (runs / "again").symlink_to(runs)
    make(runs / "1" / "2" / "3" / "4")
    make(runs / "1" / "2" / "3" / "4b" / "5")
    assert [run.folder.name for run in records(runs)] == ["4", "a"]
    assert [run.folder.name for run in records(runs / "a")] == ["a"]


def test_a_name_that_would_control_the_terminal(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(runs / "a\x1b[31m", "failed", reason="\x1b]0;x\x07")
    assert "\x1b" not in told(capsys) and "runs/a\\x1b[31m" in told(capsys)


def test_it_needs_no_torch(runs: Path) -> None:
    make(runs / "a")
    code = (
        "import sys; from trainer.cli import main; assert main(['runs']) == 0;"
        "print(sorted({'torch', 'numpy', 'hydra', 'omegaconf'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"

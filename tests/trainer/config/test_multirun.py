"""`train -m`: what is asked for, refused, handed to Hydra, and told at the end."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hydra.core.plugins import Plugins

from trainer.cli import main
from trainer.config import multirun as door
from trainer.config import planned
from trainer.cpus import available_cpus
from trainer.sweep.plan import Plan
from trainer.sweep.trials import Trial, read_trials

Capture = pytest.CaptureFixture[str]
SWEEPS = Path(__file__).parents[1] / "sweep"
FAKE = (sys.executable, "-P", str(SWEEPS / "fake_trial.py"))
LR = "optimizer.lr=0.1,0.01"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins run in the place of trials, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(planned, "Plan", partial(Plan, command=FAKE))
    return tmp_path


def refused(capsys: Capture, *words: str) -> str:
    """The lines of a refusal, after which nothing is there that was not there before."""
    before = set(Path().rglob("*"))
    assert main(["train", *words]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and "Traceback" not in captured.err
    assert captured.out == "" and set(Path().rglob("*")) == before
    return captured.err


def sweep_folder() -> Path:
    (folder,) = Path("runs").glob("*/*_sweep")
    return folder


def starts(folder: Path) -> list[list[str]]:
    """What each start of a trial was given, by the trial's number."""
    lines = (folder / "starts.jsonl").read_text().splitlines()
    return sorted((json.loads(line)["argv"] for line in lines), key=lambda argv: str(argv[-1]))


# What is refused


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([LR.replace("lr", "lrr")], "optimizer.lrr is not listed in optimizer; did you mean"),
        (["optimizer.lr=0.1,x,0.01"], "optimizer.lr is 'x'; it has to be a number, more than 0"),
        (["optimizer.lr=0.1,-1"], "optimizer.lr is -1; it has to be a number, more than 0"),
        (["model=mlp,cn"], "model=cn is not to be had; did you mean model=cnn?"),
        (["model=cnn,mlp", "model.hidden=[8],[9]"], "model.hidden is not listed in model"),
        (["model=mlp,cnn", "model.hidden=[8],[9]"], "model.hidden is not listed in model"),
        ([LR, "sweep.jobs=0"], "sweep.jobs is 0; it has to be a whole number, 1 or more"),
        ([LR, "sweep.jbos=2"], "did you mean sweep.jobs=2?"),
        (["optimizer.lr=interval(0.1,1)"], "is an interval, of which a grid can't try every value"),
        (
            ["optimizer.lr=0.1"],
            "nothing is swept over; give a key several values, such as train -m",
        ),
        ([], "nothing is swept over"),
        (["evaluation.select=f1,accuracy"], "evaluation.select can't be swept over"),
        (["evaluation.direction=min,max"], "evaluation.direction can't be swept over"),
        (["sweep=grid,random"], "sweep can't be swept over"),
        (["sweep.seed=1,2"], "sweep.seed can't be swept over"),
        ([LR, "resume=run"], "resume= is for one run; a sweep goes on with sweep.resume=FOLDER"),
        ([LR, "sweep.resume=nowhere"], "nowhere does not exist; there is no sweep nearby"),
        ([LR, "sweep.resume=a", "run.dir=b"], "are two folders; keep one"),
        ([LR, "hydra/launcher=jobli"], "did you mean hydra/launcher=joblib? choices: basic, fiv"),
        ([LR, "hydra/sweeper=optuna"], "hydra/sweeper=optuna is not to be had"),
        ([LR, "hydra.run.dir=x"], "of Hydra's own settings only hydra/launcher="),
        ([LR, "hydra.launcher.n_job=2", "hydra/launcher=joblib"], "n_job"),
        (["seed=range(0)"], "it has no values"),
        (["seed=range(0,1,0)"], "its step is 0"),
        (["seed=range(1000000000)"], "it has more than 10,000 values"),
        (["seed=1,1"], "seed: 1 is there more than once"),
        (["model=glob(x*)"], "no choice is like that; choices: audio_cnn"),
        (["seed=glob(*)"], "glob is for groups"),
        (["optimizer.lr=tag(lgo,interval(0.1,1))", "sweep=random"], "there is no tag lgo"),
        (["optimizer.lr=interval(1,0.1)", "sweep=random"], "the lower bound (1) has to be below"),
        (["optimizer.lr=interval(-1,1)", "sweep=random"], "optimizer.lr is -1.0"),
        (["seed=1,2", "sweep=random"], "only seed has several values; leave sweep= out"),
        ([LR, "seed=interval(1,2)", "sweep=bayes"], "seed repeats each point; list its values"),
        ([LR, "sweep=random", "sweep.trials=null"], "sweep=random needs their number"),
        ([LR, "sweep=random", "sweep.trials=3"], "the space has only 2 points"),
        ([LR, "sweep.trials=3"], "a grid tries every combination; leave it out"),
        ([LR, "sweep.prune=median"], "a grid ends no trial early"),
        (["optimizer.lr=interval(0.1,1)", "seed=1,2", "sweep=bayes", "sweep.prune=median"], "pr"),
        ([LR, "sweep=bayes", "hydra/sweeper=basic"], "both search; keep one"),
        ([LR, "sweep.resume=x", "hydra/sweeper=basic"], "works with fivestep's own sweeper"),
        (["optimizer.lr=0.1,(", "seed=1,2"], "can't be read"),
        (["~model.width=1,2"], "~model.width"),
    ],
)
def test_what_can_not_be_is_refused(
    fake: Path, capsys: Capture, words: list[str], told: str
) -> None:
    assert told in refused(capsys, "-m", *words)


def test_every_problem_is_told_at_once_and_each_once(fake: Path, capsys: Capture) -> None:
    told = refused(
        capsys, "-m", "optimizer.lr=0.1,-1,y", "model=cnn,nope", "trainer.epochs=0", "lr=1,2",
        "seed=range(2,1)", "sweep.jobs=0", "hydra.job.name=x",
    )  # fmt: skip
    assert told.startswith("error: 8 problems; nothing was started:\n  1. ")
    for part in ("lr is -1", "lr is 'y'", "model=nope", "epochs is 0", "lr: there is no such key"):
        assert told.count(part) == 1
    assert "'seed=range(2,1)' can't be read" in told and "sweep.jobs is 0" in told


def test_the_words_of_a_sweep_are_refused_in_a_single_run(fake: Path, capsys: Capture) -> None:
    told = refused(capsys, LR)
    assert "to run each of them: train -m optimizer.lr=0.1,0.01; for a list write" in told
    assert "add -m" in refused(capsys, "sweep.jobs=2")


def test_a_typo_is_answered_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from trainer.cli import main; code = main(sys.argv[1:]); "
        "found = {'torch', 'numpy', 'rich', 'optuna', 'matplotlib', 'joblib'} & set(sys.modules); "
        "sys.exit(99 if found else code)"
    )
    words = ["train", "-m", "optimizer.lrr=0.1,0.2", "model=cnn,mlp"]
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True)
    assert done.returncode == 2, done.stderr


# What runs


def test_trials_are_single_runs_in_a_folder_of_their_own(fake: Path, capsys: Capture) -> None:
    words = ["-m", LR, "seed=range(2)", "model=mlp", "trainer.epochs=1", "sweep.jobs=2"]
    assert main(["train", *words]) == 0
    folder = sweep_folder()
    assert folder.parent.name == "digits-mlp"
    share = f"trainer.threads={max(1, available_cpus() // 2)}"
    first = starts(folder)[0]
    assert share in first
    assert [word for word in first if word != share and not word.startswith("export")] == [
        "model=mlp", "trainer.epochs=1", "optimizer.lr=0.1", "seed=0",
        f"run.dir={folder.absolute() / '000'}",
    ]  # fmt: skip
    out = capsys.readouterr().out
    assert out.startswith(f"sweep {folder}: 4 trials, 2 at a time, ")
    assert "4 trials in " in out and f"best  {folder}/001" in out
    assert {path.name for path in folder.iterdir()} == {
        *("000", "001", "002", "003", "logs", ".lock", "starts.jsonl", "trials.jsonl"),
        *("sweep.yaml", "sweep.log", "leaderboard.csv", "leaderboard.png", "trials.csv"),
    }
    assert not list(fake.rglob(".hydra")) and not list(fake.rglob("multirun.yaml"))


def test_one_job_and_a_users_own_threads_are_left_alone(fake: Path) -> None:
    assert main(["train", "-m", LR, "run.dir=one"]) == 0
    assert main(["train", "-m", LR, "run.dir=two", "sweep.jobs=2", "trainer.threads=1"]) == 0
    assert main(["train", "-m", "trainer.threads=1,2", "run.dir=three", "sweep.jobs=2"]) == 0
    threads = [
        [word for argv in starts(Path(name)) for word in argv if word.startswith("trainer.thr")]
        for name in ("one", "two", "three")
    ]
    assert threads == [[], ["trainer.threads=1"] * 2, ["trainer.threads=1", "trainer.threads=2"]]


def test_a_users_folder_reaches_the_trials(fake: Path) -> None:
    (fake / "my conf/model").mkdir(parents=True)
    (fake / "my conf/model/mine.yaml").write_text("# Mine.\n_target_: mynet.Net\n")
    assert main(["train", "-m", "--config-dir", "my conf", "model=mine,cnn", "run.dir=s (1)"]) == 0
    argv = starts(fake / "s (1)")[0]
    assert argv[:2] == ["--config-dir", str(fake / "my conf")] and "model=mine" in argv
    assert argv[-1] == f"run.dir={fake / 's (1)' / '000'}"


def test_single_runs_export_and_trials_do_only_when_told(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.config.catalogue import defaults

    default, _ = defaults()["export"]
    assert main(["train", "-m", LR, "run.dir=one"]) == 0
    assert main(["train", "-m", LR, "run.dir=two", f"export={default}"]) == 0
    exports = [
        [word for word in starts(Path(name))[0] if word.startswith("export")]
        for name in ("one", "two")
    ]
    assert exports == [[] if default == "none" else ["export=none"], [f"export={default}"]]


def test_folds_are_a_sweep(fake: Path, capsys: Capture) -> None:
    (fake / "data").mkdir()
    text = "# Folds.\n_target_: my.data\nfolds: null\nfold: null\n"
    (fake / "data/mine.yaml").write_text(text)
    words = ["--config-dir", str(fake), "data=mine", "model=mlp"]
    assert main(["train", *words, "data.folds=3", "run.dir=folds"]) == 0
    assert [t.overrides for t in read_trials(fake / "folds")] == [
        (f"data.fold={fold}",) for fold in range(3)
    ]
    assert "data.folds=3" in starts(fake / "folds")[0]
    table = capsys.readouterr().out
    assert "as given" in table and "0.5000 ± 0.0000" in table
    product = ["-m", *words, "data.folds=2", LR, "run.dir=product"]
    assert main(["train", *product]) == 0
    assert [t.told for t in read_trials(fake / "product")] == [
        f"optimizer.lr={lr} data.fold={fold}" for lr in ("0.1", "0.01") for fold in range(2)
    ]
    capsys.readouterr()
    assert "data.folds is 1; there have to be 2 or more" in refused(
        capsys, "-m", *words, "data.folds=1", LR
    )


FAKES = (  # keys that the stand-in knows are arguments of a target that is never imported
    "# Fake.\n_target_: my.model\nhow: ''\nvalue: 0.5\nepochs: 1\npause: 0\nsaving: 0\n"
)


@pytest.fixture
def acting(fake: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Words with which the trials do as `model.how` and the like say."""
    (fake / "conf/model").mkdir(parents=True)
    (fake / "conf/model/fake.yaml").write_text(FAKES)
    script = "import runpy, sys; sys.argv[1:] = [w.replace('model.', 'fake.') for w in "
    script += f"sys.argv[1:]]; runpy.run_path({FAKE[-1]!r}, run_name='__main__')"
    monkeypatch.setattr(planned, "Plan", partial(Plan, command=(*FAKE[:2], "-c", script)))
    return ["--config-dir", "conf", "model=fake", "run.dir=sweep"]


def test_when_all_fail_alike_their_code_is_the_sweeps(acting: list[str], capsys: Capture) -> None:
    assert main(["train", "-m", *acting, "model.how=diverged", LR]) == 3
    captured = capsys.readouterr()
    assert captured.err == "error: all 2 trials failed: the loss is nan\n"
    assert "failed: 000, 001: the loss is nan; see sweep/logs/000.log" in captured.out


def test_when_some_fail_the_others_are_ranked(acting: list[str], capsys: Capture) -> None:
    words = ["-m", *acting, "model.how=killed,ok,refused", "model.value=0.25"]
    assert main(["train", *words]) == 7
    captured = capsys.readouterr()
    assert captured.err.startswith("error: 2 of 3 trials failed; to try again, go on with: ")
    assert captured.err.rstrip().endswith("sweep.resume=sweep")
    assert "3 trials in" in captured.out and "1 finished, 2 failed" in captured.out
    assert "killed by SIGKILL" in captured.out and "best  sweep/001" in captured.out
    assert main(["train", "-m", *acting, "model.how=killed,refused", "run.dir=other"]) == 7


def test_a_stopped_sweep_says_how_it_goes_on(acting: list[str], capsys: Capture) -> None:
    def press() -> None:
        while not Path("sweep/000/metrics.jsonl").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    words = ["-m", *acting, "model.epochs=20", "model.pause=0.02", "model.value=0.1,0.2,0.3"]
    assert main(["train", *words]) == 130
    error = capsys.readouterr().err
    assert "the sweep was stopped when 0 of 3 trials were done; go on with: " in error
    command = error.partition("go on with: ")[2]
    assert all(word in command for word in ("-m", "model.epochs=20", "sweep.resume=sweep"))
    # What differs is refused, and named; what only says how it runs may differ.
    changed = [word.replace("0.3", "0.4") for word in words if word != "run.dir=sweep"]
    told = refused(capsys, *changed, "model.saving=1", "sweep.resume=sweep")
    assert "model.value was 0.1,0.2,0.3 and is now 0.1,0.2,0.4" in told
    assert "model.saving was 0 and is now 1" in told
    assert main(["train", *words, "sweep.jobs=3", "sweep.resume=sweep"]) == 0
    assert [trial.state for trial in read_trials(Path("sweep"))] == ["finished"] * 3
    assert [argv[-1][-3:] for argv in starts(Path("sweep"))] == ["000", "000", "001", "002"]
    before = (Path("sweep") / "leaderboard.csv").read_text()
    assert main(["train", *words, "sweep.resume=sweep"]) == 0
    assert len(starts(Path("sweep"))) == 4
    assert (Path("sweep") / "leaderboard.csv").read_text() == before
    capsys.readouterr()
    assert "holds a sweep; go on with it by sweep.resume=sweep" in refused(capsys, *words)


# Hydra's own machinery


def test_hydras_sweeper_works_with_our_launcher(acting: list[str], capsys: Capture) -> None:
    words = ["-m", *acting, "model.how=ok,diverged", "model.value=0.1,0.2", "hydra/sweeper=basic"]
    assert main(["train", *words, "sweep.jobs=4"]) == 7
    trials = read_trials(Path("sweep"))
    assert [trial.state for trial in trials] == ["finished", "finished", "failed", "failed"]
    assert trials[1].overrides == ("model.how=ok", "model.value=0.2")
    assert "go on with" not in capsys.readouterr().err


def test_our_sweeper_works_with_hydras_launcher(
    acting: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """In batches where it searches; each job returns the metric."""
    returned: list[Any] = []
    # Hydra keeps classes of its own: what is imported by this name is another one.
    name = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
    launcher: Any = Plugins.instance().class_name_to_class[name]
    launch = launcher.launch

    def noted(self: Any, jobs: Any, initial_job_idx: int) -> Any:
        results = launch(self, jobs, initial_job_idx)
        returned.append([result._return_value for result in results])
        return results

    monkeypatch.setattr(launcher, "launch", noted)
    words = ["-m", *acting, "model.value=choice(0.1,0.2,0.3)", "hydra/launcher=basic"]
    assert main(["train", *words]) == 0
    assert returned == [[0.1, 0.2, 0.3]]
    assert (Path("sweep") / "leaderboard.csv").exists() and not list(Path().rglob(".hydra"))
    returned.clear()
    search = ["sweep=random", "sweep.trials=3", "sweep.jobs=2", "run.dir=other"]
    assert main(["train", *words, *search]) == 0
    assert sorted(map(len, returned)) == [1, 2] and sorted(
        v for batch in returned for v in batch
    ) == [0.1, 0.2, 0.3]


def test_hydras_joblib_launcher_works(acting: list[str], capsys: Capture) -> None:
    words = ["-m", *acting, "model.how=ok,killed", "hydra/launcher=joblib"]
    try:
        assert main(["train", *words, "hydra.launcher.n_jobs=2"]) == 7
    finally:
        # Its workers would wait for more.
        loky = import_module("joblib.externals.loky")
        loky.get_reusable_executor().shutdown(wait=True)
    trials = read_trials(Path("sweep"))
    assert [(trial.number, trial.state) for trial in trials] == [(0, "finished"), (1, "failed")]
    assert trials[0].metrics["validation/accuracy"] == 0.5
    assert "killed by SIGKILL" in capsys.readouterr().out


def test_hydras_submitit_launcher_works(acting: list[str]) -> None:
    words = ["-m", *acting, "model.value=0.1,0.2", "hydra/launcher=submitit_local"]
    assert main(["train", *words]) == 0
    metrics = [trial.metrics["validation/accuracy"] for trial in read_trials(Path("sweep"))]
    assert metrics == [0.1, 0.2]


def test_the_plugins_are_for_this_command_only() -> None:
    plugins = import_module("hydra_plugins.fivestep.plugins")
    none: Any = None
    for plugin in (plugins.ProcessLauncher(), plugins.SearchSweeper()):
        with pytest.raises(TypeError, match="work with `train -m` only"):
            plugin.setup(hydra_context=none, task_function=lambda config: 0, config=none)


def test_names_of_trials_are_taken_from_our_own_overrides() -> None:
    sweep: Any = None
    task = door.Task(sweep, ("model=mlp", "run.dir='a'"))
    found = task.own(["model=cnn", "+optimizer.lr=0.1", "run.dir=b", "sweep.jobs=2", "~sweep.x"])
    assert found == ["+optimizer.lr=0.1", "~sweep.x"] or found == ["+optimizer.lr=0.1"]
    assert Trial(7, ()).name == "007"

"""Logs of a run that was stopped at odd places: each step, each picture and each setting once."""

import json
import re
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from forkserver import ForkServer
from log_patches import HELD
from log_runs import SHORT, STEPS, goes_on, same, saved, status
from reference_runs import whole_run
from surviving import KILLED, Whole

HPARAMS = "_hparams_/session_start_info"
PICTURE = "test/confusion_matrix"


@pytest.fixture(scope="module")
def whole(server: ForkServer) -> Whole:
    return whole_run(server, SHORT)


def die(server: ForkServer, folder: Path, patch: str, *arguments: Any) -> None:
    """Start the run, or go on with it, and kill it somewhere."""
    ended = server.run(SHORT.argv(), folder, patch=f"log_patches:{patch}", arguments=arguments)
    assert ended.code == KILLED, ended.err


def shown(folder: Path) -> Any:
    """What TensorBoard shows of the run in a folder."""
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    return EventAccumulator(str(folder / "run" / "tensorboard"), {"tensors": 0}).Reload()


def each_once(folder: Path) -> None:
    """Settings, pictures and final values stand there once, behind the last step."""
    events = shown(folder)
    for tag in (HPARAMS, PICTURE, "validation/confusion_matrix", "test/accuracy"):
        assert [event.step for event in events.Tensors(tag)] == [STEPS + 1], tag
    assert [event.step for event in events.Tensors("model")] == [0]
    for tag in events.Tags()["tensors"]:
        steps = [event.step for event in events.Tensors(tag)]
        assert steps == sorted(set(steps)), (tag, steps)


def test_killed_here_and_there(server: ForkServer, tmp_path: Path, whole: Whole) -> None:
    """Before the first checkpoint, behind one, in the middle of lines, and when all is evaluated.

    What is compared holds each line of metrics.jsonl and each point of each chart.
    """
    die(server, tmp_path, "killed", "before", "trainer.loop:Trainer.step", 4)
    assert not saved(tmp_path)
    die(server, tmp_path, "killed_within_a_record", "line", 3)
    die(server, tmp_path, "killed", "after", "trainer.journal:Journal.evaluated")
    die(server, tmp_path, "killed_within_a_record", "record", 6)
    die(server, tmp_path, "killed", "before", "trainer.evaluation.report:write", 2)
    goes_on(server, tmp_path, whole)
    each_once(tmp_path)


def test_killed_when_all_was_told_but_the_end(
    server: ForkServer, tmp_path: Path, whole: Whole
) -> None:
    """Twice: it is told once more each time, and stands there once."""
    for _ in range(2):
        die(server, tmp_path, "killed", "before", "trainer.journal:Journal.conclude")
        assert status(tmp_path)["state"] == "running"
    goes_on(server, tmp_path, whole)
    each_once(tmp_path)
    times = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4}  ")
    log = (tmp_path / "run" / "train.log").read_text().splitlines()
    assert all(times.match(line) for line in log)
    said = [times.sub("", line) for line in log]
    assert said.count(f"Continuing from step {STEPS}, epoch 4.") == 2
    assert sum(line.startswith("folder  ") for line in said) == 3


def test_killed_when_an_evaluation_was_made_up_for(server: ForkServer, tmp_path: Path) -> None:
    """It is recorded once, beside the training loss of its step."""
    words = ("loader.batch_size=2", "checkpoint.every=70", "trainer.epochs=2")
    argv = SHORT.argv(*words)
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    assert server.run(argv, tmp_path / "whole", patch=SHORT.patch).code == 0
    folder = tmp_path / "stopped"
    # 70 steps and 15 batches of validation an epoch; the first call is that of the preflight.
    patch, arguments = "signal_patches:sent_within_validation", [1 + 3, [signal.SIGTERM]]
    assert server.run(argv, folder, patch=patch, arguments=arguments).code == 143
    assert saved(folder) == [70]
    for _ in range(2):
        arguments = ["after", "trainer.journal:Journal.evaluated"]
        ended = server.run(argv, folder, patch="log_patches:killed", arguments=arguments)
        assert ended.code == KILLED and saved(folder) == [70]
    ended = server.run(argv, folder, patch=SHORT.patch)
    assert ended.code == 0, ended.err
    from comparing import differences, state_of

    assert differences(state_of(folder / "run"), state_of(tmp_path / "whole" / "run")) == []


def test_what_is_compared_would_show_a_step_recorded_twice(
    server: ForkServer, tmp_path: Path, whole: Whole
) -> None:
    die(server, tmp_path, "killed", "after", "trainer.journal:Journal.evaluated", 2)
    ended = server.run(SHORT.argv(), tmp_path, patch="log_patches:forgetful")
    assert ended.code == 0, ended.err
    found = same(tmp_path, whole)
    assert any(line.startswith("metrics.jsonl") for line in found)
    assert any(line.startswith("tensorboard train/loss") for line in found)


@pytest.mark.long
def test_twenty_thousand_steps_hold_no_more_than_a_thousand(
    server: ForkServer, tmp_path: Path
) -> None:
    """Files and threads stay as many, memory grows by less than 1 MB in 1000 steps."""
    words = (
        *("trainer.epochs=null", "trainer.steps=20000", "checkpoint.every=2000"),
        *("evaluation.patience=null", "trainer.record_every=10", "evaluation.every=50"),
    )
    process = server.start(
        SHORT.argv(*words), tmp_path, patch="log_patches:looked_at", arguments=[1000]
    )
    ended = process.wait(3000)
    assert ended.code == 0, ended.err
    held = [json.loads(line) for line in (tmp_path / HELD).read_text().splitlines()][2:]
    assert len(held) == 18
    assert len({each["files"] for each in held}) == 1, held
    assert len({each["threads"] for each in held}) == 1, held
    grown = (held[-1]["bytes"] - held[0]["bytes"]) / (len(held) - 1)
    assert grown < 1_000_000, held
    assert all(later["log"] > each["log"] for each, later in pairwise(held))

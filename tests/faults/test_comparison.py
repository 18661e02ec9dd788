"""The comparison sees what a resume forgets: a check that can't fail would prove nothing."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from forkserver import ForkServer
from reference_runs import whole_run
from reference_tasks import PLATEAU, SUPERVISED, ReferenceTask
from surviving import KILLED, Survivor, saved_steps

# What is left out, and where that has to show.
FORGOTTEN = {
    "random_numbers": "newest/model.safetensors/",
    "torch_numbers": "newest/training/random/torch",
    "numpy_numbers": "newest/training/random/numpy/",
    "python_numbers": "newest/training/random/python/",
    "order_of_samples": "step 49 was not given the same twice",
    "averaged_weights": "newest/ema.safetensors/",
    "buffers": "newest/model.safetensors/body.1.running_mean",
    "one_bit": "newest/training/optimizers/model/state/0/exp_avg_sq",
    "schedule": "newest/training/schedules/",
    "losses_not_recorded": "metrics.jsonl[",
    "lines_of_metrics": "metrics.jsonl[",
    "curves": "tensorboard train/loss",
    "sweeping": "file checkpoints/.tmp-",
    "best_so_far": "newest/state/best",
    "patience": "newest/step",
}
# Only there do later evaluations come that are not better.
WORSE = ("best_so_far", "patience")


@pytest.fixture(scope="module")
def killed(
    server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[ReferenceTask, Survivor]:
    """Runs that died while they saved step 51, with steps and records since they saved step 48."""
    found = {}
    for task in (SUPERVISED, PLATEAU):
        survivor = Survivor(server, task, tmp_path_factory.mktemp("killed") / "run")
        place, step = str(survivor.run / "checkpoints"), "trainer.loop:Trainer.step"
        ended = survivor.live("crash_points:crash_at_operation", 3, place, step, 51)
        assert ended.code == KILLED and saved_steps(survivor.run)[-1] == 48, survivor.told()
        found[task] = survivor
    return found


@pytest.mark.parametrize("what", ["nothing", *FORGOTTEN])
def test_what_a_resume_forgets_is_seen(
    killed: Mapping[ReferenceTask, Survivor], server: ForkServer, tmp_path: Path, what: str
) -> None:
    task = PLATEAU if what in WORSE else SUPERVISED
    survivor = killed[task].copy(tmp_path / "run")
    ended = survivor.live("spoiling:spoil", what)
    assert ended.code == 0, ended.err
    wrong = survivor.differences(whole_run(server, task))
    if what == "nothing":
        assert wrong == []
    else:
        assert any(line.startswith(FORGOTTEN[what]) for line in wrong), wrong

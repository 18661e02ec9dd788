"""Memory that runs out in mid-run: split aloud, or refused where a split changes the result."""

import json
import shutil
from pathlib import Path

import pytest
from forkserver import ForkServer
from safetensors.torch import load_file

MODEL = ("model._target_=memory_models.Tight", "+model.inputs=64", *(
    f"~model.{key}" for key in ("input_shape", "width", "stages", "dropout")
))  # fmt: skip
WORDS = (
    "train", "run.dir=run", *MODEL, "data.augment=null", "trainer.epochs=2", "trainer.threads=1",
    "optimizer=sgd", "scheduler=none", "recorder=silent", "evaluation.baselines=false",
    "export=none", "trainer.ema=null",
)  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    shutil.copy(Path(__file__).parent / "memory_models.py", tmp_path)
    return tmp_path


def lines(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_step_that_does_not_fit_is_split_aloud(server: ForkServer, place: Path) -> None:
    whole = server.run([*WORDS[:1], "run.dir=whole", *WORDS[2:], "+model.room=32"], place)
    split = server.run([*WORDS, "+model.room=9"], place)
    assert whole.code == split.code == 0, split.err
    assert "memory ran out in step 4: each batch is taken in 4 pieces from now on" in (
        split.out + split.err
    )
    assert {"step": 4, "train/pieces": 4} in lines(place / "run")
    one, two = (lines(place / name)[-1]["validation/loss"] for name in ("whole", "run"))
    assert one == pytest.approx(two, abs=1e-4)
    (best,) = [json.loads((place / n / "checkpoints/best.json").read_text()) for n in ("run",)]
    tensors = [
        load_file(place / name / "checkpoints" / best["folder"] / "model.safetensors")
        for name in ("whole", "run")
    ]
    assert all((tensors[0][k] - v).abs().max() < 1e-4 for k, v in tensors[1].items())


def test_what_a_split_would_change_is_refused(server: ForkServer, place: Path) -> None:
    words = [*WORDS, "+model.room=9", "+model.norm=true", "checkpoint.every=2"]
    ended = server.run(words, place)
    assert ended.code == 7 and "Traceback" not in ended.err
    assert "smaller pieces would change the statistics of BatchNorm (model.layers.2)" in ended.err
    assert "saved up to step 2; go on with: " in ended.err
    assert json.loads((place / "run/status.json").read_text())["state"] == "failed"


def test_stop_means_stop(server: ForkServer, place: Path) -> None:
    ended = server.run([*WORDS, "+model.room=9", "trainer.on_oom=stop"], place)
    assert ended.code == 7 and "memory ran out on cpu" in ended.err
    assert "try half the loader.batch_size with trainer.accumulate=2" in ended.err

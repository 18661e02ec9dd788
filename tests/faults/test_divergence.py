"""Runs whose numbers stop being finite (FI-24): how they end, what is kept, what diagnose says."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from forkserver import Ended, ForkServer
from mistakes import contents
from safetensors.torch import load_file

PARTS = "diverging_parts"
QUICK = (
    "run.dir=run",
    f"data._target_={PARTS}.make",
    *(f"~data.{key}" for key in ("validation", "test", "split_seed", "augment", "transform")),
    *(f"~data.{key}" for key in ("folds", "fold")),
    f"model._target_={PARTS}.Net",
    *(f"~model.{key}" for key in ("input_shape", "num_classes", "width", "stages", "dropout")),
    "loader.batch_size=8",
    "trainer.epochs=3",
    "trainer.threads=1",
    "trainer.record_every=1",
    "recorder=silent",
    "evaluation.baselines=false",
    "evaluation.mistakes=0",
    "export=none",
    "checkpoint.every=5",
)
AT = 17  # the step with the fault: number 4 of epoch 1
SAMPLES = [43, 38, 39, 95, 47, 85, 54, 22]  # of that step
LOSS = ("~loss.label_smoothing", "+loss._partial_=true")
GAN = (
    f"task._target_={PARTS}.Gan",
    *(f"~task.{k}" for k in ("inputs", "target", "output", "sample_weight")),
)
NAMED = ("+data.named=true", "task.inputs={row: row}", "task.target=label")


def fault(name: str, at: int = AT) -> tuple[str, str]:
    """A fault in mid-model."""
    return f"+model.fault={name}", f"+model.at={at}"


def train(server: ForkServer, place: Path, *words: str, **named: Any) -> Ended:
    """Train in a folder."""
    return server.run(["train", *QUICK, *words], place, **named)


def diverged(server: ForkServer, place: Path, *words: str, **named: Any) -> dict[str, Any]:
    """A run that ends in exit code 3; the line about the step that ended it."""
    ended = train(server, place, *words, **named)
    assert ended.code == 3, ended
    assert "Traceback" not in ended.err
    return lines(place)[-1]


def diagnose(server: ForkServer, place: Path, *words: str, **named: Any) -> Ended:
    """Look at the run, which must not change by it."""
    before = contents(place / "run")
    ended = server.run(["diagnose", "run", *words], place, **named)
    assert contents(place / "run") == before
    return ended


def told(server: ForkServer, place: Path, *words: str, **named: Any) -> dict[str, Any]:
    """What it found, as strict JSON."""
    ended = diagnose(server, place, "--json", *words, **named)
    assert ended.code == 0, ended

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    found: dict[str, Any] = json.loads(ended.out, parse_constant=refuse)
    return found


def lines(place: Path) -> list[dict[str, Any]]:
    """What the run has written of steps that were not finite."""
    file = place / "run/nonfinite.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def metrics(place: Path, key: str) -> dict[int, float]:
    """A metric by step."""
    read = map(json.loads, (place / "run/metrics.jsonl").read_text().splitlines())
    return {line["step"]: line[key] for line in read if key in line}


def all_finite(place: Path) -> bool:
    """Whether every number of every checkpoint is finite."""
    return not unsound(place / "run/checkpoints")


def unsound(checkpoints: Path) -> list[str]:
    """The weights and buffers below a folder that are not finite."""
    return [
        f"{file.parent.name}/{name}"
        for file in sorted(checkpoints.rglob("*.safetensors"))
        for name, tensor in load_file(file).items()
        if tensor.is_floating_point() and not tensor.isfinite().all()
    ]


def best(place: Path) -> Path:
    """The best checkpoint."""
    checkpoints = place / "run/checkpoints"
    return checkpoints / str(json.loads((checkpoints / "best.json").read_text())["folder"])


@pytest.fixture(scope="module")
def stopped(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """Where a run with the logarithm of 0 in mid-model has ended; nobody may change it."""
    place = tmp_path_factory.mktemp("stopped")
    return place, train(server, place, *fault("log"), "+model.inplace=true")


@pytest.fixture(scope="module")
def healthy(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run has come to its end; nobody may change it."""
    place = tmp_path_factory.mktemp("healthy")
    assert train(server, place).code == 0
    return place


# What diagnose says.

FAULTS: dict[str, tuple[Sequence[str], dict[str, str], str, str]] = {
    "root of 0, whose slope is infinite": (
        fault("root"),
        {"kind": "backward", "where": "model.middle", "operation": "SqrtBackward0"},
        "return torch.sqrt(",
        "the root has an infinite slope",
    ),
    "softmax of nothing, among others that are masked rightly": (
        fault("masked"),
        {
            "kind": "forward",
            "where": "model.middle",
            "value": "nan",
            "operation": "torch.nn.functional.softmax",
        },
        "return hidden * functional.softmax(",
        "softmax of a row",
    ),
    "division by 0 in the loss": (
        (f"loss._target_={PARTS}.by_count", *LOSS),
        {"kind": "loss", "where": "by_count", "value": "inf", "operation": "torch.Tensor.div"},
        "/ (target == 0).sum()",
        "divided by 0",
    ),
    "half precision, in the second batch of two": (
        (*fault("small", 2 * AT), "trainer.precision=bf16", "trainer.accumulate=2"),
        {"kind": "forward", "where": "model.middle", "value": "-inf", "operation": "torch.log"},
        "return torch.log(nearly_one - 1)",
        "in fp32 the same step is finite",
    ),
    "two turns, of which one diverges": (
        (*fault("log", 2 * AT), *GAN, "~task.weight"),
        {"kind": "forward", "turn": "critic", "where": "critic.middle", "operation": "torch.log"},
        "return torch.log(hidden.relu() + smallest)",
        "the logarithm of 0",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_planted_fault_is_named(name: str, server: ForkServer, tmp_path: Path) -> None:
    words, expected, line, remedy = FAULTS[name]
    recorded = diverged(server, tmp_path, *words, "trainer.epochs=6")
    found = told(server, tmp_path)
    (look,) = found["looks"]
    finding = look["finding"]
    assert {key: finding[key] for key in expected} == expected
    assert "diverging_parts.py:" in finding["facts"]["line"] and line in finding["facts"]["line"]
    assert remedy in found["remedies"][0]
    assert not any("explode" in each for each in found["remedies"])
    assert found["recorded"]["step"] == recorded["step"] == look["step"]
    assert [look[key] for key in ("epoch", "batch", "samples")] == [
        recorded[key] for key in ("epoch", "batch", "samples")
    ]
    assert look["names"] == [f"row_{index}.txt" for index in look["samples"]]
    if "half" in name:
        assert look["in_fp32"] is True and finding["facts"]["autocast"] == "bf16"
        assert finding["facts"]["micro-batch"] == "2 of 2"
    # The steps before are those of the run, bit for bit.
    turn = "/critic" if "two turns" in name else ""
    losses = metrics(tmp_path, f"train/loss{turn}")
    before = look["rows"][:-1]
    assert before and all(row[f"loss{turn}"] == losses[row["step"]] for row in before)


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (("+data.fault=huge",), "input", "inf"),
        (("+data.fault=hole", *NAMED, "trainer.accumulate=2"), "row", "nan"),
    ],
    ids=["inf", "nan of a dict, accumulated"],
)
def test_a_sample_that_is_not_finite_is_named(
    words: Sequence[str], field: str, value: str, server: ForkServer, tmp_path: Path
) -> None:
    recorded = diverged(server, tmp_path, *words)
    assert 50 in recorded["samples"]
    found = told(server, tmp_path)
    finding = found["looks"][0]["finding"]
    assert finding["kind"] == "batch"
    bad = {"field": field, "value": value, "sample": 50, "name": "row_50.txt"}
    assert finding["facts"]["samples"] == [bad]
    assert "mend or remove the sample row_50.txt" in found["remedies"][0]


def test_an_explosion_is_seen_coming(server: ForkServer, tmp_path: Path) -> None:
    diverged(server, tmp_path, "optimizer=sgd", "optimizer.lr=1e6", "scheduler=none")
    found = told(server, tmp_path)
    finding = found["looks"][0]["finding"]
    assert finding["kind"] in ("forward", "loss")
    losses = [row["loss"] for row in found["looks"][0]["rows"]]
    assert losses[-2] > 1e4 * losses[0]
    assert "explode" in found["remedies"][0] and "1e+06" in found["remedies"][0]
    assert any("trainer.clip_norm=1" in remedy for remedy in found["remedies"])


def test_weights_that_the_optimizer_spoils_are_traced_to_its_step(
    server: ForkServer, tmp_path: Path
) -> None:
    words = ("optimizer=sgd", "optimizer.lr=1e38", "scheduler=none")
    diverged(server, tmp_path, *words, f"loss._target_={PARTS}.a_hundred_times", *LOSS)
    found = told(server, tmp_path)
    first, second = found["looks"]
    assert first["step"] == 2 and first["finding"]["kind"] == "state"
    assert second["step"] == 1 and second["finding"]["kind"] == "update"
    assert second["finding"]["where"] == first["finding"]["where"] == "model.first.weight"
    assert second["finding"]["operation"] == "SGD" and second["finding"]["facts"]["lr"] == 1e38
    assert "use a lower rate than 1e+38" in " ".join(found["remedies"])


def test_a_buffer_that_became_nan_is_traced_to_the_module_and_the_line(
    server: ForkServer, tmp_path: Path
) -> None:
    recorded = diverged(server, tmp_path, *fault("statistics"))
    assert recorded["step"] == AT + 1
    first, second = told(server, tmp_path)["looks"]
    assert first["finding"]["kind"] == "state" and first["since"] == AT
    assert second["step"] == AT and second["finding"]["kind"] == "buffer"
    assert second["finding"]["where"] == "model.middle.running_var"
    assert "self.running_var.sub_(100).sqrt_()" in second["finding"]["facts"]["line"]


def test_a_compiled_model_is_looked_at_uncompiled(server: ForkServer, tmp_path: Path) -> None:
    patch = {"patch": f"{PARTS}:compiled_by_nobody"}
    diverged(server, tmp_path, *fault("log"), "trainer.compile=true", **patch)
    finding = told(server, tmp_path, **patch)["looks"][0]["finding"]
    assert finding["where"] == "model.middle" and finding["operation"] == "torch.log"


HEALTHY = {
    "supervised": ("scheduler=plateau", "scheduler.schedule.patience=0", "optimizer=sgd"),
    "accumulated": ("trainer.accumulate=2", "trainer.clip_norm=0.5", *NAMED),
    "bf16": ("trainer.precision=bf16",),
    "two turns": (*GAN, "~task.weight"),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_is_found_healthy_and_replayed_bit_for_bit(
    name: str, server: ForkServer, tmp_path: Path
) -> None:
    ended = train(server, tmp_path, *HEALTHY[name], "trainer.epochs=5")
    assert ended.code == 0, ended
    last = max(metrics(tmp_path, "train/lr" if name != "two turns" else "train/lr/critic"))
    # The last step, and one behind the end of an epoch.
    for step in (last // 5 + 1, last):
        found = told(server, tmp_path, "--step", str(step))
        (look,) = found["looks"]
        assert look["finding"] is None and found["remedies"] == [] and look["step"] == step
        assert [row["step"] for row in look["rows"]][-1] == step
        for row in look["rows"]:
            for key, value in row.items():
                if key not in ("step", "lr"):
                    assert value == metrics(tmp_path, f"train/{key}")[row["step"]], (step, key)
        assert len(look["rows"]) > 1


def test_without_its_random_numbers_a_replay_is_another_one(
    server: ForkServer, healthy: Path
) -> None:
    """The negative control of the comparison above."""
    recorded = metrics(healthy, "train/loss")
    for patch, same in ((None, True), (f"{PARTS}:without_random_numbers", False)):
        (look,) = told(server, healthy, "--step", "36", patch=patch)["looks"]
        assert look["checkpoint"]
        assert all(row["loss"] == recorded[row["step"]] for row in look["rows"]) is same


def test_what_is_printed_can_be_read(
    server: ForkServer, stopped: tuple[Path, Ended], healthy: Path
) -> None:
    out = diagnose(server, stopped[0]).out
    assert out.startswith(f"step {AT} of run: epoch 1, batch 4\nsamples   row_43.txt, row_38.txt")
    assert "\nreplayed  from step_00000012\n" in out
    assert "\n-inf arises in the forward of model.middle (Log)\n" in out
    assert "\n  operation   torch.log\n" in out
    assert "diverging_parts.py:" in out and "torch.log(hidden.relu() + smallest)\n" in out
    head = next(line for line in out.splitlines() if line.startswith("step  "))
    assert head.split() == ["step", "loss", "grad_norm", "lr"]
    assert "resume=run trainer.on_nonfinite=skip" in out.splitlines()[-1]
    out = diagnose(server, healthy, "--step", "1").out
    assert "\nreplayed  from the start of the run\n\nall numbers of step 1 are finite\n" in out
    assert "->" not in out


def test_a_damaged_checkpoint_is_passed_over_and_left_where_it_is(
    server: ForkServer, stopped: tuple[Path, Ended], tmp_path: Path
) -> None:
    shutil.copytree(stopped[0] / "run", tmp_path / "run")
    file = tmp_path / "run/checkpoints/step_00000012/model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    (look,) = told(server, tmp_path)["looks"]
    assert look["checkpoint"] == "step_00000015" and look["finding"]["where"] == "model.middle"
    assert len(look["warnings"]) == 1 and "step_00000012 can't be used" in look["warnings"][0]


def test_a_run_that_has_not_diverged_is_refused(server: ForkServer, healthy: Path) -> None:
    for words, expected in (
        ((), "run has not diverged; give --step N to look at a step of it"),
        (("--step", "37"), "run has made 36 steps; there is no 37"),
        (("--step", "0"), "--step is 0; steps are counted from 1"),
    ):
        ended = diagnose(server, healthy, *words)
        assert ended.code == 2 and ended.err == f"error: {expected}\n"


def test_what_no_longer_builds_or_is_not_ones_own_is_refused(
    server: ForkServer, tmp_path: Path
) -> None:
    mine = tmp_path / "diverging_mine.py"
    shutil.copy(Path(__file__).with_name("diverging_parts.py"), mine)
    words = ("data._target_=diverging_mine.make", "model._target_=diverging_mine.Net")
    diverged(server, tmp_path, *words, *fault("log"))
    assert told(server, tmp_path)["looks"][0]["finding"]["kind"] == "forward"
    home = {"patch": f"{PARTS}:elsewhere", "arguments": [str(tmp_path / "home")]}
    ended = diagnose(server, tmp_path, **home)
    assert ended.code == 2 and "--trust diverging_mine.Net" in ended.err
    trust = ("--trust", "diverging_mine.Net", "--trust", "diverging_mine.make")
    assert diagnose(server, tmp_path, *trust, **home).code == 0
    text = mine.read_text()
    mine.write_text(text.replace("numbers[:96], labels[:96]", "numbers[:95], labels[:95]"))
    ended = diagnose(server, tmp_path)
    assert ended.code == 2 and "the data is no longer that" in ended.err
    mine.write_text(text.replace("nn.Linear(16, CLASSES)", "nn.Linear(17, CLASSES)"))
    ended = diagnose(server, tmp_path)
    assert ended.code == 2 and "don't fit the model" in ended.err
    mine.unlink()
    ended = diagnose(server, tmp_path)
    assert ended.code == 2 and "diverging_mine" in ended.err


def test_a_step_that_is_finite_after_all_is_told_so(server: ForkServer, tmp_path: Path) -> None:
    mine = tmp_path / "diverging_mine.py"
    shutil.copy(Path(__file__).with_name("diverging_parts.py"), mine)
    diverged(server, tmp_path, "model._target_=diverging_mine.Net", *fault("log"))
    mine.write_text(mine.read_text().replace("smallest = 0.0 if self.now()", "smallest = 1.0 if 1"))
    ended = diagnose(server, tmp_path)
    assert ended.code == 0
    assert f"all numbers of step {AT} are finite this time, though the loss" in ended.out
    assert "diverging_mine" in ended.out[ended.out.index("possible reasons") :]


# How such runs end, and what is kept.


def test_stop_tells_all_that_is_known(stopped: tuple[Path, Ended]) -> None:
    place, ended = stopped
    assert ended.code == 3
    message = next(line for line in ended.err.splitlines() if line.startswith("error: "))
    assert f"the loss is nan at step {AT} (epoch 1, batch 4)" in message
    assert "samples of the step: 43, 38, 39, 95" in ended.err
    assert "the last checkpoint is step 15" in message
    assert "optimizer.lr" in message and "trainer.clip_norm=1" in message
    assert "diagnose run" in ended.err and "trainer.on_nonfinite=skip" in ended.err
    assert lines(place) == [
        {
            "step": AT,
            "epoch": 1,
            "batch": 4,
            "samples": SAMPLES,
            "what": "loss",
            "name": "loss",
            "value": "nan",
            "checkpoint": "step_00000015",
        }
    ]
    status = json.loads((place / "run/status.json").read_text())
    assert status["state"] == "failed" and status["exit_code"] == 3
    assert all_finite(place)
    assert max(metrics(place, "train/loss")) == AT - 1


@pytest.mark.parametrize("name", ["root", "statistics"])
def test_stop_is_before_the_step_whichever_number_it_was(
    name: str, server: ForkServer, tmp_path: Path
) -> None:
    line = diverged(server, tmp_path, *fault(name), "checkpoint.every=1")
    assert line["step"] == AT
    assert line["what"] == ("gradient" if name == "root" else "state")
    names = [path.name for path in (tmp_path / "run/checkpoints").glob("step_*")]
    assert f"step_{line['step'] - 1:08d}" in names and f"step_{line['step']:08d}" not in names
    assert all_finite(tmp_path)
    if name == "statistics":
        assert line["name"].startswith("model.middle.")


def test_resumed_it_ends_in_the_same_step(
    server: ForkServer, stopped: tuple[Path, Ended], tmp_path: Path
) -> None:
    shutil.copytree(stopped[0] / "run", tmp_path / "run")
    (first,) = lines(tmp_path)
    ended = server.run(["train", "resume=run"], tmp_path)
    assert ended.code == 3 and f"at step {AT}" in ended.err
    assert lines(tmp_path) == [first]


def test_skip_goes_on_and_counts(server: ForkServer, tmp_path: Path) -> None:
    ended = train(server, tmp_path, "+data.fault=hole", "trainer.on_nonfinite=skip")
    assert ended.code == 0, ended
    found = lines(tmp_path)
    # Sample 50 comes once an epoch.
    assert [line["step"] for line in found] == [6, 15, 33]
    assert all(50 in line["samples"] for line in found)
    assert (ended.out + ended.err).count("was skipped") == 1
    assert metrics(tmp_path, "train/skipped")[36] == 3
    assert all_finite(tmp_path)
    training = torch.load(tmp_path / "run/checkpoints/step_00000036/training.pt", weights_only=True)
    assert training["schedules"]["model"]["count"] == 33
    finding = told(server, tmp_path)["looks"][0]["finding"]
    assert finding["kind"] == "batch" and finding["facts"]["samples"][0]["sample"] == 50
    # A step behind several that were skipped is the run's, too.
    (look,) = told(server, tmp_path, "--step", "36")["looks"]
    recorded = metrics(tmp_path, "train/loss")
    assert all(row["loss"] == recorded[row["step"]] for row in look["rows"] if row["step"] != 33)


def test_skip_has_an_end(server: ForkServer, tmp_path: Path) -> None:
    words = (*fault("logs"), "trainer.on_nonfinite=skip", "trainer.max_nonfinite=4")
    ended = train(server, tmp_path, *words)
    assert ended.code == 3
    assert "4 steps in a row were skipped" in ended.err and "max_nonfinite is 4" in ended.err
    assert [line["step"] for line in lines(tmp_path)] == [17, 18, 19, 20]
    assert all_finite(tmp_path)
    (look,) = told(server, tmp_path)["looks"]
    assert look["step"] == 20 and look["finding"]["where"] == "model.middle"


def test_a_run_that_was_stopped_goes_on_with_skip(server: ForkServer, tmp_path: Path) -> None:
    diverged(server, tmp_path, "+data.fault=hole")
    words = ["train", "resume=run", "trainer.on_nonfinite=skip"]
    ended = server.run(words, tmp_path)
    assert ended.code == 0, ended
    assert [line["step"] for line in lines(tmp_path)] == [6, 15, 33]
    assert all_finite(tmp_path)


def test_a_state_that_is_not_finite_is_never_saved(server: ForkServer, tmp_path: Path) -> None:
    """A BatchNorm whose running variance is NaN trains well, and evaluates to NaN."""
    line = diverged(server, tmp_path, *fault("unused"), "evaluation.select=accuracy")
    assert (line["step"], line["what"]) == (20, "state") and "running_var" in line["name"]
    assert all_finite(tmp_path)
    (look,) = told(server, tmp_path, "--step", str(AT))["looks"]
    assert look["finding"]["kind"] == "buffer"


def test_what_evaluates_to_nan_never_is_the_best(server: ForkServer, tmp_path: Path) -> None:
    """The accuracy of logits that are all NaN is a number."""
    words = ("evaluation.select=accuracy", "+data.fault=blind", "evaluation.patience=2")
    ended = train(server, tmp_path, *words)
    assert ended.code == 0, ended
    assert "the validation loss is nan after step" in ended.out + ended.err
    assert "no evaluation was finite, so none is the best" in ended.out
    assert not (tmp_path / "run/checkpoints/best.json").exists()

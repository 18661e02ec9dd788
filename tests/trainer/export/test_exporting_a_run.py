"""From `train` to the artefacts of a run, and `fivestep export` on a run that is there already."""

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch

from data.digits import digits
from trainer.cli import main
from trainer.config.compose import compose
from trainer.config.exporting import export_config, make_export
from trainer.config.reopen import reopen
from trainer.errors import Refused
from trainer.export import Artefacts, Nothing
from trainer.export.artefact import load_artefact
from trainer.export.formats import FILES, NotPossible
from trainer.export.manifest import read_manifest
from trainer.storage.lock import Lock

QUICK = ["model=mlp", "trainer.epochs=3", "trainer.threads=1", "recorder=silent"]
QUICK += ["evaluation.baselines=false", "evaluation.mistakes=0"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on digits, exported as .pt2 and ONNX; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.evaluation.class_report.write_figures", lambda *_: None)
        assert main(["train", *QUICK, "export=default", f"run.dir={folder}"]) == 0
    return folder


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """A copy of it without its export."""
    return Path(shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("export")))


@pytest.fixture(scope="module")
def three(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of it to which `fivestep export` has added TorchScript, and what that printed."""
    place = Path(shutil.copytree(run, tmp_path_factory.mktemp("three") / "run"))
    with redirect_stdout(io.StringIO()) as shown:
        assert main(["export", str(place), "torchscript"]) == 0
    return place, shown.getvalue()


def test_train_leaves_proven_artefacts(run: Path) -> None:
    names = {path.name for path in (run / "export").iterdir()}
    assert names == {"model.pt2", "model.onnx", "predict.py", "manifest.json"}
    manifest = read_manifest(run / "export")
    assert manifest.origin == "own" and manifest.failed == {}
    assert manifest.classes == [str(number) for number in range(10)]
    assert (
        manifest.reader is not None
        and manifest.reader["_target_"] == "data.images.reader.ImageReader"
    )
    log = (run / "train.log").read_text()
    assert "Exported in" in log and "warning" not in log
    # Nothing in it says where it was made.
    assert b"site-packages" not in (run / "export/model.onnx").read_bytes()


@pytest.mark.parametrize("form", FILES)
def test_the_figures_of_record(three: tuple[Path, str], form: str) -> None:
    """At most 1e-5 apart, all decisions equal, the test accuracy that was measured in training."""
    place = three[0]
    measured = json.loads((place / "evaluation/test.json").read_text())["accuracy"]
    manifest = read_manifest(place / "export")
    assert manifest.metrics["test/accuracy"] == measured
    entry = manifest.artefacts[form]
    parity = entry["parity"]
    assert parity["largest_absolute_difference"] <= 1e-5
    assert parity["equal_decisions"] == 1.0 and parity["near_ties"] == 0
    assert parity["batch_sizes"] == [1, 2, 7, 32] and parity["samples"] == 1 + 2 + 7 + 32 + 359
    assert entry["metrics"]["test/accuracy"] == measured
    assert entry["latency_ms"].keys() == {"1", "32"}


@pytest.mark.parametrize("form", FILES)
def test_an_artefact_answers_as_the_run_does(three: tuple[Path, str], form: str) -> None:
    run = three[0]
    splits = digits()
    inputs = np.stack([np.asarray(splits.test[index][0]) for index in range(50)])
    artefact = load_artefact(run / "export", form)
    expected = reopen(run).outputs(inputs)
    assert np.abs(artefact(inputs) - expected).max() <= 1e-5
    assert np.abs(artefact(inputs[:1]) - expected[:1]).max() <= 1e-5


def test_the_bundle_moves_and_predicts_without_torch(run: Path, tmp_path: Path) -> None:
    from PIL import Image

    place = shutil.copytree(run / "export", tmp_path / "elsewhere")
    splits = digits()
    Image.fromarray(splits.test.picture(0)[..., 0]).save(tmp_path / "digit.png")
    without = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'trainer', 'data', 'models']))"
    )
    start = f"{without}; import runpy; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], {{}}, "
    start += "'__main__')"
    words = [str(place / "predict.py"), "--format", "jsonl", str(tmp_path / "digit.png")]
    done = subprocess.run(
        [sys.executable, "-I", "-c", start, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    trained = reopen(run)
    assert trained.reader is not None
    logits = trained.outputs(trained.reader.batch([splits.test.picture(0)]))
    probability = torch.from_numpy(logits).softmax(1).max()
    assert answer["label"] == str(logits.argmax())
    assert answer["probability"] == pytest.approx(float(probability), abs=1e-5)


def test_the_command_adds_a_form_and_prints_a_table(run: Path, three: tuple[Path, str]) -> None:
    place, shown = three
    before, after = read_manifest(run / "export"), read_manifest(place / "export")
    title, *rows = [line.split() for line in shown.splitlines()[1:5]]
    assert title[:5] == ["form", "file", "size", "differs", "equal"]
    assert [row[0] for row in rows] == ["torch_export", "onnx", "torchscript"]
    assert all("100" in row and f"{before.metrics['test/accuracy']:.4f}" in row for row in rows)
    assert "predict.py INPUTS" in shown
    assert after.artefacts["torch_export"] == before.artefacts["torch_export"]
    assert after.run["weights"] == before.run["weights"]
    assert not [path for path in place.iterdir() if path.name.startswith(".tmp")]


REFUSED = [
    (["{run}", "onxx"], 2, "'onxx' is no form of export; did you mean onnx?; choices: default"),
    (["{run}", "export=onxx"], 2, "export=onxx is not to be had; did you mean export=onnx?"),
    (["{run}", "none"], 2, "export=none writes nothing; name a form, such as export=onnx"),
    (["{run}", "onnx", "export=onnx"], 2, "onnx and export= both choose; write one of them"),
    (["{run}", "model=cnn"], 2, "model=cnn: only the export can be chosen here"),
    (["{run}", "onnx", "export.atol=-1"], 2, "export.atol is -1; it has to be a number, 0 or more"),
    (["{run}", "export.atoll=1"], 2, "export.atoll is not listed in export; did you mean export."),
    (["{run}", "export.sizes=[0]"], 2, "export.sizes[0] is 0; it has to be a whole number, 1 or"),
    (["{run}", "--artefact"], 2, "there is no flag --artefact; see fivestep export --help"),
    (["{run}s"], 2, "does not exist; did you mean"),
    ([], 2, "the following arguments are required: RUN"),
]


@pytest.mark.parametrize(("words", "code", "reason"), REFUSED)
def test_what_cant_be_asked_for_is_told_in_one_line(
    words: list[str], code: int, reason: str, copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *(word.format(run=copy) for word in words)]) == code
    shown, told = capfd.readouterr()
    assert reason in told and told.count("\n") == 1 and "Traceback" not in told
    assert shown == "" and not (copy / "export").exists()


def test_a_run_without_weights_is_refused(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(copy / "checkpoints")
    assert main(["export", str(copy)]) == 2
    assert "has no weights" in capfd.readouterr().err


def test_an_unfinished_run_without_a_checkpoint_is_refused(
    copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status = json.loads((copy / "status.json").read_text())
    (copy / "status.json").write_text(json.dumps(status | {"state": "running"}))
    shutil.rmtree(copy / "checkpoints")
    assert main(["export", str(copy), "onnx"]) == 2
    assert "has no weights: its training has saved no checkpoint" in capfd.readouterr().err


def test_a_run_in_use_is_left_alone(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    held = Lock(copy)
    try:
        assert main(["export", str(copy)]) == 6
    finally:
        held.release()
    assert f"is in use by process {os.getpid()}" in capfd.readouterr().err


def test_a_refused_artefact_is_exit_code_7(
    copy: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.export.parity.Parity.bound", 0.0)
    assert main(["export", str(copy), "onnx"]) == 7
    told = capfd.readouterr().err
    assert told.startswith("error: not exported as onnx: an output differs by ")
    assert {path.name for path in (copy / "export").iterdir()} == {"manifest.json"}


def test_what_cant_be_converted_is_exit_code_7_for_the_command(
    copy: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert(self: object, subject: object, folder: object) -> None:
        raise NotPossible("there is no such operator; use another")

    monkeypatch.setattr("trainer.export.onnx.Onnx.convert", convert)
    assert main(["export", str(copy), "onnx"]) == 7
    told = capfd.readouterr().err
    assert told == "error: not exported as onnx: there is no such operator; use another\n"
    assert read_manifest(copy / "export").failed == {
        "onnx": "there is no such operator; use another"
    }


def test_the_choices_compose() -> None:
    def formats(*words: str) -> list[str]:
        return list(compose(words).export.get("formats", {}))

    assert formats("export=default") == ["torch_export", "onnx"]
    assert formats("export=onnx") == ["onnx"]
    assert formats("export=[onnx,torchscript]") == ["onnx", "torchscript"]
    assert formats("export=none") == []
    with pytest.raises(Refused, match="export=onxx is not to be had"):
        compose(["export=[onnx,onxx]"])


def test_without_a_choice_it_is_the_runs_own_else_the_default() -> None:
    own = {**export_config(["onnx"], {}).export, "atol": 1e-3}
    assert export_config([], own).export.atol == 1e-3
    changed = export_config(["export.samples=5"], own).export
    assert (changed.samples, changed.atol, list(changed.formats)) == (5, 1e-3, ["onnx"])
    for nothing in ({}, {"_target_": "trainer.export.Nothing"}):
        assert list(export_config([], nothing).export.formats) == ["torch_export", "onnx"]
    both = make_export(export_config(["onnx", "torchscript"], own))
    assert isinstance(both, Artefacts) and list(both.formats) == ["onnx", "torchscript"]
    dynamic = export_config(["onnx", "export.dynamic={images: {2: height}}"], {})
    made = make_export(dynamic)
    assert isinstance(made, Artefacts) and made.dynamic == {"images": {2: "height"}}
    with pytest.raises(Refused, match=r"export\.dynamic is .* has to be a mapping"):
        make_export(export_config(["onnx", "export.dynamic={images: {2: 'a b'}}"], {}))
    with pytest.raises(Refused, match=r"opset is 3; it has to be a whole number, 18 or more"):
        make_export(export_config(["onnx", "export.formats.onnx.opset=3"], {}))


def test_no_export_costs_no_import() -> None:
    start = (
        "import sys, trainer.export as e; e.Nothing().write(None, None, None); "
        "assert not [n for n in sys.modules if n.split('.')[0] in ('torch', 'onnx', 'numpy', "
        "'onnxruntime') or n.startswith('trainer.export.')]"
    )
    subprocess.run([sys.executable, "-c", start], check=True)
    assert Nothing().write(None, None, None) is None  # type: ignore[func-returns-value]

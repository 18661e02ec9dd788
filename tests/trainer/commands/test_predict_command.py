"""`fivestep predict`: the same answer by every way, bad files beside good ones, honest outputs."""

import csv
import io
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import exported_run
from PIL import Image

from trainer.cli import main
from trainer.config.reopen import reopen
from trainer.inference.predictors import of_run

CALL = "import sys; from trainer.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_run(tmp_path_factory)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pictures: `a/0.png` ... `a/4.png`, and `b.jpg` of another size and mode."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    generator = np.random.default_rng(0)
    (tmp_path / "a").mkdir()
    for number in range(5):
        pixels = generator.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"a/{number}.png")
    Image.fromarray(generator.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save("b.jpg")
    return tmp_path


class Answer:
    """What a command said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        assert "Traceback" not in err and "error: unexpected" not in err, err

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def predict(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*words: object) -> Answer:
        capsys.readouterr()
        code = main(["predict", *map(str, words)])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call


def refused(answer: Answer, *told: str) -> None:
    """Exit code 2, nothing on standard output, and these words in one line."""
    assert (answer.code, answer.out) == (2, "")
    for text in told:
        assert text in answer.err
    assert len(answer.err.splitlines()) == 1


def test_the_answer_is_the_models_own(run: Path, here: Path, predict: Any) -> None:
    trained = reopen(run)
    assert trained.reader is not None
    names = [*(f"a/{number}.png" for number in range(5)), "b.jpg"]
    logits = trained.outputs(trained.reader.batch([trained.reader.read(n) for n in names]))
    exact = np.exp(logits - logits.max(1, keepdims=True))
    exact /= exact.sum(1, keepdims=True)
    answer = predict(run, "a", "b.jpg", "--output", "-", "--top", 10)
    assert answer.code == 0 and [row["input"] for row in answer.rows] == names
    for row, values in zip(answer.rows, exact, strict=True):
        assert row["label"] == row["top_k"][0][0] == str(values.argmax())
        found = dict(row["top_k"])
        assert np.allclose([found[str(n)] for n in range(10)], values, atol=2e-6)


def test_every_way_says_the_same(run: Path, here: Path, predict: Any) -> None:
    own = predict(run, "a", "--output", "-").rows
    elsewhere = shutil.copytree(run / "export", here / "elsewhere")
    ways = [
        (run, "a", "--artefact", "onnx"),
        (run, "a", "--artefact", "pt2"),
        (elsewhere, "a"),
        (elsewhere, "a", "--artefact", "torch_export"),
        (run, "a/*.png", "--batch-size", "2"),
        (run, *(f"a/{number}.png" for number in range(5))),
    ]
    for way in ways:
        rows = predict(*way, "--output", "-").rows
        assert [row["label"] for row in rows] == [row["label"] for row in own], way
        for row, known in zip(rows, own, strict=True):
            assert row["probability"] == pytest.approx(known["probability"], abs=2e-5), way
    (elsewhere / "model.onnx").unlink()
    (elsewhere / "model.pt2").unlink()
    refused(predict(elsewhere, "a"), "model.onnx is missing")


def test_it_is_the_artefact_that_answers(
    run: Path, here: Path, predict: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def threes(inputs: Any) -> Any:
        return np.eye(10, dtype=np.float32)[[3] * len(inputs)]

    monkeypatch.setattr("trainer.export.artefact.load_artefact", lambda *_: threes)
    rows = predict(run, "a", "--artefact", "onnx", "--output", "-").rows
    assert {row["label"] for row in rows} == {"3"}
    rows = predict(run, "a", "--output", "-").rows
    assert {row["label"] for row in rows} != {"3"}


def test_the_table(run: Path, here: Path, predict: Any) -> None:
    lines = predict(run, "a/0.png", "b.jpg").out.splitlines()
    assert lines[0] == "input    label  probability  next" and len(lines) == 3
    assert re.fullmatch(r"a/0\.png  \d      +0\.\d{4}  \d 0\.\d{4}, \d 0\.\d{4}", lines[1])
    deep = here / ("deep" * 10) / ("er" * 20)
    deep.mkdir(parents=True)
    shutil.copy("b.jpg", deep)
    for width in (40, 60, 80):
        os.environ["COLUMNS"] = str(width)  # restored by the fixture
        lines = predict(run, deep).out.splitlines()
        assert max(map(len, lines)) <= width and lines[1].startswith("…")
        assert "b.jpg" in lines[1]


def test_of_many_the_first_and_a_summary(run: Path, here: Path, predict: Any) -> None:
    (here / "many").mkdir()
    for number in range(30):
        shutil.copy(here / "a/0.png", here / f"many/{number:02}.png")
    label = predict(run, "a/0.png", "--output", "-").rows[0]["label"]
    lines = predict(run, "many").out.splitlines()
    assert [line.split()[0] for line in lines[1:11]] == [f"many/{n:02}.png" for n in range(10)]
    assert lines[11] == "... and 20 more; all of them: --output FILE.csv"
    assert lines[14].split()[:3] == [label, "30", "100.0%"]
    assert lines[-1] == "30 inputs"


def test_a_file_that_cannot_be_read_is_told_and_the_others_go_through(
    run: Path, here: Path, predict: Any
) -> None:
    (here / "a/2.png").write_text("no picture")
    (here / "a/3.png").write_bytes((here / "a/3.png").read_bytes()[:60])
    answer = predict(run, "a", "--output", "x.csv")
    assert answer.code == 7
    errors = answer.err.splitlines()
    assert [error.split()[1] for error in errors] == ["a/2.png", "a/3.png", "2"]
    assert errors[2].startswith("error: 2 of 5 inputs could not be read; the column error has")
    rows = list(csv.DictReader(io.StringIO((here / "x.csv").read_text())))
    assert [bool(row["error"]) for row in rows] == [False, False, True, True, False]
    assert [bool(row["label"]) for row in rows] == [True, True, False, False, True]
    assert "5 inputs, 2 of them not readable; written to x.csv" in answer.out
    shown = predict(run, "a")
    assert shown.code == 7 and re.search(r"a/2\.png  -  +-  a/2\.png is not an image", shown.out)


def test_of_many_errors_the_first_are_named(run: Path, here: Path, predict: Any) -> None:
    (here / "bad").mkdir()
    for number in range(30):
        (here / f"bad/{number:02}.png").write_text("x")
    answer = predict(run, "bad")
    assert answer.code == 7 and len(answer.err.splitlines()) == 21
    assert "30 of 30 inputs could not be read, 10 of them not named here" in answer.err


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_file_of_each_format(form: str, run: Path, here: Path, predict: Any) -> None:
    answer = predict(run, "a", "--output", f"x.{form}")
    assert answer.code == 0 and f"5 inputs; written to x.{form}" in answer.out
    stream = predict(run, "a", "--format", form)
    assert stream.out == (here / f"x.{form}").read_text()
    assert predict(run, "a", "--output", "y", "--format", form).code == 0
    assert (here / "y").read_text() == stream.out
    refused(predict(run, "a", "--output", f"x.{form}"), f"x.{form} exists; add --overwrite")
    assert predict(run, "b.jpg", "--output", f"x.{form}", "--overwrite").code == 0
    assert "b.jpg" in (here / f"x.{form}").read_text()
    assert sorted(path.name for path in here.iterdir()) == ["a", "b.jpg", f"x.{form}", "y"]


def test_standard_input(run: Path, here: Path) -> None:
    def answer(content: bytes, *words: str) -> list[dict[str, Any]]:
        line = [sys.executable, "-c", CALL, "predict", str(run / "export"), *words]
        done = subprocess.run([*line, "--output", "-"], input=content, capture_output=True)
        assert done.returncode in (0, 7), done.stderr
        return [json.loads(row) for row in done.stdout.splitlines()]

    whole = answer(b"", "a/0.png", "a/1.png")
    assert answer(b"a/0.png\na/1.png\n", "-") == whole
    assert answer(b"a/0.png\0a/1.png\0", "-") == whole
    (single,) = answer((here / "a/0.png").read_bytes(), "-")
    assert single == whole[0] | {"input": "-"}
    mixed = answer(b"a/1.png\nmissing.png\n", "a/0.png", "-")
    assert mixed[:2] == whole and "missing.png does not exist" in mixed[2]["error"]


def test_one_picture_with_onnx_needs_no_torch(run: Path, here: Path) -> None:
    code = (
        "import sys; from trainer.cli import main; main(sys.argv[1:]);"
        "print(sorted({'torch', 'hydra', 'omegaconf', 'rich'} & set(sys.modules)))"
    )
    line = [sys.executable, "-c", code, "predict", str(run / "export"), "a/0.png"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_what_is_not_there(run: Path, here: Path, predict: Any) -> None:
    (here / "near").mkdir()
    (here / "near/status.json").write_text('{"state": "finished"}')
    refused(predict(here / "nera", "a"), "does not exist; did you mean", str(here / "near"))
    refused(predict(run, "aa"), "aa does not exist; did you mean a?")
    (here / "empty").mkdir()
    refused(predict(run, "empty"), "empty holds no image")
    refused(predict(run, "*.gif"), "*.gif matches no image")
    answer = predict(run, "missing1", "a", "missing2")
    assert answer.code == 2 and "2 problems; nothing was started" in answer.err
    refused(predict(here, "a"), "is not the folder of a run")
    refused(predict(run, "a", "--artefact", "torchscript"), "no artefact of the form torchscript")
    shutil.copytree(run, here / "bare", ignore=shutil.ignore_patterns("export"))
    refused(predict(here / "bare", "a", "--artefact", "onnx"), "fivestep export")
    shutil.rmtree(here / "bare/checkpoints")
    refused(predict(here / "bare", "a"), "has no weights")


def test_what_cannot_be_meant(run: Path, here: Path, predict: Any) -> None:
    refused(predict(run, "a", "--artefact", "onx"), "--artefact onx is none; did you mean onnx?")
    refused(predict(run, "a", "--output", "x.txt"), "call it .csv or .jsonl, or say which")
    refused(predict(run, "a", "--output", "x/y.csv"), "there is no folder x")
    refused(predict(run, "a", "--top", "0"), "--top 0: give a number, 1 or more")
    refused(predict(run, "a", "--batch-size", "-1"), "--batch-size -1: give a number")
    refused(predict(run, "a", "--topp"), "did you mean --top?")
    refused(predict(run), "the following arguments are required: INPUTS")
    refused(predict(run, "a", "--device", "cuda", "--artefact", "onnx"), "runs on the CPU")
    refused(predict(run, "-", "-"), "- (standard input) is given more than once")


def test_a_strangers_export(run: Path, here: Path, predict: Any) -> None:
    """ONNX is data and is used; .pt2 could run code, and a reader is code."""
    place = shutil.copytree(run / "export", here / "elsewhere")
    manifest = json.loads((place / "manifest.json").read_text())
    (place / "manifest.json").write_text(json.dumps(manifest | {"signature": ""}))
    assert predict(place, "a").code == 0
    refused(predict(place, "a", "--artefact", "pt2"), "--trust torch_export")
    assert predict(place, "a", "--artefact", "pt2", "--trust", "torch_export").code == 0
    manifest["reader"] = {"_target_": "os.mkdir", "path": str(here / "canary")}
    (place / "manifest.json").write_text(json.dumps(manifest | {"signature": ""}))
    refused(predict(place, "a"), "os.mkdir", "--trust os.mkdir")
    assert not (here / "canary").exists()
    manifest["reader"] = {"_target_": "data.images.reader.ImageReader", "hight": 8}
    (place / "manifest.json").write_text(json.dumps(manifest | {"signature": ""}))
    refused(predict(place, "a"), "data.images.reader.ImageReader in manifest.json can't be made")


def test_data_that_does_not_say_how_a_file_is_read(run: Path, here: Path, predict: Any) -> None:
    place = shutil.copytree(run, here / "copy")
    info = json.loads((place / "info.json").read_text())
    (place / "info.json").write_text(json.dumps(info | {"reader": None}))
    refused(predict(place, "a"), "doesn't say how a file becomes an input")


def test_batches_beside_each_other_say_the_same(
    run: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in a copy of the model: a module may keep something of its input while it computes."""
    monkeypatch.setattr("trainer.inference.predictors.available_cpus", lambda: 3)
    predictor = of_run(run, "cpu")
    assert len(predictor.others) == 2
    inputs = np.random.default_rng(0).normal(size=(5, 1, 8, 8)).astype(np.float32)
    for outputs in predictor.others:
        assert np.array_equal(outputs(inputs), predictor.outputs(inputs))
    modules = {id(outputs.__self__.modules["model"]) for outputs in predictor.others}  # type: ignore[attr-defined]
    assert len(modules) == 2
    monkeypatch.setattr("trainer.inference.predictors.COPIED_BYTES", 1000)
    assert not of_run(run, "cpu").others


def many(here: Path, number: int) -> None:
    (here / "many").mkdir()
    for index in range(number):
        (here / f"many/{index:05}.png").hardlink_to(here / "a/0.png")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_in_the_middle(number: signal.Signals, code: int, run: Path, here: Path) -> None:
    """A list that doesn't end: what is done stays, under a name that says partial."""
    line = [sys.executable, "-c", CALL, "predict", str(run / "export"), "-", "--output", "x.csv"]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None and process.stderr is not None
    process.stdin.write(b"a/0.png\n" * 2000)
    process.stdin.flush()
    until = time.monotonic() + 20
    while not any(p.name.startswith(".tmp-x.csv") and p.stat().st_size for p in here.iterdir()):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(20) == code
    told = process.stderr.read().decode().splitlines()
    process.stdin.close()
    process.stderr.close()
    assert re.fullmatch(r"error: stopped after [\d,]+ inputs", told[0]), told
    assert re.fullmatch(r"rows so far \([\d,]+\): x\.partial\.csv", told[1])
    rows = list(csv.DictReader(io.StringIO((here / "x.partial.csv").read_text())))
    assert rows and all(row["input"] == "a/0.png" and row["label"] for row in rows)
    assert sorted(path.name for path in here.iterdir()) == ["a", "b.jpg", "x.partial.csv"]


def test_a_reader_that_has_had_enough(run: Path, here: Path) -> None:
    many(here, 3000)
    words = [sys.executable, "-c", CALL, "predict", str(run / "export"), "many", "--output", "-"]
    line = f"{shlex.join(words)} | head -n 2"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert len(done.stdout.splitlines()) == 2 and done.stderr == ""


def test_a_bar_on_a_terminal_and_none_elsewhere(run: Path, here: Path) -> None:
    many(here, 200)
    (here / "many/00100.png").unlink()
    (here / "many/00100.png").write_text("no picture")
    code = "import trainer.commands.progress as p; p.AFTER = p.EVERY = 0.0; " + CALL
    line = [sys.executable, "-c", code, "predict", str(run / "export"), "many", "--output", "x.csv"]
    reading, writing = pty.openpty()
    with subprocess.Popen(
        line, stdout=subprocess.DEVNULL, stderr=writing, env={**os.environ, "TERM": "xterm"}
    ) as process:
        os.close(writing)
        drawn = b""
        while True:
            try:
                drawn += os.read(reading, 65536)
            except OSError:
                break
    os.close(reading)
    assert process.returncode == 7
    assert b"200/200" in drawn and b"/s" in drawn and b"left" in drawn
    assert b"error: many/00100.png is not an image" in drawn
    assert drawn.rstrip().endswith(b"the column error has each reason")

"""Off is an object; several are one; another tracker is a class of the user's."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from trainer.protocols import Recorder
from trainer.recording import MetricsFile, Several, Silent, TensorBoard, read_metrics

CONF = Path(__file__).parents[3] / "conf" / "recorder"
SOURCE = Path(__file__).parents[3] / "src"


def use(recorder: Recorder) -> None:
    recorder.scalars(0, {"train/loss": 1.0})
    recorder.image(0, "samples", np.zeros((2, 2, 3), np.uint8))
    recorder.text(0, "model", "text")
    recorder.finish({"seed": 1}, {"test/accuracy": 0.5})
    recorder.close()


def test_silent_does_nothing(tmp_path: Path) -> None:
    recorder = Silent(folder=tmp_path / "tensorboard", purge_step=3)
    assert isinstance(recorder, Recorder)
    use(recorder)
    assert list(tmp_path.iterdir()) == []


class Calls:
    def __init__(self, calls: list[str], name: str, fails: bool = False) -> None:
        self.calls, self.name, self.fails = calls, name, fails

    def __getattr__(self, method: str) -> Any:
        def call(*_: Any) -> None:
            self.calls.append(f"{self.name}.{method}")
            if self.fails:
                raise OSError("no")

        return call


def test_several_pass_on_to_each_in_order() -> None:
    calls: list[str] = []
    several = Several([Calls(calls, "a"), Calls(calls, "b")])
    assert isinstance(several, Recorder)
    use(several)
    methods = ("scalars", "image", "text", "finish", "close")
    assert calls == [f"{name}.{method}" for method in methods for name in "ab"]


def test_several_close_all_though_one_fails() -> None:
    calls: list[str] = []
    with pytest.raises(OSError, match="no"):
        Several([Calls(calls, "a", fails=True), Calls(calls, "b")]).close()
    assert calls == ["a.close", "b.close"]


def test_timing_names_are_the_same_everywhere(tmp_path: Path) -> None:
    several = Several([TensorBoard(tmp_path / "t"), MetricsFile(tmp_path / "m.jsonl")])
    several.scalars(1, {"train/loss": 1.0, "timing/seconds": 2.0})
    several.close()
    assert read_metrics(tmp_path / "m.jsonl")[0]["timing"] == {"seconds": 2.0}


@pytest.mark.parametrize("name", ["tensorboard", "silent"])
def test_a_config_names_a_class_that_is_built_with_folder_and_purge_step(
    name: str, tmp_path: Path
) -> None:
    node: Any = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
    assert node.pop("_partial_") is True
    module, _, attribute = node.pop("_target_").rpartition(".")
    recorder = getattr(importlib.import_module(module), attribute)(
        **node, folder=tmp_path / "tensorboard", purge_step=None
    )
    assert isinstance(recorder, Recorder)
    use(recorder)


def test_the_example_of_the_config_is_a_recorder(tmp_path: Path) -> None:
    """The class in the comment of tensorboard.yaml, as it stands there."""
    comment = [
        line[1:].removeprefix("   ")
        for line in (CONF / "tensorboard.yaml").read_text().splitlines()
        if line.startswith("#   ") or line == "#"
    ]
    code = "\n".join(comment)
    assert len(code.strip().splitlines()) < 20
    ast.parse(code)
    (tmp_path / "tracker.py").write_text(code)
    script = (
        "import sys, pathlib; from tracker import Csv; from trainer.protocols import Recorder\n"
        "recorder = Csv(folder=pathlib.Path('run'), purge_step=None)\n"
        "assert isinstance(recorder, Recorder)\n"
        "recorder.scalars(7, {'train/loss': 0.5, 'train/lr': 0.1}); recorder.image(7, 'a', None)\n"
        "recorder.text(7, 'a', 'b'); recorder.finish({}, {}); recorder.close()\n"
    )
    path = {"PYTHONPATH": f"{tmp_path}:{SOURCE}"}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=path, check=True)
    content = (tmp_path / "run" / "scalars.csv").read_text()
    assert content.split() == ["7,train/loss,0.5", "7,train/lr,0.1"]


def test_importing_costs_nothing() -> None:
    heavy = ("torch", "tensorboard", "rich", "numpy", "PIL")
    script = (
        "import sys, trainer.recording, trainer.protocols\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"

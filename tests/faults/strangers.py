"""Runs as a stranger would hand them over: whole, and signed by nobody we know."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from forkserver import Ended, ForkServer
from PIL import Image

MARK = "# signature: "
NOBODYS = f"{'0' * 16}:{'0' * 64}"  # well formed, and of a key that isn't ours
MEMORY = 300_000_000  # bytes by which a command may grow
# A small run with everything in it that a run can have.
SMALL = (
    "run.dir=run", "trainer.epochs=2", "trainer.threads=1", "model.width=4", "data.augment=null",
    "loader.limit_batches=4", "evaluation.baselines=false", "evaluation.mistakes=1",
    "export=none",
)  # fmt: skip


def small_run(server: ForkServer, factory: pytest.TempPathFactory) -> Path:
    """A finished run with its exports, trained when it is first asked for; nobody may change it."""
    place = factory.getbasetemp() / "small_run"
    if not place.exists():
        place.mkdir()
        # Exported by hand: a run that goes on would export again what its config asks for.
        for words in (["train", *SMALL], ["export", "run", "onnx"]):
            ended = server.run(words, place)
            assert ended.code == 0, ended.err
    return place / "run"


@dataclass(frozen=True)
class Handed:
    """A run folder in a place of its own, with a command that opens it watched."""

    place: Path
    server: ForkServer

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.place / "run"

    @property
    def canary(self) -> Path:
        """What is only there when a payload was run."""
        return self.place / "canary"

    @property
    def step(self) -> Path:
        """The newest checkpoint."""
        return max((self.run / "checkpoints").glob("step_" + "[0-9]" * 8))

    def opened(self, *argv: str, patch: str = "watch") -> Ended:
        """Run a command; it may end in an error, but never in a fault, nor touch anything else."""
        before = self.outside()
        ended = self.run_command(*argv, patch=patch)
        assert ended.code in (0, 2, 4, 5, 6, 7), ended
        assert "unexpected" not in ended.err and "Traceback" not in ended.err, ended.err
        assert not self.canary.exists(), ended
        assert self.outside() == before
        watched = json.loads((self.place / "watched").read_text())
        assert watched["tried"] == []
        assert watched["grown"] < MEMORY, f"{watched['grown'] / 1e6:.0f} MB"
        return ended

    def run_command(self, *argv: str, patch: str = "watch") -> Ended:
        """Run a command, whatever comes of it."""
        (self.place / "watched").unlink(missing_ok=True)
        return self.server.run(
            argv, self.place, patch=f"watched:{patch}", arguments=[str(self.place / "watched")]
        )

    def outside(self) -> dict[str, tuple[int, ...]]:
        """What lies beside the run, with all that would show that it was touched."""
        found: dict[str, tuple[int, ...]] = {}
        for path in sorted(self.place.rglob("*")):
            if self.run not in (path, *path.parents) and path.name != "watched":
                told = path.lstat()
                found[str(path)] = (told.st_mode, told.st_size, told.st_mtime_ns)
        return found


def unsigned(run: Path) -> None:
    """Take every signature away: what a stranger's run is to us."""
    for name in ("config.yaml", "overrides.yaml"):
        file = run / name
        file.write_text(file.read_text().rpartition(MARK)[0])
    change(run / "info.json", lambda content: content.pop("signature", None))
    for folder in (run / "checkpoints").glob("step_*"):
        seal(folder)
    if (run / "export/manifest.json").exists():
        reseal_export(run / "export")


def change(file: Path, act: Callable[[Any], object]) -> None:
    """Change what a JSON file holds."""
    content = json.loads(file.read_text())
    act(content)
    file.write_text(json.dumps(content))


def config(run: Path, act: Callable[[Any], object], name: str = "config.yaml") -> None:
    """Change a stored config, whose signature is then gone."""
    file = run / name
    content = yaml.safe_load(file.read_text())
    act(content)
    file.write_text(yaml.safe_dump(content, sort_keys=False))


def stopped(run: Path) -> None:
    """Let it look like a run that was stopped after its first epoch."""
    newest = max((run / "checkpoints").glob("step_*"))
    shutil.rmtree(newest)
    change(run / "status.json", lambda status: status.update(state="preempted"))


def seal(folder: Path) -> None:
    """Let the manifest of a checkpoint fit its files again, signed by nobody we know."""
    content = json.loads((folder / "manifest.json").read_text())
    for name in content["files"]:
        content["files"][name] = _entry(folder / name)
    content["signature"] = NOBODYS
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    (folder / "manifest.json").write_text(text)


def reseal_export(folder: Path, act: Callable[[Any], object] = lambda content: None) -> None:
    """The same for an export; `act` may change the manifest first."""

    def fit(content: Any) -> None:
        for entry in content["artefacts"].values():
            if (folder / entry["file"]).is_file():
                entry.update(_entry(folder / entry["file"]))
        content["signature"] = NOBODYS
        act(content)

    change(folder / "manifest.json", fit)


def _entry(file: Path) -> dict[str, Any]:
    data = file.read_bytes()
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@pytest.fixture
def own(server: ForkServer, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Handed:
    """A run of one's own, and a picture beside it."""
    shutil.copytree(small_run(server, tmp_path_factory), tmp_path / "run")
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(tmp_path / "picture.png")
    return Handed(tmp_path, server)


@pytest.fixture
def handed(own: Handed) -> Handed:
    """The same as a stranger hands it over: everything in it fits, nothing is signed."""
    unsigned(own.run)
    return own

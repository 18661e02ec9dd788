import copy
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from safetensors.torch import load_file, load_model
from torch import nn

from trainer.errors import CannotWrite, NoUsableCheckpoint, Refused, UserError
from trainer.storage import manifest, snapshot
from trainer.storage.checkpoint import Checkpoint, Checkpoints


@pytest.fixture(autouse=True, scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIVESTEP_HOME", str(tmp_path_factory.mktemp("home")))
        yield


class Net(nn.Module):
    """Convolution, BatchNorm (with an integer buffer) and two layers that share their weights."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)
        self.outer.weight = self.inner.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.norm(self.conv(x)).mean((2, 3))
        return self.outer(self.inner(y).relu())  # type: ignore[no-any-return]


def trained(channels_last: bool = False) -> tuple[Net, torch.optim.Optimizer]:
    net = Net()
    if channels_last:
        net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters())
    for _ in range(2):
        net(torch.randn(5, 3, 8, 8)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return net, optimizer


def equal(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        same = a.dtype == b.dtype and a.shape == b.shape and a.stride() == b.stride()
        return same and a.numpy().tobytes() == b.numpy().tobytes()
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and a == b


def save(checkpoints: Checkpoints, step: int, net: nn.Module | None = None, **more: Any) -> Path:
    net = nn.Linear(2, 2) if net is None else net
    given = {"training": {}, "state": {"step": step}} | more
    return checkpoints.save(step, modules={"model": net}, **given)


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def contents(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.mark.parametrize("channels_last", [False, True])
def test_everything_comes_back_bit_for_bit(tmp_path: Path, channels_last: bool) -> None:
    net, optimizer = trained(channels_last)
    net.compile()
    average = copy.deepcopy(net)
    with torch.no_grad():
        average.conv.weight.mul_(0.5)
        net.conv.bias.copy_(torch.tensor([float("nan"), -0.0, float("inf"), 1e-45]))  # type: ignore[union-attr]
    training = {
        "optimizers": {"model": optimizer.state_dict()},
        "random": {"torch": torch.get_rng_state(), "python": (3, (1, 2), None)},
    }
    state = {"step": 2, "best": float("-inf"), "values": [0.1, None, True], "text": "ü"}
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    path = checkpoints.save(
        2, modules={"model": net}, ema={"model": average}, training=training, state=state
    )
    assert path == tmp_path / "checkpoints" / "step_00000002"
    assert names(path) == {
        *("model.safetensors", "ema.safetensors", "training.pt", "state.json", "manifest.json"),
    }
    found = Checkpoints(tmp_path / "checkpoints").newest()
    assert found is not None and found.step == 2 and found.manifest.origin == "own"
    fresh, fresh_average = Net(), Net()
    if channels_last:
        fresh.to(memory_format=torch.channels_last)
        fresh_average.to(memory_format=torch.channels_last)
    found.load_into({"model": fresh}, {"model": fresh_average})
    assert equal(dict(fresh.state_dict()), dict(net.state_dict()))
    assert equal(dict(fresh_average.state_dict()), dict(average.state_dict()))
    assert fresh.outer.weight is fresh.inner.weight
    assert equal(found.training(), training)
    assert equal(found.state(), state)
    assert all(not key.startswith("_") for key in load_file(path / "model.safetensors"))


def test_a_snapshot_is_not_changed_by_later_steps(tmp_path: Path) -> None:
    net, optimizer = trained()
    taken = snapshot.take(
        {"model": net}, None, {"optimizer": optimizer.state_dict()}, {"list": [1]}
    )
    before = copy.deepcopy(taken)
    net(torch.randn(5, 3, 8, 8)).sum().backward()
    optimizer.step()
    assert equal(taken.training, before.training)
    assert equal(dict(taken.weights["model.safetensors"]), dict(net.state_dict())) is False
    assert equal(taken.weights["model.safetensors"], before.weights["model.safetensors"])
    Checkpoints(tmp_path).write(taken, 3, best=False)
    found = Checkpoints(tmp_path).newest()
    assert found is not None and equal(found.training(), before.training)


def test_the_same_state_gives_the_same_bytes(tmp_path: Path) -> None:
    net, optimizer = trained()
    training = {"optimizer": optimizer.state_dict()}
    for name in ("a", "b"):
        save(Checkpoints(tmp_path / name), 1, net, training=training)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_several_modules_have_a_file_each(tmp_path: Path) -> None:
    modules = {"generator": nn.Linear(2, 3), "critic": nn.Linear(3, 1)}
    path = Checkpoints(tmp_path).save(1, modules=modules, ema=modules, training={}, state={})
    assert {n for n in names(path) if n.endswith(".safetensors")} == {
        *("generator.safetensors", "critic.safetensors"),
        *("ema.generator.safetensors", "ema.critic.safetensors"),
    }
    found = Checkpoints(tmp_path).newest()
    assert found is not None
    fresh = {"generator": nn.Linear(2, 3), "critic": nn.Linear(3, 1)}
    found.load_into(fresh, fresh)
    for name, module in fresh.items():
        assert equal(dict(module.state_dict()), dict(modules[name].state_dict()))
    with pytest.raises(Refused, match=r"has no model\.safetensors \(it holds critic"):
        found.load_into({"model": nn.Linear(2, 3)})


def test_the_weights_load_in_three_lines_without_us(tmp_path: Path) -> None:
    path = save(Checkpoints(tmp_path), 1, net := nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))
    program = f"""
import sys
sys.modules |= dict.fromkeys(("trainer", "models", "data"))  # as if it were not installed
import torch
from torch import nn
model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
from safetensors.torch import load_file
model.load_state_dict(load_file({str(path / "model.safetensors")!r}))
print(repr(model.state_dict()["0.weight"].tolist()))
torch.load({str(path / "training.pt")!r}, weights_only=True)
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == repr(net.state_dict()["0.weight"].tolist())


def test_tied_weights_load_without_us(tmp_path: Path) -> None:
    net, _ = trained()
    path = save(Checkpoints(tmp_path), 1, net)
    assert "outer.weight" not in load_file(path / "model.safetensors")
    load_model(fresh := Net(), path / "model.safetensors")
    assert equal(dict(fresh.state_dict()), dict(net.state_dict()))


def test_weights_tied_in_the_file_only_are_missed(tmp_path: Path) -> None:
    net, _ = trained()
    save(Checkpoints(tmp_path), 1, net)
    found = Checkpoints(tmp_path).newest()
    assert found is not None
    untied = Net()
    untied.outer.weight = nn.Parameter(torch.zeros(4, 4))
    with pytest.raises(Refused, match=r"outer\.weight is missing from the file"):
        found.load_into({"model": untied})


def test_a_lazy_module_takes_its_shape_from_the_file(tmp_path: Path) -> None:
    save(Checkpoints(tmp_path), 1, net := nn.Linear(3, 2))
    found = Checkpoints(tmp_path).newest()
    assert found is not None
    found.load_into({"model": (lazy := nn.LazyLinear(2))})
    assert equal(dict(lazy.state_dict()), dict(net.state_dict()))


def test_torch_compile_as_a_wrapper_has_clean_keys_too(tmp_path: Path) -> None:
    net = nn.Linear(2, 2)
    path = save(Checkpoints(tmp_path), 1, torch.compile(net))  # type: ignore[arg-type]
    assert set(load_file(path / "model.safetensors")) == {"weight", "bias"}


@pytest.mark.parametrize(
    ("training", "where"),
    [
        ({"a": {"b": [1, np.float64(0.5)]}}, r"training\.a\.b\[1\].*numpy\.float64"),
        ({"a": {"b": lambda: 0}}, r"training\.a\.b .*function"),
        ({"a": {(1, 2): 0}}, r"the key \(1, 2\) in training\.a"),
        ({"a": {1}}, r"training\.a .*set"),
    ],
)
def test_what_is_not_safe_to_load_is_named_and_not_written(
    tmp_path: Path, training: dict[str, Any], where: str
) -> None:
    with pytest.raises(UserError, match=where):
        save(Checkpoints(tmp_path / "c"), 1, training=training)
    assert not (tmp_path / "c").exists()


def test_state_takes_only_what_comes_back_the_same(tmp_path: Path) -> None:
    for state, where in (
        ({"a": (1, 2)}, "state.a .*tuple"),
        ({"a": {1: 2}}, "the key 1 in state.a"),
        ({"a": torch.ones(1)}, "state.a .*Tensor"),
    ):
        with pytest.raises(UserError, match=where):
            save(Checkpoints(tmp_path), 1, state=state)


def test_modules_that_cannot_be_stored_are_named(tmp_path: Path) -> None:
    class Extra(nn.Linear):
        def get_extra_state(self) -> Any:
            return {"a": 1}

    with pytest.raises(UserError, match=r"_extra_state of Extra can't be stored.*dict"):
        save(Checkpoints(tmp_path), 1, Extra(2, 2))
    with pytest.raises(UserError, match=r"Linear can't be stored.*meta"):
        save(Checkpoints(tmp_path), 1, nn.Linear(2, 2, device="meta"))
    with pytest.raises(UserError, match="send one batch through"):
        save(Checkpoints(tmp_path), 1, nn.LazyLinear(2))


def test_every_scheduler_state_of_torch_is_safe(tmp_path: Path) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    schedules = torch.optim.lr_scheduler
    states = [
        schedules.MultiStepLR(optimizer, [2, 2, 3]).state_dict(),
        schedules.OneCycleLR(optimizer, 0.1, 10, cycle_momentum=False).state_dict(),
        schedules.ReduceLROnPlateau(optimizer).state_dict(),
        schedules.LambdaLR(optimizer, lambda epoch: 0.5**epoch).state_dict(),
        torch.amp.GradScaler("cpu").state_dict(),
    ]
    save(Checkpoints(tmp_path), 1, training={"schedules": states})
    found = Checkpoints(tmp_path).newest()
    assert found is not None and found.training() == {"schedules": states}


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) * 2 // 3] ^= 1
    path.write_bytes(raw)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def link(path: Path) -> None:
    path.rename(path.parent.parent / "moved")
    path.symlink_to("../moved")


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


FILES = ["model.safetensors", "ema.safetensors", "training.pt", "state.json", "manifest.json"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("fault", [flip, truncate, empty, Path.unlink, link, directory, pipe])
def test_a_damaged_checkpoint_is_set_aside(
    tmp_path: Path, name: str, fault: Callable[[Path], None]
) -> None:
    checkpoints = Checkpoints(tmp_path)
    net = nn.Linear(3, 3)
    for step in (1, 2):
        save(checkpoints, step, net, ema={"model": net}, training={"a": torch.randn(9)})
    fault(tmp_path / "step_00000002" / name)
    found = checkpoints.newest()
    assert found is not None and found.step == 1
    (warning,) = checkpoints.warnings
    assert warning.startswith(f"{tmp_path}/step_00000002.corrupt: ") and name in warning
    assert names(tmp_path) >= {"step_00000001", "step_00000002.corrupt"}
    assert "step_00000002" not in names(tmp_path)
    again = checkpoints.newest()
    assert again is not None and again.step == 1 and checkpoints.warnings == []


def test_every_single_bit_counts(tmp_path: Path) -> None:
    path = save(Checkpoints(tmp_path), 1, nn.Linear(1, 1, bias=False))
    good = manifest.verify(path, 1)
    for name in ("model.safetensors", "state.json", "manifest.json"):
        raw = (path / name).read_bytes()
        for place in range(len(raw)):
            (path / name).write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
            try:
                told = manifest.verify(path, 1)
                # A flip in the name of the signing key is the one that leaves all as it was.
                assert (told.step, told.best, told.files) == (good.step, good.best, good.files)
                assert json.loads(raw)["signature"][:16].encode() in raw[place - 15 : place + 16]
            except manifest.Unusable:
                continue
        (path / name).write_bytes(raw)
    assert manifest.verify(path, 1) == good


def test_without_verification_a_flipped_bit_would_be_loaded(tmp_path: Path) -> None:
    # The negative control: neither library notices, so the manifest has to.
    path = save(Checkpoints(tmp_path), 1, nn.Linear(64, 64))
    before = copy.deepcopy(load_file(path / "model.safetensors"))  # the file is only mapped
    flip(path / "model.safetensors")
    assert not equal(load_file(path / "model.safetensors"), before)
    with pytest.raises(manifest.Unusable, match="SHA-256"):
        manifest.verify(path, 1)


def test_a_renamed_step_and_a_linked_folder_are_not_believed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1).rename(tmp_path / "step_00000009")
    with pytest.raises(NoUsableCheckpoint, match="manifest is of step 1: the folder was renamed"):
        checkpoints.newest()
    save(checkpoints, 2).rename(tmp_path / "elsewhere")
    (tmp_path / "step_00000002").symlink_to("elsewhere")
    with pytest.raises(NoUsableCheckpoint, match="link instead of a folder"):
        checkpoints.newest()


def test_nothing_at_all_is_none_but_only_bad_ones_are_an_error(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.newest() is None and checkpoints.best() is None
    for step in (1, 2):
        empty(save(checkpoints, step) / "training.pt")
    (checkpoints.folder / ".tmp-step_00000003-host-1-0123abcd").mkdir()
    for _ in range(2):  # the second time they have been set aside
        with pytest.raises(NoUsableCheckpoint) as caught:
            Checkpoints(tmp_path / "checkpoints").newest()
        assert caught.value.exit_code == 5
        text = str(caught.value)
        assert text.count("step_00000001.corrupt: ") == text.count("step_00000002.corrupt: ") == 1


def sealed(path: Path, **changes: Any) -> None:
    """Seal a forged checkpoint so that all its checksums are right; unsigned, as a stranger's."""
    content = json.loads((path / "manifest.json").read_text())
    for name in content["files"]:
        if (path / name).is_file():
            raw = (path / name).read_bytes()
            content["files"][name]["size"] = len(raw)
            content["files"][name]["sha256"] = sha256(raw).hexdigest()
    content |= {"signature": "", **changes}
    (path / "manifest.json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def test_a_strangers_checkpoint_can_be_used_and_is_known_as_one(tmp_path: Path) -> None:
    path = save(Checkpoints(tmp_path), 1, net := nn.Linear(2, 2))
    sealed(path)
    found = Checkpoints(tmp_path).newest()
    assert found is not None and found.manifest.origin == "stranger"
    found.load_into({"model": net})


@pytest.mark.parametrize(
    "files",
    [
        {"../../secret": {"size": 1, "sha256": "0" * 64}},
        {"/etc/passwd": {"size": 1, "sha256": "0" * 64}},
        {"..": {"size": 1, "sha256": "0" * 64}},
        {"x": {"size": True, "sha256": "0" * 64}},
        {"x": {"size": 1, "sha256": "0" * 63}},
        {"x": None},
    ],
)
def test_manifests_that_mean_something_else_are_refused(
    tmp_path: Path, files: dict[str, Any]
) -> None:
    path = save(Checkpoints(tmp_path), 1)
    told = json.loads((path / "manifest.json").read_text())["files"]
    sealed(path, files=told | files)
    with pytest.raises(manifest.Unusable, match=r"manifest\.json is damaged"):
        manifest.verify(path, 1)


@pytest.mark.parametrize("raw", ["[]", "{}", "null", "1", "[" * 100_000, '{"format": 1}', "\xff"])
def test_manifests_of_any_bytes_raise_only_our_error(tmp_path: Path, raw: str) -> None:
    (tmp_path / "manifest.json").write_text(raw, encoding="latin-1")
    with pytest.raises(manifest.Unusable, match="damaged"):
        manifest.read_manifest(tmp_path)


def test_a_newer_format_stays_where_it_is(tmp_path: Path) -> None:
    path = save(Checkpoints(tmp_path), 1)
    sealed(path, format=2)
    with pytest.raises(NoUsableCheckpoint, match="newer version; update fivestep"):
        Checkpoints(tmp_path).newest()
    assert path.is_dir()


def test_compressed_or_executable_training_state_is_refused(tmp_path: Path) -> None:
    path = save(Checkpoints(tmp_path), 1, training={"a": torch.zeros(100_000)})
    file = path / "training.pt"
    members = {}
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    assert torch.load(file, weights_only=True)["a"].shape == (100_000,)  # torch would take it
    sealed(path)
    found = Checkpoints(tmp_path).newest()
    assert found is not None
    with pytest.raises(NoUsableCheckpoint, match="compressed"):
        found.training()

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "ran"),))

    torch.save({"a": Evil()}, file)
    with pytest.raises(NoUsableCheckpoint, match="can't be loaded") as caught:
        found.training()
    assert "\n" not in str(caught.value) and not (tmp_path / "ran").exists()
    for raw in (b"", b"PK", b"x" * 100):
        file.write_bytes(raw)
        with pytest.raises(NoUsableCheckpoint, match="can't be loaded"):
            found.training()
    (path / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(NoUsableCheckpoint, match="can't be read"):
        found.load_into({"model": nn.Linear(2, 2)})


def test_weights_that_do_not_fit_are_named_and_nothing_is_loaded(tmp_path: Path) -> None:
    modules: dict[str, nn.Module] = {"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)}
    Checkpoints(tmp_path).save(1, modules=modules, training={}, state={})
    found = Checkpoints(tmp_path).newest()
    assert found is not None
    first, other = nn.Linear(2, 2), nn.Linear(2, 3)
    before = copy.deepcopy(first.state_dict())
    with pytest.raises(Refused, match=r"weight is float32\[2, 2\] in the file, float32\[3, 2\]"):
        found.load_into({"a": first, "b": other})
    assert equal(dict(first.state_dict()), dict(before))
    with pytest.raises(Refused, match=r"bias is in the file only"):
        found.load_into({"a": nn.Linear(2, 2, bias=False)})
    with pytest.raises(Refused, match=r"weight is float32.*bfloat16\[2, 2\] in the model"):
        found.load_into({"a": nn.Linear(2, 2).to(torch.bfloat16)})
    with pytest.raises(Refused, match=r"0\.weight is missing from the file.*and 1 more"):
        found.load_into({"a": nn.Sequential(nn.Linear(2, 2))})


@pytest.mark.parametrize("options", [{"keep": 1}, {"keep": True}, {"every": 0}, {"every": 1.5}])
def test_settings_that_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    name = next(iter(options))
    with pytest.raises(Refused, match=rf"checkpoint\.{name} is"):
        Checkpoints(tmp_path, **options)


def test_pruning_keeps_the_newest_and_the_best(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    (tmp_path / "notes").mkdir()
    (tmp_path / "step_1").mkdir()
    for step in range(1, 8):
        save(checkpoints, step, best=step in (1, 3), metric=step / 10)
    assert checkpoints.steps() == [3, 6, 7]
    assert names(tmp_path) == {
        *("step_00000003", "step_00000006", "step_00000007"),
        *("last.json", "best.json", "notes", "step_1"),
    }
    assert json.loads((tmp_path / "last.json").read_text()) == {
        "step": 7,
        "folder": "step_00000007",
        "metric": 0.7,
    }
    assert json.loads((tmp_path / "best.json").read_text())["step"] == 3
    best = checkpoints.best()
    assert best is not None and best.step == 3


@pytest.mark.parametrize("hint", [None, "{", "[]", '{"step": "x"}', '{"step": 1}', '{"step": 99}'])
def test_the_hints_are_not_needed(tmp_path: Path, hint: str | None) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2, 3):
        save(checkpoints, step, best=step == 2)
    for name in ("best.json", "last.json"):
        (tmp_path / name).unlink()
        if hint is not None:
            (tmp_path / name).write_text(hint)
    newest, best = checkpoints.newest(), checkpoints.best()
    assert newest is not None and newest.step == 3
    assert best is not None and best.step == 2
    save(checkpoints, 4)
    assert checkpoints.steps() == [2, 3, 4]


def test_a_damaged_best_is_not_replaced_in_silence(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2, 3):
        save(checkpoints, step, best=step == 2)
    empty(tmp_path / "step_00000002" / "model.safetensors")
    for _ in range(2):
        with pytest.raises(NoUsableCheckpoint, match=r"step_00000002\.corrupt"):
            checkpoints.best()
    newest = checkpoints.newest()
    assert newest is not None and newest.step == 3


def test_saving_a_step_again(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    net = nn.Linear(2, 2)
    path = save(checkpoints, 2, net, best=True)
    inode = path.stat().st_ino
    save(checkpoints, 2, net)  # the same: what is there stays
    assert path.stat().st_ino == inode
    save(checkpoints, 2, net, state={"changed": True})
    assert path.stat().st_ino != inode
    found = checkpoints.best()
    assert found is not None and found.step == 2  # it stays the best
    assert found.state() == {"changed": True}
    assert names(tmp_path) == {"step_00000001", "step_00000002", "last.json", "best.json"}
    empty(path / "state.json")
    save(checkpoints, 2, net)  # a damaged one makes way
    found = checkpoints.newest()
    assert found is not None and found.step == 2 and found.state() == {"step": 2}


@pytest.mark.parametrize("deleted", [False, True])
def test_dying_while_a_step_is_replaced(tmp_path: Path, deleted: bool) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    old = save(checkpoints, 2, state={"version": 1})
    shutil.copytree(old, tmp_path / "old")
    save(checkpoints, 2, state={"version": 2})
    old.rename(tmp_path / "step_00000002.new")
    if deleted:
        shutil.rmtree(tmp_path / "old")
    else:
        (tmp_path / "old").rename(old)
    found = checkpoints.newest()
    assert found is not None and found.step == 2 and found.state() == {"version": 2}
    assert checkpoints.steps() == [1, 2]
    save(checkpoints, 3)
    assert checkpoints.steps() == [2, 3]
    found = Checkpoint(old, 2, manifest.verify(old, 2))
    assert found.state() == {"version": 2}


@pytest.mark.parametrize("call", range(1, 14))
def test_a_disk_that_fills_up_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    before = contents(tmp_path / "step_00000001")
    real, count = os.fsync, 0

    def full(handle: int) -> None:
        nonlocal count
        count += 1
        if count == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    if call == 13:
        save(checkpoints, 2)  # beyond the last: so every one before it was tried
        assert count < call
        return
    try:
        save(checkpoints, 2)
        assert count < call
    except CannotWrite as error:
        assert error.exit_code == 4 and str(tmp_path) in str(error)
    monkeypatch.undo()
    assert contents(tmp_path / "step_00000001") == before
    assert not [name for name in names(tmp_path) if name.startswith(".tmp")]
    found = checkpoints.newest()
    assert found is not None and checkpoints.warnings == []


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_failing_in_the_middle_of_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 1)
    before = contents(tmp_path)

    def fail(_: object, path: Path, **__: object) -> None:
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(snapshot, "save_file", fail)
    with pytest.raises(CannotWrite if isinstance(error, OSError) else KeyboardInterrupt):
        save(checkpoints, 2)
    assert contents(tmp_path) == before and checkpoints.steps() == [1]


LIMITED = """
import resource, sys
from pathlib import Path
import torch
from torch import nn
from trainer.storage.checkpoint import Checkpoints
from trainer.errors import CannotWrite
checkpoints = Checkpoints(Path(sys.argv[1]))
large = sys.argv[2]
checkpoints.save(1, modules={"model": nn.Linear(2, 2)}, training={}, state={})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
net = nn.Linear(300, 300) if large == "weights" else nn.Linear(2, 2)
training = {"a": torch.zeros(200_000)} if large == "training" else {}
try:
    checkpoints.save(2, modules={"model": net}, training=training, state={})
except CannotWrite as error:
    print(error.exit_code, error)
"""


@pytest.mark.parametrize("large", ["weights", "training"])
def test_past_the_limit_on_file_sizes(tmp_path: Path, large: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), large], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"4 cannot write .*EFBIG; .* needed, .* free.*ulimit -f", done.stdout)
    checkpoints = Checkpoints(tmp_path)
    assert names(tmp_path) == {"step_00000001", "last.json"}
    found = checkpoints.newest()
    assert found is not None and found.step == 1


def test_a_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="ENOTDIR"):
        save(Checkpoints(tmp_path / "file" / "checkpoints"), 1)
    with pytest.raises(CannotWrite, match="EEXIST"):
        save(Checkpoints(tmp_path / "file"), 1)


KILLED = """
import os, signal, sys
from pathlib import Path
from torch import nn
import torch
from trainer.storage.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]))
count = 0
def counted(real):
    def call(*arguments, **more):
        global count
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **more)
    return call
for name in ("fsync", "rename", "replace", "rmdir", "unlink"):
    setattr(os, name, counted(getattr(os, name)))
def save(step, version):
    net = nn.Linear(2, 2)
    nn.init.constant_(net.weight, version)
    checkpoints.save(step, modules={"model": net}, training={}, state={"v": version})
kill_at = 0
save(1, 1)
save(2, 2)
torch.save({}, "/dev/null")
for kill_at in range(1, 80):
    if os.fork() == 0:
        count = 0
        save(2 + kill_at % 2, 10 + kill_at)
        os._exit(7)
    code = os.waitstatus_to_exitcode(os.wait()[1])
    reader = Checkpoints(Path(sys.argv[1]))
    found = reader.newest()
    assert found is not None and not reader.warnings, (kill_at, reader.warnings)
    net = nn.Linear(2, 2)
    found.load_into({"model": net})
    assert found.step >= 2
    assert net.weight[0, 0].item() == found.state()["v"], kill_at
    print(code)
checkpoints = Checkpoints(Path(sys.argv[1]))
kill_at = 0
save(4, 100)
print(*sorted(os.listdir(sys.argv[1])))
"""


def test_killed_at_any_call_there_is_a_whole_checkpoint(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    *codes, left = done.stdout.splitlines()
    assert codes.count("-9") > 15 and codes.count("7") > 15
    assert left == "last.json step_00000003 step_00000004"


def test_the_yaml_builds(tmp_path: Path) -> None:
    path = Path(__file__).parents[3] / "conf" / "checkpoint" / "default.yaml"
    built = instantiate(OmegaConf.load(path))(tmp_path)
    assert isinstance(built, Checkpoints)
    assert (built.folder, built.every, built.keep) == (tmp_path, None, 2)
    assert built.background == "auto"

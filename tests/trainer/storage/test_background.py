"""Checkpoints written by a thread while the run goes on."""

import copy
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from trainer.errors import CannotWrite, Refused
from trainer.storage import checkpoint, manifest, snapshot
from trainer.storage.buffers import Buffers
from trainer.storage.checkpoint import Checkpoints
from trainer.storage.writer import Writer


def constant(value: float, size: int = 3) -> nn.Module:
    """A module all of whose numbers say which step it belongs to."""
    net = nn.Linear(size, size)
    for parameter in net.parameters():
        nn.init.constant_(parameter, value)
    return net


def save(checkpoints: Checkpoints, step: int, **more: Any) -> Path:
    given: dict[str, Any] = {"training": {"step": torch.tensor(step)}, "state": {"step": step}}
    return checkpoints.save(step, modules={"model": constant(step)}, **given | more)


def check(checkpoints: Checkpoints, step: int) -> None:
    """The newest is of this step, and so is everything in it."""
    found = checkpoints.newest()
    assert found is not None and found.step == step and checkpoints.warnings == []
    found.load_into({"model": (net := constant(0))})
    assert all((p == step).all() for p in net.parameters())
    assert found.training()["step"] == step and found.state() == {"step": step}


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


class Gate:
    """Holds every write back until it is opened, and knows how many were in hand at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened, self.reached = threading.Event(), threading.Event()
        self.active = self.most = 0
        self.threads: list[str] = []
        self.pointers: list[list[int]] = []
        self.fault: BaseException | None = None
        self.real = save_file
        monkeypatch.setattr(snapshot, "save_file", self)

    def __call__(self, tensors: dict[str, torch.Tensor], path: Path, **more: Any) -> None:
        self.active += 1
        self.most = max(self.most, self.active)
        self.threads.append(threading.current_thread().name)
        self.pointers.append([tensor.data_ptr() for tensor in tensors.values()])
        self.reached.set()
        try:
            assert self.opened.wait(60)
            if self.fault is not None:
                path.write_bytes(b"half")
                raise self.fault
            self.real(tensors, path, **more)
        finally:
            self.active -= 1


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.opened.set()  # A test that failed must not leave a thread behind.


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("value", [1, 0, None, "yes", "Auto", 0.5])
def test_other_words_than_true_false_and_auto_are_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(
        Refused, match=r"^checkpoint\.background is .*; it has to be true, false or"
    ):
        Checkpoints(tmp_path, background=value)


@pytest.mark.parametrize("background", [True, False, "auto"])
@pytest.mark.parametrize("large", [True, False])
def test_which_thread_writes(
    tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch, background: Any, large: bool
) -> None:
    gate.opened.set()
    monkeypatch.setattr(checkpoint, "LARGE", 1000 if large else 1_000_000)
    checkpoints = Checkpoints(tmp_path, background=background)
    path = save(checkpoints, 1)
    in_background = background is True or (background == "auto" and large)
    if not in_background:
        assert path.is_dir()  # there already, without `finish`
    checkpoints.finish()
    assert gate.threads == ["checkpoints" if in_background else "MainThread"]
    assert path == tmp_path / "step_00000001"
    check(checkpoints, 1)


@pytest.mark.parametrize("background", [True, False])
def test_both_ways_write_the_same_bytes(tmp_path: Path, background: bool) -> None:
    for name, chosen in (("a", "auto"), ("b", background)):
        checkpoints = Checkpoints(tmp_path / name, background=chosen)  # type: ignore[arg-type]
        for step in (1, 2):
            save(checkpoints, step)
        checkpoints.finish()
    a, b = (
        {str(p.relative_to(tmp_path / n)): p.read_bytes() for p in (tmp_path / n).rglob("*.*")}
        for n in ("a", "b")
        if not (tmp_path / n).is_file()
    )
    assert a == b and len(a) > 8


def test_save_is_back_before_the_files_are_there(tmp_path: Path, gate: Gate) -> None:
    checkpoints = Checkpoints(tmp_path, background=True)
    path = save(checkpoints, 1)
    assert gate.reached.wait(60) and not path.exists()
    checkpoints.check()  # nothing has failed, and it doesn't wait
    gate.opened.set()
    checkpoints.finish()
    assert path.is_dir() and names(tmp_path) == {"step_00000001", "last.json"}


class Run:
    """What a training changes in place: weights, average, optimizer, plain numbers."""

    def __init__(self) -> None:
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.net.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.net)
        self.optimizer = torch.optim.AdamW(self.net.parameters())
        self.state: dict[str, Any] = {"values": [1, 2], "inner": {"a": 1}}
        self.step()

    def step(self) -> None:
        self.net(torch.randn(5, 3, 8, 8)).square().sum().backward()
        self.optimizer.step()
        for mine, theirs in zip(self.average.parameters(), self.net.parameters(), strict=True):
            mine.data.lerp_(theirs.data, 0.5)
        self.state["values"].append(3)
        self.state["inner"]["a"] += 1

    def given(self) -> dict[str, Any]:
        return {
            "modules": {"model": self.net},
            "ema": {"model": self.average},
            "training": {"optimizer": self.optimizer.state_dict()},
            "state": self.state,
        }

    def later_reaches_the_files(self, checkpoints: Checkpoints, gate: Gate) -> bool:
        """Save, go on while the write is held back, and compare the files with what was saved."""
        before = copy.deepcopy(self.given())
        checkpoints.save(1, **self.given())
        assert gate.reached.wait(60)
        for _ in range(3):
            self.step()
        gate.opened.set()
        checkpoints.finish()
        Checkpoints(checkpoints.folder / "right").save(1, **before)
        found, right = (
            {p.name: p.read_bytes() for p in (folder / "step_00000001").iterdir()}
            for folder in (checkpoints.folder, checkpoints.folder / "right")
        )
        assert found.keys() == right.keys() and len(found) == 5
        return found != right


def test_what_changes_after_save_does_not_reach_the_files(tmp_path: Path, gate: Gate) -> None:
    assert not Run().later_reaches_the_files(Checkpoints(tmp_path, background=True), gate)


def test_without_copies_it_would(
    tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def lazy(_: Buffers) -> Iterator[Callable[[torch.Tensor, bool], torch.Tensor]]:
        yield lambda source, contiguous: source.contiguous() if contiguous else source

    monkeypatch.setattr(Buffers, "filling", lazy)
    assert Run().later_reaches_the_files(Checkpoints(tmp_path, background=True), gate)


def test_one_write_at_a_time_and_each_with_its_own_values(tmp_path: Path, gate: Gate) -> None:
    checkpoints = Checkpoints(tmp_path, keep=5, background=True)
    opener = threading.Timer(0.3, gate.opened.set)  # meanwhile the second save has to wait
    opener.start()
    for step in range(1, 6):
        save(checkpoints, step)
        assert step == 1 or gate.opened.is_set()
    assert checkpoints.steps() == [1, 2, 3, 4, 5]  # waits for the last
    opener.join()
    assert gate.most == 1
    for step in (1, 2, 3, 4, 5):
        weights = load_file(tmp_path / f"step_0000000{step}" / "model.safetensors")
        assert all((value == step).all() for value in weights.values())


def test_the_buffers_are_used_again(tmp_path: Path, gate: Gate) -> None:
    gate.opened.set()
    checkpoints = Checkpoints(tmp_path, background=True)
    for step in (1, 2, 3):
        save(checkpoints, step)
    checkpoints.finish()
    assert gate.pointers[0] == gate.pointers[1] == gate.pointers[2]
    check(checkpoints, 3)
    # Another shape gets other memory, and the right values.
    checkpoints.save(4, modules={"model": constant(4, size=9)}, training={}, state={})
    checkpoints.finish()
    weights = load_file(tmp_path / "step_00000004" / "model.safetensors")
    assert weights["weight"].shape == (9, 9) and (weights["weight"] == 4).all()


def test_buffers_hold_no_more_than_one_state(tmp_path: Path) -> None:
    buffers = Buffers()
    training = {"a": torch.zeros(1000), "b": [torch.zeros(500), (torch.zeros(2), 1)]}
    first = snapshot.take({"model": constant(1)}, None, training, {}, buffers)
    assert buffers.num_bytes() == 4 * (12 + 1502)
    again = snapshot.take({"model": constant(2)}, None, training, {}, buffers)
    assert again.training["a"].data_ptr() == first.training["a"].data_ptr()
    assert again.training["b"][1][0].data_ptr() == first.training["b"][1][0].data_ptr()
    alone = snapshot.take({"model": constant(2)}, None, training, {})
    assert alone.training["a"].data_ptr() != again.training["a"].data_ptr()
    snapshot.take({"model": constant(3)}, None, {}, {}, buffers)
    assert buffers.num_bytes() == 4 * 12
    at_once = Checkpoints(tmp_path, background=False)
    save(at_once, 1)
    assert at_once._buffers.num_bytes() == 0  # `false` is for those who have no memory to spare


def tensors() -> dict[str, torch.Tensor]:
    image = torch.randn(2, 3, 4, 5)
    nan = torch.tensor([0x7FC00001, -0x00400000, 0x7F800000, 1], dtype=torch.int32)
    return {
        "plain": image,
        "channels_last": image.contiguous(memory_format=torch.channels_last),
        "transposed": image.transpose(1, 3),
        "sliced": image[:, ::2, 1:],
        "expanded": torch.randn(3, 1).expand(3, 4),
        "scalar": torch.tensor(1.5),
        "empty": torch.empty(0, 3),
        "nan": nan.view(torch.float32),
        "half": image.bfloat16(),
        "eighth": image.to(torch.float8_e4m3fn),
        "complex": torch.randn(3, dtype=torch.complex64),
        "truth": image > 0,
        "whole": torch.arange(5, dtype=torch.uint8),
        "gradient": torch.randn(3, requires_grad=True),
        "sparse": torch.eye(3).to_sparse(),
    }


def raw(value: torch.Tensor) -> bytes:
    dense = (value.to_dense() if value.layout != torch.strided else value).detach().contiguous()
    return dense.reshape(-1).view(torch.uint8).numpy().tobytes()


def test_copies_are_those_of_tensor_to() -> None:
    given, buffers = tensors(), Buffers()
    for turn in range(4):  # into new memory and into used; then all in another place and form
        taken = snapshot.take({"model": constant(1)}, None, given, {}, buffers).training
        for name, source in given.items():
            expected, copied = source.detach().to("cpu", copy=True), taken[name]
            assert (copied.dtype, copied.shape) == (expected.dtype, expected.shape), name
            assert copied.layout == expected.layout and not copied.requires_grad, name
            if copied.layout == torch.strided:
                assert copied.stride() == expected.stride(), name
            assert raw(copied) == raw(source), name
        given["plain"] = given["plain"] + 1
        if turn == 1:
            given = dict(reversed(given.items()))
            given["channels_last"] = given["channels_last"].contiguous()


def test_names_that_look_alike_do_not_share_memory() -> None:
    training = {"a.b": torch.tensor(1), "a": {"b": torch.tensor(2)}, 1: torch.tensor(3)}
    training |= {"1": torch.tensor(4), True: torch.tensor(5)}  # True is 1
    taken = snapshot.take({"model": constant(1)}, None, training, {}, Buffers())  # type: ignore[arg-type]
    assert taken.training == training


def test_an_error_in_between_leaves_the_buffers_of_use(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, background=True)
    save(checkpoints, 1)
    with pytest.raises(ValueError, match="can't be stored"):
        save(checkpoints, 2, training={"a": torch.ones(9), "b": object()})
    save(checkpoints, 3)
    check(checkpoints, 3)
    assert checkpoints.steps() == [1, 3]


@pytest.mark.parametrize("asks", ["check", "finish", "save"])
def test_a_failure_is_reported_once_and_the_next_save_works(
    tmp_path: Path, gate: Gate, asks: str
) -> None:
    checkpoints = Checkpoints(tmp_path, background=True)
    gate.opened.set()
    save(checkpoints, 1)
    checkpoints.finish()
    gate.fault = FULL
    save(checkpoints, 2)
    # Looking waits, but is no place to raise what another call has to answer for.
    check(checkpoints, 1)
    assert checkpoints.best() is None and checkpoints.steps() == [1]
    assert names(tmp_path) == {"step_00000001", "last.json"}
    gate.fault = None
    ask = {"check": checkpoints.check, "finish": checkpoints.finish}
    with pytest.raises(CannotWrite, match=r"ENOSPC; .* needed, .* free there") as caught:
        ask.get(asks, lambda: save(checkpoints, 3))()
    assert caught.value.exit_code == 4
    checkpoints.check()
    checkpoints.finish()
    save(checkpoints, 4)
    check(checkpoints, 4)
    assert checkpoints.steps() == [1, 4]


def test_other_failures_come_through_as_they_are(tmp_path: Path, gate: Gate) -> None:
    checkpoints = Checkpoints(tmp_path, background=True)
    gate.fault = fault = ZeroDivisionError("a fault of ours")
    gate.opened.set()
    save(checkpoints, 1)
    with pytest.raises(ZeroDivisionError) as caught:
        checkpoints.finish()
    assert caught.value is fault


def test_without_a_thread_it_is_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    checkpoints = Checkpoints(tmp_path, background=True)
    assert save(checkpoints, 1).is_dir()
    check(checkpoints, 1)


@pytest.mark.parametrize("before", [True, False])
def test_ctrl_c_while_the_thread_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    real = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if not before:
            real(thread)
        raise KeyboardInterrupt

    checkpoints = Checkpoints(tmp_path, background=True)
    save(checkpoints, 1)
    checkpoints.finish()
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(checkpoints, 2)
    monkeypatch.undo()
    assert checkpoints.steps() in ([[1]] if before else [[1], [1, 2]])  # nobody waits for ever
    save(checkpoints, 3)
    check(checkpoints, 3)


def test_ctrl_c_while_waiting_does_not_let_go_of_the_write(tmp_path: Path, gate: Gate) -> None:
    checkpoints = Checkpoints(tmp_path, background=True)
    save(checkpoints, 1)
    assert gate.reached.wait(60)
    main = threading.main_thread().ident
    assert main is not None
    for ask in (checkpoints.finish, checkpoints.newest, lambda: save(checkpoints, 2)):
        presser = threading.Timer(0.1, os.kill, (os.getpid(), 2))
        presser.start()
        with pytest.raises(KeyboardInterrupt):
            ask()
        presser.join()
    gate.opened.set()
    checkpoints.finish()
    assert gate.most == 1
    check(checkpoints, 1)


def test_saving_a_step_again(tmp_path: Path, gate: Gate) -> None:
    gate.opened.set()
    checkpoints = Checkpoints(tmp_path, background=True)
    path = save(checkpoints, 1, best=True)
    checkpoints.finish()
    inode = path.stat().st_ino
    save(checkpoints, 1)  # the same: what is there stays
    checkpoints.finish()
    assert path.stat().st_ino == inode
    save(checkpoints, 1, state={"changed": True})
    save(checkpoints, 1, state={"changed": True})
    found = checkpoints.best()
    assert found is not None and found.state() == {"changed": True} and found.manifest.best
    assert path.stat().st_ino != inode and names(tmp_path) == {path.name, "last.json", "best.json"}
    gate.fault = FULL
    save(checkpoints, 1, state={"changed": "again"})
    found = checkpoints.newest()
    assert found is not None and found.state() == {"changed": True}
    with pytest.raises(CannotWrite):
        checkpoints.check()


def test_pruning_comes_after_the_write(tmp_path: Path, gate: Gate) -> None:
    gate.opened.set()
    checkpoints = Checkpoints(tmp_path, keep=2, background=True)
    for step in range(1, 6):
        save(checkpoints, step, best=step == 2)
    checkpoints.finish()
    assert checkpoints.steps() == [2, 4, 5]
    gate.fault = FULL
    save(checkpoints, 6)
    assert checkpoints.steps() == [2, 4, 5]  # nothing had to go for what never came
    with pytest.raises(CannotWrite):
        checkpoints.finish()
    gate.fault = None
    gate.opened.clear()
    gate.reached.clear()
    save(checkpoints, 7, best=True)
    assert gate.reached.wait(60)
    assert {p.name for p in tmp_path.glob("step_*")} == {f"step_0000000{n}" for n in (2, 4, 5)}
    gate.opened.set()
    assert checkpoints.steps() == [5, 7]


@pytest.mark.parametrize("background", [True, False])
def test_what_a_process_went_on_from_stays(tmp_path: Path, background: bool) -> None:
    earlier = Checkpoints(tmp_path, background=background)
    for step in (1, 2, 3):
        save(earlier, step)
    assert earlier.steps() == [2, 3]
    resumed = Checkpoints(tmp_path, background=background)
    check(resumed, 3)
    for step in (4, 5, 6):
        save(resumed, step)
    assert resumed.steps() == [3, 5, 6]
    check(resumed, 6)  # it goes back to what it saved itself: that is what counts from now on
    for step in (7, 8, 9):
        save(resumed, step)
    assert resumed.steps() == [6, 8, 9]
    again = Checkpoints(tmp_path, background=background)
    save(again, 10)  # looked at nothing, so nothing is in use but the newest
    assert again.steps() == [9, 10]


@pytest.mark.parametrize("background", [True, False])
def test_the_best_that_a_process_went_on_from_stays(tmp_path: Path, background: bool) -> None:
    checkpoints = Checkpoints(tmp_path, background=background)
    save(checkpoints, 1, best=True)
    best, newest = checkpoints.best(), checkpoints.newest()
    assert best is not None and newest is not None
    for step in (2, 3, 4, 5):
        save(checkpoints, step, best=True)
    assert checkpoints.steps() == [1, 4, 5]


# Each in a process of its own, forked from one that has torch imported: how it ends, its code.
ENDS = {
    "the last line": ("save(2, 0.5)", 0),
    "sys.exit": ("save(2, 0.5); sys.exit(5)", 5),
    "KeyboardInterrupt": ("save(2, 0.5); raise KeyboardInterrupt", -2),
    "Ctrl-C": ("save(2, 0.5); os.kill(os.getpid(), signal.SIGINT); time.sleep(60)", -2),
    "Ctrl-C while it waits": (
        "save(2, 0.5);"
        "threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start();"
        "checkpoints.finish()",
        -2,
    ),
    "a daemon saves": (
        "threading.Thread(target=save, args=(2, 0.5), daemon=True).start(); begun.wait()",
        0,
    ),
    "a child is forked": ("save(2, 0.5); forked()", 0),
    "SIGTERM": ("save(2, 30); begun.wait(); os.kill(os.getpid(), signal.SIGTERM)", -15),
    "a failure not asked for": ("real = fail; save(2)", 0),
    "a failure asked for": ("real = fail; save(2); asked()", 0),
}
PROGRAM = """
import errno, os, random, signal, sys, threading, time
from pathlib import Path
import torch
from torch import nn
from trainer.storage import snapshot
from trainer.storage.checkpoint import Checkpoints

begun = threading.Event()
def save(step, seconds=0.0):
    def slow(tensors, path, **more):
        begun.set()
        time.sleep(seconds)
        real(tensors, path, **more)
    snapshot.save_file = slow
    net = nn.Linear(3, 3)
    for parameter in net.parameters():
        nn.init.constant_(parameter, step)
    training, state = {"step": torch.tensor(step)}, {"step": step}
    checkpoints.save(step, modules={"model": net}, training=training, state=state)
real = snapshot.save_file

def fail(*arguments, **more):
    raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

def asked():
    try:
        checkpoints.finish()
    except ValueError:
        pass

def forked():
    begun.wait()
    if os.fork() == 0:
        import hashlib, logging, tempfile, traceback
        checkpoints.finish()  # not its own: nothing to wait for
        checkpoints.check()
        logging.getLogger("x").info("")
        hashlib.sha256(b"x" * 100_000).hexdigest()
        torch.ones(100) + 1
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 3 and not (folder / "step_00000002").exists()

def fork(text, place):
    global checkpoints, folder
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        place.mkdir()
        folder, checkpoints = place, Checkpoints(place, background=True)
        os.dup2(os.open(place / "stderr", os.O_WRONLY | os.O_CREAT), 2)
        save(1)
        checkpoints.finish()
        begun.clear()
        exec(text, globals())
        sys.exit()  # Python's own end, with all that belongs to it
    return child
"""


def carry_out(text: str, folder: Path, *arguments: str) -> list[str]:
    """The lines that a program prints, after PROGRAM."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + text, str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_how_a_process_ends_while_it_writes(tmp_path: Path) -> None:
    text = """
root, *texts = sys.argv[1:]
children = [fork(text, Path(root, str(number))) for number, text in enumerate(texts)]
for child in children:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    codes = carry_out(text, tmp_path, *(text for text, _ in ENDS.values()))
    assert dict(zip(ENDS, map(int, codes), strict=True)) == {n: c for n, (_, c) in ENDS.items()}
    for number, name in enumerate(ENDS):
        folder = tmp_path / str(number)
        lost = "failure" in name or name == "SIGTERM"
        check(Checkpoints(folder), 1 if lost else 2)
        told = (folder / "stderr").read_text()
        if name == "a failure not asked for":
            start = f"error: a checkpoint was not saved: cannot write {folder}: "
            assert told.startswith(start) and "EDQUOT" in told and told.count("\n") == 1
        else:
            assert "not saved" not in told
        if name == "SIGTERM":  # as after a kill: the next process tidies up
            assert len(list(folder.glob(".tmp-*"))) == 1
            save(Checkpoints(folder), 2)
        left = {"step_00000001", *([] if "failure" in name else ["step_00000002"])}
        assert names(folder) - {"last.json", "stderr"} == left, name


def test_ctrl_c_at_any_moment_leaves_whole_checkpoints(tmp_path: Path) -> None:
    text = """
random.seed(0)
for turn in range(25):
    # Not Python's own end, which takes most of a second, but the part of it that matters here.
    text = f'''try:
        step = {1000 * turn + 2}
        while True:
            save(step)
            step += 1
except KeyboardInterrupt:
        threading._shutdown()
        os._exit(130)
'''
    folder = Path(sys.argv[1]) / str(turn)
    child = fork(text, folder)
    while not (folder / "step_00000001").exists():
        time.sleep(0.001)
    time.sleep(random.random() * 0.05)
    os.kill(child, signal.SIGINT)
    code = os.waitstatus_to_exitcode(os.wait()[1])
    looking = Checkpoints(folder)
    found = looking.newest()
    assert not looking.warnings and found.state()["step"] == found.step, looking.warnings
    found.load_into({"model": (net := nn.Linear(3, 3))})
    assert all((p == found.step).all() for p in net.parameters()), found.step
    print(code, found.step, *(p.name for p in folder.iterdir() if p.name.startswith(".tmp")))
"""
    lines = [line.split() for line in carry_out(text, tmp_path)]
    assert len(lines) == 25
    assert all(len(line) == 2 and line[0] in ("130", "-2") for line in lines), lines
    assert sum(int(step) > 1 for _, step in lines) > 5  # they were saving


def test_the_thread_ends_with_its_job(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, background=True)
    save(checkpoints, 1)
    (thread,) = (t for t in threading.enumerate() if t.name == "checkpoints")
    assert not thread.daemon
    checkpoints.finish()
    thread.join(60)
    assert not thread.is_alive()
    assert manifest.verify(tmp_path / "step_00000001", 1).step == 1


def test_a_writer_raises_in_order() -> None:
    writer, seen = Writer(), list[str]()

    def fail() -> None:
        raise OSError("first")

    writer.start(fail)
    with pytest.raises(OSError, match="first"):
        writer.start(lambda: seen.append("never"))
    writer.start(lambda: seen.append("second"))
    writer.finish()
    writer.finish()
    assert seen == ["second"]

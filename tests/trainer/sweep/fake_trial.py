"""A stand-in for `train`: what a sweep sees of a trial, in a few milliseconds and without torch.

It takes the same words, keeps the same folder, and does what `fake.*` among the words says.
"""

import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from trainer.sweep.watch import end_with_parent

end_with_parent()
words = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
folder = Path(words["run.dir"].strip('"'))
# Each start leaves a line, with what the trial was given.
with (folder.parent / "starts.jsonl").open("a") as file:
    given = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")}
    file.write(json.dumps({"name": folder.name, "argv": sys.argv[1:], **given}) + "\n")
how = words.get("fake.how", "")
if how == "refused":
    print("error: 2 problems; nothing was started:\n  1. this\n  2. that", file=sys.stderr)
    sys.exit(2)
folder.mkdir(exist_ok=True)
lock = (folder / ".lock").open("a")
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
saved = folder / "saved"
epoch = int(saved.read_text()) if saved.exists() else 0


def status(state: str, reason: str, code: int | None, metrics: Any = None) -> None:
    text = {"state": state, "reason": reason, "exit_code": code, "metrics": metrics or {}}
    new = folder / ".status"
    new.write_text(json.dumps({**text, "updated": time.time_ns()}))
    new.replace(folder / "status.json")


def stop(number: int, frame: FrameType | None) -> NoReturn:
    time.sleep(float(words.get("fake.saving", 0)))
    saved.write_text(str(epoch))
    status("preempted", "stopped", 143)
    os._exit(143)


signal.signal(signal.SIGTERM, signal.SIG_IGN if how == "deaf" else stop)
status("running", "", None)
value = float(words.get("fake.value", 0.5)) + 0.001 * int(words.get("seed", 0))
for epoch in range(epoch, int(words.get("fake.epochs", 1))):  # noqa: B020  # where it was saved
    with (folder / "metrics.jsonl").open("a") as metrics:
        metrics.write(json.dumps({"step": epoch, "validation/accuracy": value}) + "\n")
    time.sleep(float(words.get("fake.pause", 0)))
if how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if how == "diverged":
    status("failed", "the loss is nan", 3)
    print("error: the loss is nan")
    sys.exit(3)
if how == "crashed":
    status("running", "", None)
    print("last words")
    sys.exit(1)
if how == "once" and not saved.exists():
    saved.write_text("0")
    status("failed", "the disk\nis full", 4)
    sys.exit(4)
status(
    "finished",
    "all epochs are done",
    0,
    {"validation/accuracy": "nan" if how == "nan" else value, "test/accuracy": 1 - value},
)
sys.exit(7 if how == "unproven" else 0)

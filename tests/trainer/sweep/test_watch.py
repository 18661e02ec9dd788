"""A trial's end when its sweep dies."""

import subprocess
import sys
import time

SLEEPER = """
import sys, time
from trainer.sweep.watch import end_with_parent
if sys.argv[1] == "watching":
    end_with_parent()
print("ready", flush=True)
time.sleep(1)
"""


def sleeper(how: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def end(process: subprocess.Popen[str]) -> int:
    code = process.wait(10)
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
    return code


def test_the_closing_of_the_pipe_is_a_sigterm() -> None:
    began = time.monotonic()
    process = sleeper("watching")
    assert process.stdin is not None
    process.stdin.close()
    assert end(process) == -15
    assert time.monotonic() - began < 5


def test_nothing_happens_while_the_parent_lives_or_where_nobody_watches() -> None:
    living, careless = sleeper("watching"), sleeper("careless")
    assert careless.stdin is not None
    careless.stdin.close()
    assert end(living) == 0
    assert end(careless) == 0

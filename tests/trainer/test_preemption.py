import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from trainer.preemption import Interruption, resuming


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_sets_the_flag_and_handlers_come_back(number: signal.Signals, code: int) -> None:
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    with Interruption() as interruption:
        seen = [interruption.requested]
        os.kill(os.getpid(), number)
        seen.append(interruption.requested)
    assert seen == [False, True]
    assert interruption.signal == number
    assert {n: signal.getsignal(n) for n in before} == before
    error = interruption.error(Path("runs/a"), 12)
    assert error.exit_code == code
    assert "step 12" in str(error) and str(error).endswith("train resume=runs/a")
    assert "run the same command again" in str(interruption.error(Path("runs/a"), 0))


def test_the_flag_is_a_plain_attribute() -> None:
    assert "requested" in vars(Interruption())
    assert not hasattr(Interruption, "requested")


def test_a_second_ctrl_c_stops_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Interruption():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


def test_sigterm_again_or_ctrl_c_after_it_still_waits_for_the_step() -> None:
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.signal == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_outside_the_main_thread_nothing_is_installed() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with Interruption() as interruption:
            seen.append((signal.getsignal(signal.SIGTERM), interruption.requested))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(before, False)]


def test_the_exit_code_of_a_process() -> None:
    program = """
import os, signal, sys, time
from pathlib import Path
from trainer.preemption import Interruption
with Interruption() as interruption:
    print("ready", flush=True)
    while not interruption.requested:
        time.sleep(0.01)
sys.exit(interruption.error(Path("x"), 1).exit_code)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
def test_the_command_can_be_pasted(name: str) -> None:
    words = shlex.split(resuming(Path("/runs") / name))
    assert Path(words[0]).name == "train" and len(words) == 2
    override = OverridesParser.create().parse_override(words[1])
    assert override.key_or_group == "resume"
    assert override.value() == str(Path("/runs") / name)

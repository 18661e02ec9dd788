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

from trainer.errors import Interrupted
from trainer.preemption import Interruption, Terminated, resuming, terminable

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Looked(Exception):
    """The loop has seen that it is to stop."""


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in SIGNALS]


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [*zip(SIGNALS, (130, 143, 143), strict=True)])
def test_a_signal_sets_the_flag_and_handlers_come_back(number: signal.Signals, code: int) -> None:
    before, seen = handlers(), []
    interruption = Interruption()
    with pytest.raises(Looked), interruption:
        seen.append(interruption.requested)
        send(number)
        seen.append(interruption.requested)
        raise Looked
    assert seen == [False, True]
    assert interruption.signal == number and interruption.exit_code == code
    assert handlers() == before
    error = interruption.error(Path("runs/a"), 12)
    name = "Ctrl-C" if number == signal.SIGINT else number.name
    assert error.exit_code == code
    assert f"stopped by {name}, saved at step 12; " in str(error)
    assert str(error).endswith("train resume=runs/a")
    assert "run the same command again" in str(interruption.error(Path("runs/a"), 0))


def test_the_flag_is_a_plain_attribute() -> None:
    assert "requested" in vars(Interruption())
    assert not hasattr(Interruption, "requested")


def test_a_second_ctrl_c_stops_at_once() -> None:
    before = handlers()
    with pytest.raises(KeyboardInterrupt), Interruption():
        send(signal.SIGINT)
        send(signal.SIGINT)
    assert handlers() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_another_signal_or_ctrl_c_after_it_still_waits_for_the_step(number: signal.Signals) -> None:
    with pytest.raises(Looked), Interruption() as interruption:
        for another in (number, signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            send(another)
        assert interruption.signal == number and interruption.exit_code == 143
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
        raise Looked


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_after_the_last_look_goes_to_the_former_handler(number: signal.Signals) -> None:
    wanted = KeyboardInterrupt if number == signal.SIGINT else Terminated
    before = handlers()
    with terminable(), pytest.raises(wanted), Interruption():
        send(number)
    assert handlers() == before


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("when", range(1, 7))
def test_a_signal_while_handlers_are_set_and_put_back(
    when: int, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just before each of the calls that set a handler: it is never lost, and none stays behind."""
    before, calls, real = handlers(), 0, signal.signal

    def setting(which: signal.Signals, handler: object) -> object:
        nonlocal calls
        calls += 1
        if calls == when:
            send(number)
        return real(which, handler)  # type: ignore[arg-type]

    with terminable():
        outer = handlers()
        monkeypatch.setattr(signal, "signal", setting)
        with pytest.raises(KeyboardInterrupt), Interruption():
            pass
        monkeypatch.undo()
        assert calls >= when
        assert handlers() == outer
    assert handlers() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_where_no_step_is_taken_a_signal_ends_at_once(number: signal.Signals) -> None:
    before = handlers()
    with pytest.raises(Terminated, match=f"^stopped by {number.name}$") as caught, terminable():
        send(number)
    assert caught.value.exit_code == 143
    assert handlers() == before


@pytest.mark.parametrize(
    "ending", [Terminated(), KeyboardInterrupt(), Interrupted("x", exit_code=143)]
)
def test_what_is_being_tidied_up_is_not_torn_off(ending: BaseException) -> None:
    def tidy_up() -> None:
        try:
            raise OSError
        except OSError:
            send(signal.SIGTERM)
        send(signal.SIGUSR1)
        done.append(True)

    done: list[bool] = []
    with terminable():
        with pytest.raises(type(ending)):
            try:
                raise ending
            finally:
                tidy_up()
        assert done
        with pytest.raises(Terminated):  # somebody has swallowed it: another one works
            send(signal.SIGTERM)


def test_ctrl_c_while_tidying_up() -> None:
    """The first after SIGTERM changes nothing, the second ends at once; so does any after one."""
    with terminable(), pytest.raises(KeyboardInterrupt) as caught:
        try:
            raise Terminated("first")
        finally:
            send(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                send(signal.SIGINT)
    assert str(caught.value) == "first"
    with terminable(), pytest.raises(KeyboardInterrupt) as caught:
        try:
            raise Interrupted("first", exit_code=130)
        finally:
            send(signal.SIGINT)
    assert not isinstance(caught.value, Terminated)


def test_ctrl_c_that_is_ignored_stays_ignored() -> None:
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with terminable():
            send(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, former)


def test_outside_the_main_thread_nothing_is_installed() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with terminable(), Interruption() as interruption:
            seen.append((signal.getsignal(signal.SIGTERM), interruption.requested))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(before, False)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_the_exit_code_of_a_process(number: signal.Signals) -> None:
    program = """
import sys, time
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
    process.send_signal(number)
    process.communicate()
    assert process.returncode == 143


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
def test_the_command_can_be_pasted(name: str) -> None:
    words = shlex.split(resuming(Path("/runs") / name))
    assert Path(words[0]).name == "train" and len(words) == 2
    override = OverridesParser.create().parse_override(words[1])
    assert override.key_or_group == "resume"
    assert override.value() == str(Path("/runs") / name)

"""Where the tensors live and how many threads compute: chosen once, before anything is built."""

import os

import torch

from trainer.cpus import available_cpus
from trainer.errors import Refused


def choose(name: str) -> torch.device:
    """The device that `trainer.device` asks for; `auto` is cuda, then mps, then cpu.

    Raises Refused when that device is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            name = "cuda"
        else:
            name = "mps" if torch.backends.mps.is_available() else "cpu"
    kind = name.partition(":")[0]
    if kind == "cuda" and not torch.cuda.is_available():
        built = "no driver or GPU was found" if torch.version.cuda else "this torch has no CUDA"
        raise Refused(
            f"trainer.device is {name}, but {built}; use trainer.device=auto, or check nvidia-smi"
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise Refused(
            f"trainer.device is {name}, but Metal is not to be had here (it needs macOS 14 on "
            "Apple silicon); use trainer.device=auto"
        )
    device = torch.device(name)
    if kind == "cuda" and device.index is not None and device.index >= torch.cuda.device_count():
        raise Refused(
            f"trainer.device is {name}, but there are {torch.cuda.device_count()} GPUs, "
            "counted from 0"
        )
    return device


def describe(device: torch.device) -> str:
    """The device's name as a person knows it."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        return f"cpu ({torch.get_num_threads()} of {available_cpus()} cores)"
    return str(device)


def set_threads(threads: int | str) -> int:
    """Give torch its threads, and return how many.

    `auto` is half the cores: with two hardware threads a core that is one a core, and it leaves
    room for loader workers. More threads than free cores make small steps many times slower, and
    another number changes the last bits, so the number is stored with the run.
    """
    number = max(1, available_cpus() // 2) if threads == "auto" else int(threads)
    torch.set_num_threads(number)
    return number


def set_deterministic(on: bool) -> None:
    """Ask torch for the same bits on every run, also on cuda.

    An operation that has no such algorithm there then raises RuntimeError.
    Source: https://docs.pytorch.org/docs/stable/notes/randomness.html
    """
    if on:
        # cuBLAS looks at it when it is first used, so this comes before anything on the device.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # It takes torch.compile's parts along, 1.5 s of import: nothing is set that is so already.
    if on != torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(on)
    torch.backends.cudnn.deterministic = on
    # Timing the candidates picks other kernels on other runs.
    torch.backends.cudnn.benchmark = not on and torch.cuda.is_available()

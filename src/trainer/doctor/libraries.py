"""torch, torchvision and torchaudio, and the devices: what the probes found, as checks."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from trainer.doctor.check import Check
from trainer.doctor.packages import reinstall
from trainer.doctor.probing import Outcome

SMI = ("--query-gpu=name,driver_version", "--format=csv,noheader")
SMI_SECONDS = 15.0
CUDA_BUILD = "install a torch with CUDA: see https://pytorch.org/get-started/locally"
DRIVER = "install the NVIDIA driver anew and restart, then look at nvidia-smi"


def torch_check(outcome: Outcome) -> Check:
    """The line about torch."""
    if outcome.error:
        advice = reinstall()
        return Check("torch", "problem", outcome.error, advice)
    facts = outcome.facts
    if facts["hip_build"]:
        build = f"ROCm {facts['hip_build']}"
    else:
        build = f"CUDA {facts['cuda_build']}" if facts["cuda_build"] else "CPU only"
    return Check("torch", "ok", f"{facts['version']}, built for {build}")


def companion_check(name: str, outcome: Outcome, torch_starts: bool) -> Check:
    """The line about torchvision or torchaudio."""
    if not outcome.error:
        return Check(name, "ok", f"{outcome.facts['version']}, starts with this torch")
    if not torch_starts:
        return Check(name, "note", "not tried, since torch doesn't start")
    return Check(name, "problem", outcome.error, reinstall())


def device_checks(outcome: Outcome) -> Iterator[Check]:
    """The lines about GPUs, Metal and the processor."""
    driver, gpus = nvidia_smi()
    if outcome.error:
        if gpus:
            yield Check("driver", "ok", f"{driver}: {', '.join(gpus)}")
        return
    facts = outcome.facts
    for number, device in enumerate(facts["cuda"]):
        yield gpu_check(f"cuda:{number}", device, driver)
    if not facts["cuda"]:
        yield no_gpu_check(facts, driver, gpus)
    if facts["mps"] is not None:
        yield products_check("mps", "Metal", facts["mps"], needed=("fp32",))
    elif sys.platform == "darwin":
        yield Check("mps", "note", "Metal is not to be had: it needs macOS 14 on Apple silicon")
    bf16 = "bf16 in hardware" if facts["cpu_bf16"] else "no bf16 in hardware"
    yield products_check("cpu", f"{facts['cpu_capability']}, {bf16}", facts["cpu"])


def gpu_check(topic: str, device: Mapping[str, Any], driver: str) -> Check:
    """The line about one GPU."""
    gib = device["memory"] / 2**30
    free = "" if device["free"] is None else f" ({device['free'] / 2**30:.1f} free)"
    bf16 = "" if device["bf16"] else ", no bf16 in hardware: trainer.precision=auto takes fp16"
    told = f"{device['name']}, {gib:.1f} GiB{free}, capability {device['capability']}{bf16}"
    told += f", driver {driver}" if driver else ""
    needed = ("fp32", "bf16") if device["bf16"] else ("fp32",)
    return products_check(topic, told, device["products"], needed)


def products_check(
    topic: str, told: str, products: Mapping[str, str], needed: tuple[str, ...] = ("fp32", "bf16")
) -> Check:
    """A device is in order where small products come out right."""
    wrong = [f"{name}: {products[name]}" for name in needed if products[name]]
    if wrong:
        advice = f"it can't calculate with this torch; {CUDA_BUILD}, or use trainer.device=cpu"
        return Check(topic, "problem", f"{told}; {'; '.join(wrong)}", advice)
    return Check(topic, "ok", told)


def no_gpu_check(facts: Mapping[str, Any], driver: str, gpus: list[str]) -> Check:
    """The line where torch sees no GPU: because there is none, or because something is wrong."""
    says = f" ({facts['cuda_says'][0]})" if facts["cuda_says"] else ""
    if gpus and not facts["cuda_build"]:
        told = f"{', '.join(gpus)} is there, but this torch is built without CUDA"
        return Check("cuda", "problem", told, CUDA_BUILD)
    if gpus:
        advice = f"the driver ({driver}) may be too old for CUDA {facts['cuda_build']}: update it"
        return Check("cuda", "problem", f"torch doesn't see {', '.join(gpus)}{says}", advice)
    if driver:
        return Check("cuda", "problem", f"the NVIDIA driver doesn't answer: {driver}", DRIVER)
    return Check("cuda", "note", "no NVIDIA GPU or driver; training runs without")


def nvidia_smi() -> tuple[str, list[str]]:
    """Version of the driver and names of the GPUs; what it complains of where it finds none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return "", []
    try:
        done = subprocess.run(
            [program, *SMI],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SMI_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"nvidia-smi: {error}".splitlines()[0], []
    rows = [line.rpartition(",") for line in done.stdout.splitlines() if "," in line]
    if done.returncode or not rows:
        text = (done.stdout + done.stderr).strip() or f"nvidia-smi: exit code {done.returncode}"
        return text.splitlines()[0], []
    return rows[0][2].strip(), [name.strip() for name, _, _ in rows]

"""What is tried in a process of its own, since it may crash.

`python -m trainer.doctor.probes torch` prints one line of JSON for whoever started it.
"""

import json
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

MARK = "fivestep-probe "


def torch_facts() -> dict[str, Any]:
    """What torch is, which devices it sees, and whether they can calculate."""
    import torch

    from trainer.device import set_threads
    from trainer.precision import native_bf16_cpu

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        there = torch.cuda.is_available()
        devices = [cuda_facts(number) for number in range(torch.cuda.device_count() * there)]
    mps = torch.backends.mps.is_available()
    return {
        "version": torch.__version__,
        "cuda_build": torch.version.cuda,
        "hip_build": torch.version.hip,
        "cudnn": torch.backends.cudnn.version() if there else None,
        "cuda": devices,
        "cuda_says": [str(warning.message).splitlines()[0] for warning in told],
        "mps_built": torch.backends.mps.is_built(),
        "mps": products("mps") if mps else None,
        "cpu": products("cpu"),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cpu_bf16": native_bf16_cpu(),
        "threads": set_threads("auto"),
    }


def cuda_facts(number: int) -> dict[str, Any]:
    """Name, memory and capability of one GPU, and whether it calculates."""
    import torch

    facts = torch.cuda.get_device_properties(number)
    calculates = products(f"cuda:{number}")
    return {
        "name": facts.name,
        "capability": f"{facts.major}.{facts.minor}",
        "memory": facts.total_memory,
        "free": torch.cuda.mem_get_info(number)[0] if calculates["fp32"] == "" else None,
        "bf16": torch.cuda.is_bf16_supported(including_emulation=False),
        "products": calculates,
    }


def products(device: str) -> dict[str, str]:
    """For each type of numbers "" where a small product is right, else what went wrong."""
    import torch

    found = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        try:
            ones = torch.ones(64, 64, dtype=dtype, device=device)
            right = bool(((ones @ ones) == 64).all())
            found[name] = "" if right else "a product of ones is wrong"
        except RuntimeError as error:
            found[name] = str(error).splitlines()[0]
    return found


def torchvision_facts() -> dict[str, Any]:
    """Whether torchvision starts, with its compiled operators."""
    import torch
    import torchvision

    torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    return {"version": torchvision.__version__}


def torchaudio_facts() -> dict[str, Any]:
    """Whether torchaudio starts; it looks at import whether it was built for this torch."""
    torchaudio = import_module("torchaudio")
    return {"version": torchaudio.__version__}


FACTS: dict[str, Callable[[], dict[str, Any]]] = {
    "torch": torch_facts,
    "torchvision": torchvision_facts,
    "torchaudio": torchaudio_facts,
}

if __name__ == "__main__":
    print(MARK + json.dumps(FACTS[sys.argv[1]]()))

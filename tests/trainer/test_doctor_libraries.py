"""torch, its companions and the devices: every way in which they fail has a line."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from trainer.doctor import libraries
from trainer.doctor.check import Check
from trainer.doctor.libraries import companion_check, device_checks, torch_check
from trainer.doctor.probing import Outcome

GOOD = {"fp32": "", "bf16": ""}
FACTS: dict[str, Any] = {
    "version": "2.14.1",
    "cuda_build": "13.0",
    "hip_build": None,
    "cuda": [],
    "cuda_says": [],
    "mps": None,
    "cpu": GOOD,
    "cpu_capability": "AVX2",
    "cpu_bf16": False,
    "threads": 4,
}
GPU = {
    "name": "NVIDIA H200",
    "capability": "9.0",
    "memory": 150 << 30,
    "free": 140 << 30,
    "bf16": True,
    "products": GOOD,
}


def only(checks: Any, topic: str) -> Check:
    (found,) = [check for check in checks if check.topic == topic]
    assert isinstance(found, Check)
    return found


def facts(**others: Any) -> Outcome:
    return Outcome(FACTS | others)


def test_torch_is_told_with_its_build() -> None:
    assert torch_check(facts()) == Check("torch", "ok", "2.14.1, built for CUDA 13.0")
    assert "CPU only" in torch_check(facts(cuda_build=None)).value
    assert "ROCm 7" in torch_check(facts(hip_build="7")).value


def test_a_torch_that_is_missing_or_broken() -> None:
    for outcome in (Outcome(error="not installed", missing=True), Outcome(error="import fails")):
        check = torch_check(outcome)
        assert check.grade == "problem" and "pip install --force-reinstall" in check.advice
        assert "'torch>=" in check.advice
        assert companion_check("torchaudio", Outcome(error="no"), False).grade == "note"


def test_a_companion_of_another_torch() -> None:
    broken = Outcome(error="import torchvision fails: RuntimeError: operator nms does not exist")
    check = companion_check("torchvision", broken, True)
    assert check.grade == "problem" and "nms" in check.value and "torchvision" in check.advice
    assert companion_check("torchaudio", Outcome({"version": "2.11"}), True).grade == "ok"


@pytest.fixture
def smi(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What nvidia-smi says: (driver, GPUs)."""

    def says(driver: str, gpus: list[str]) -> None:
        monkeypatch.setattr(libraries, "nvidia_smi", lambda: (driver, gpus))

    says("", [])
    return says


def test_a_gpu_is_told_with_driver_and_memory(smi: Any) -> None:
    smi("575.1", ["NVIDIA H200"])
    check = only(device_checks(facts(cuda=[GPU])), "cuda:0")
    told = "NVIDIA H200, 150.0 GiB (140.0 free), capability 9.0, driver 575.1"
    assert check == Check("cuda:0", "ok", told)


def test_a_gpu_that_this_torch_can_not_use(smi: Any) -> None:
    wrong = {"fp32": "no kernel image is available", "bf16": "no kernel image is available"}
    old = GPU | {"products": wrong, "free": None}
    check = only(device_checks(facts(cuda=[old])), "cuda:0")
    assert check.grade == "problem" and "no kernel image" in check.value and check.advice


def test_a_gpu_without_bf16_is_no_problem(smi: Any) -> None:
    old = GPU | {"bf16": False, "products": {"fp32": "", "bf16": "not supported"}}
    check = only(device_checks(facts(cuda=[old])), "cuda:0")
    assert check.grade == "ok" and "takes fp16" in check.value


@pytest.mark.parametrize(
    ("driver", "gpus", "more", "grade", "told"),
    [
        ("", [], {}, "note", "no NVIDIA GPU or driver"),
        ("575.1", ["H200"], {"cuda_build": None}, "problem", "built without CUDA"),
        ("470.1", ["H200"], {"cuda_says": ["driver too old"]}, "problem", "(driver too old)"),
        ("Failed to initialize NVML", [], {}, "problem", "doesn't answer: Failed to initialize"),
    ],
)
def test_no_gpu_has_a_reason(
    driver: str, gpus: list[str], more: dict[str, Any], grade: str, told: str, smi: Any
) -> None:
    smi(driver, gpus)
    check = only(device_checks(facts(**more)), "cuda")
    assert check.grade == grade and told in check.value
    assert bool(check.advice) == (grade == "problem")


def test_metal_and_a_processor_that_miscalculates(smi: Any) -> None:
    assert only(device_checks(facts(mps=GOOD)), "mps").grade == "ok"
    wrong = facts(cpu={"fp32": "a product of ones is wrong", "bf16": ""})
    assert only(device_checks(wrong), "cpu").grade == "problem"


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo 'NVIDIA H200, 575.1'", ("575.1", ["NVIDIA H200"])),
        ("echo 'No devices were found'; exit 6", ("No devices were found", [])),
        ("exit 9", ("nvidia-smi: exit code 9", [])),
        ("exec sleep 9", ("timed out", [])),
    ],
)
def test_nvidia_smi_is_read(
    script: str, found: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(program))
    monkeypatch.setattr(libraries, "SMI_SECONDS", 0.5 if "sleep" in script else 10.0)
    driver, gpus = libraries.nvidia_smi()
    assert found[0] in driver and gpus == found[1]


def test_without_nvidia_smi_there_is_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert libraries.nvidia_smi() == ("", [])

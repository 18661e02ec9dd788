"""How much memory is free, by files as Linux has them."""

from pathlib import Path

import pytest
import torch

from trainer.finding import memory
from trainer.finding.memory import Peak, free_memory


def meminfo(place: Path, kilobytes: int = 8_000_000) -> Path:
    file = place / "meminfo"
    file.write_text(f"MemTotal: 16000000 kB\nMemFree: 1 kB\nMemAvailable:    {kilobytes} kB\n")
    return file


def cgroup(place: Path, limit: str, used: int, cache: int = 0) -> Path:
    (place / "memory.max").write_text(f"{limit}\n")
    (place / "memory.current").write_text(f"{used}\n")
    (place / "memory.stat").write_text(f"anon 1\ninactive_file {cache}\nfile 2\n")
    return place


def test_what_the_kernel_calls_available(tmp_path: Path) -> None:
    assert free_memory(meminfo(tmp_path), tmp_path / "none") == 8_000_000 * 1024
    assert free_memory(meminfo(tmp_path), cgroup(tmp_path, "max", 5)) == 8_000_000 * 1024


def test_a_control_group_grants_less(tmp_path: Path) -> None:
    machine = meminfo(tmp_path)
    assert free_memory(machine, cgroup(tmp_path, "1000000", 400_000, 100_000)) == 700_000
    assert free_memory(machine, cgroup(tmp_path, "1000000", 2_000_000)) == 0
    assert free_memory(machine, cgroup(tmp_path, str(1 << 60), 0)) == 8_000_000 * 1024
    (tmp_path / "memory.max").write_text("what?")
    assert free_memory(machine, tmp_path) == 8_000_000 * 1024


def test_without_proc_half_of_the_memory(tmp_path: Path) -> None:
    assert free_memory(tmp_path / "none", tmp_path) > 1 << 20


def test_this_machine_has_some() -> None:
    assert 1 << 20 < free_memory() < 1 << 50


def test_the_peak_of_the_process_sees_an_allocation() -> None:
    peak = Peak(torch.device("cpu"))
    peak.begin()
    before = peak.bytes()
    torch.zeros(50_000_000, dtype=torch.uint8).fill_(1)
    assert peak.bytes() >= before


@pytest.mark.parametrize("lines", [None, "Name: python\n", "VmHWM:\t  2048 kB\n"])
def test_the_peak_is_read_where_it_can_be(
    lines: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "SELF", tmp_path)
    if lines is not None:
        (tmp_path / "status").write_text(lines)
    (tmp_path / "clear_refs").mkdir()  # forbidden, as in some containers
    peak = Peak(torch.device("cpu"))
    peak.begin()
    assert peak.bytes() == 2 << 20 if lines and "HWM" in lines else peak.bytes() > 1 << 20

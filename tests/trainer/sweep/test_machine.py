"""What each trial gets of the machine."""

import stat
from pathlib import Path

import pytest

from trainer.sweep.machine import gpu_of, gpus, of_listing, share_of_threads


@pytest.mark.parametrize(
    ("jobs", "cores", "share"), [(1, 8, None), (2, 8, 4), (3, 8, 2), (8, 8, 1), (16, 8, 1)]
)
def test_threads_are_shared(jobs: int, cores: int, share: int | None) -> None:
    assert share_of_threads(jobs, cores) == share


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        ("", ()),
        ("-1", ()),
        ("0", ("0",)),
        ("3, 1", ("3", "1")),
        ("0,-1,2", ("0",)),  # CUDA stops there too
        ("GPU-8f6d-1,MIG-77-2", ("GPU-8f6d-1", "MIG-77-2")),
        ("nonsense", ()),
    ],
)
def test_visible_devices_are_the_ones_to_share(visible: str, found: tuple[str, ...]) -> None:
    assert gpus({"CUDA_VISIBLE_DEVICES": visible}) == found


LISTING = """GPU 0: NVIDIA H200 (UUID: GPU-11111111-aaaa)
GPU 1: NVIDIA H200 (UUID: GPU-22222222-bbbb)
"""
DIVIDED = """GPU 0: NVIDIA A100 (UUID: GPU-1111)
  MIG 3g.20gb     Device  0: (UUID: MIG-aaaa-1)
  MIG 3g.20gb     Device  1: (UUID: MIG-aaaa-2)
GPU 1: NVIDIA A100 (UUID: GPU-2222)
"""


def test_the_driver_is_asked_where_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f'#!/bin/sh\n[ "$1" = -L ] || exit 1\ncat <<EOF\n{LISTING}EOF\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert gpus({}) == ("GPU-11111111-aaaa", "GPU-22222222-bbbb")
    program.write_text("#!/bin/sh\necho 'no driver' >&2\nexit 9\n")
    assert gpus({}) == ()
    program.unlink()
    assert gpus({}) == ()


def test_the_parts_of_a_divided_gpu_stand_for_it() -> None:
    assert of_listing(DIVIDED) == ("MIG-aaaa-1", "MIG-aaaa-2", "GPU-2222")
    assert of_listing("No devices found.\n") == ()


def test_slots_go_round_the_gpus() -> None:
    assert [gpu_of(slot, ("a", "b")) for slot in range(4)] == ["a", "b", "a", "b"]
    # One GPU is there for all of them anyway, as is none.
    assert gpu_of(1, ("a",)) is None and gpu_of(0, ()) is None

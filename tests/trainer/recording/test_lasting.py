"""A log file and a disk that fills up: whole records, in order, and nothing lost that fitted."""

import os
import random
from io import FileIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from narrow import Narrow

from trainer.recording import lasting
from trainer.recording.lasting import LastingFile

RECORDS = [f"line {number}\n".encode() for number in range(20)]


def test_a_record_is_in_the_file_when_the_call_returns(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    file = LastingFile("the log", "line", lambda: FileIO(path, "a"))
    file.write(b"after\n")
    assert path.read_bytes() == b"before\nafter\n"
    file.close()
    file.close()
    with pytest.raises(ValueError, match="the log is closed"):
        file.write(b"more\n")


@given(rooms=st.lists(st.integers(0, 60), max_size=20), seed=st.integers(0, 99))
def test_whatever_fits_is_whole_records_in_order(
    rooms: list[int], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Room comes and goes; the file is a whole beginning of the records at any time."""
    path = tmp_path_factory.mktemp("any") / "log"
    told: list[str] = []
    disk = Narrow(path)
    file = LastingFile("the log", "line", lambda: disk, told.append)
    order = random.Random(seed)
    whole = b"".join(RECORDS)
    for record in RECORDS:
        if rooms and order.random() < 0.5:
            disk.room = rooms.pop()
        file.write(record)
        held = path.read_bytes()
        assert whole.startswith(held) and (not held or held.endswith(b"\n"))
    disk.room = 10**6
    file.flush()
    assert path.read_bytes() == whole
    file.close()
    assert len(told) <= 1 and all("No space left on device" in text for text in told)


def test_a_full_disk_is_told_once_and_what_is_lost_at_the_end(tmp_path: Path) -> None:
    disk = Narrow(tmp_path / "log", room=10)
    file = LastingFile("the log", "line", lambda: disk)
    with pytest.warns(RuntimeWarning) as said:
        for record in RECORDS[:4]:
            file.write(record)
    assert [str(warning.message) for warning in said] == [
        "the log can't be written (No space left on device); training goes on, free space or check "
        "rights"
    ]
    with pytest.warns(RuntimeWarning, match=r"^3 lines of the log could not be written \(No space"):
        file.close()
    assert (tmp_path / "log").read_bytes() == RECORDS[0]


def test_one_line_is_told_as_one(tmp_path: Path) -> None:
    told: list[str] = []
    file = LastingFile("the log", "line", lambda: Narrow(tmp_path / "log", room=3), told.append)
    file.write(RECORDS[0])
    file.close()
    assert told[-1].startswith("1 line of the log could not")
    assert (tmp_path / "log").read_bytes() == b""


def test_what_waits_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasting, "MOST_PENDING", 30)
    told: list[str] = []
    disk = Narrow(tmp_path / "log", room=0)
    file = LastingFile("the log", "line", lambda: disk, told.append)
    for record in RECORDS:
        file.write(record)
    disk.room = 10**6
    file.write(RECORDS[-1])
    file.close()
    assert told[-1].startswith("16 lines of the log")  # of 21: 4 had waited, 1 came later
    assert (tmp_path / "log").read_bytes() == b"".join([*RECORDS[:4], RECORDS[-1]])


def test_a_file_that_can_not_be_made_is_tried_again(tmp_path: Path) -> None:
    path, told = tmp_path / "folder" / "log", list[str]()
    file = LastingFile("the log", "line", lambda: FileIO(path, "a"), told.append)
    file.write(RECORDS[0])
    path.parent.mkdir()
    file.write(RECORDS[1])
    file.close()
    assert path.read_bytes() == RECORDS[0] + RECORDS[1]
    assert len(told) == 1 and "No such file" in told[0]


class Interrupting(FileIO):
    """Raises in the middle of a write, or right behind it, as a signal's handler does."""

    cut: int | None = None

    def write(self, data: bytes) -> int:  # type: ignore[override]
        cut, self.cut = self.cut, None
        super().write(data[:cut])
        if cut is not None:
            raise KeyboardInterrupt
        return len(data)


@pytest.mark.parametrize("cut", [0, 3, len(RECORDS[1])])
def test_a_signal_in_the_middle_of_a_write(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "log"
    disk = Interrupting(path, "a")
    file = LastingFile("the log", "line", lambda: disk)
    file.write(RECORDS[0])
    disk.cut = cut
    with pytest.raises(KeyboardInterrupt):
        file.write(RECORDS[1])
    assert path.read_bytes() in (RECORDS[0], RECORDS[0] + RECORDS[1])
    file.write(RECORDS[2])
    file.close()
    assert path.read_bytes() == b"".join(RECORDS[:3])


class OnlyLonger(Narrow):
    """A file that can't be cut, as one with the attribute +a."""

    def truncate(self, size: int | None = None) -> int:
        raise PermissionError


def test_a_record_that_can_not_be_taken_back_is_completed(tmp_path: Path) -> None:
    told: list[str] = []
    disk = OnlyLonger(tmp_path / "log", room=10)
    file = LastingFile("the log", "line", lambda: disk, told.append)
    file.write(RECORDS[0])
    file.write(RECORDS[1])
    disk.room = 10**6
    file.close()
    assert (tmp_path / "log").read_bytes() == RECORDS[0] + RECORDS[1] and len(told) == 1


class LateRefusal(FileIO):
    """As on a network file system whose quota is known when a file is closed."""

    def close(self) -> None:
        if not self.closed:
            super().close()
            raise OSError(122, os.strerror(122))


def test_a_disk_that_refuses_at_the_end(tmp_path: Path) -> None:
    told: list[str] = []
    file = LastingFile("the log", "line", lambda: LateRefusal(tmp_path / "log", "a"), told.append)
    file.write(RECORDS[0])
    file.close()
    assert len(told) == 1 and "Disk quota exceeded" in told[0]

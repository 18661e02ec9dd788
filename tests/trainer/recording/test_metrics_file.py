"""metrics.jsonl: strict, complete at any moment, continued without a double step."""

import json
import math
import os
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from narrow import Narrow

from trainer.errors import CannotWrite
from trainer.protocols import Recorder
from trainer.recording import MetricsFile, metrics_file, read_metrics


def strict(line: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    return json.loads(line, parse_constant=refuse)


def test_a_line_is_whole_when_the_call_returns(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "metrics.jsonl")
    assert isinstance(file, Recorder)
    values = {"epoch": 0, "train/loss": 0.53, "timing/seconds": 2.5, "timing/memory": 412}
    file.scalars(12, values)
    text = (tmp_path / "metrics.jsonl").read_text()
    assert text == (
        '{"step": 12, "epoch": 0, "train/loss": 0.53, "timing": {"seconds": 2.5, "memory": 412}}\n'
    )
    file.close()
    file.close()


def test_what_is_not_finite_is_null_and_said(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "metrics.jsonl")
    file.scalars(0, {"a": math.nan, "b": -math.inf, "c": 1.0, "timing/d": math.inf})
    file.close()
    line = strict((tmp_path / "metrics.jsonl").read_text())
    assert line == {
        "step": 0,
        "a": None,
        "b": None,
        "c": 1.0,
        "nonfinite": {"a": "nan", "b": "-inf", "timing/d": "inf"},
        "timing": {"d": None},
    }


def test_numbers_of_other_kinds_become_plain_ones(tmp_path: Path) -> None:
    import numpy as np
    import torch

    file = MetricsFile(tmp_path / "metrics.jsonl")
    file.scalars(0, {"a": np.float64(0.1), "b": torch.tensor(0.5)})  # type: ignore[dict-item]
    file.close()
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 0, "a": 0.1, "b": 0.5}]


@pytest.mark.parametrize("name", ["step", "timing", "nonfinite"])
def test_a_taken_name_is_refused(tmp_path: Path, name: str) -> None:
    file = MetricsFile(tmp_path / "metrics.jsonl")
    with pytest.raises(ValueError, match=f'"{name}".*choose another'):
        file.scalars(0, {name: 1.0})
    file.close()
    assert (tmp_path / "metrics.jsonl").read_bytes() == b""


@settings(max_examples=50, deadline=None)
@given(
    lines=st.lists(
        st.dictionaries(
            st.text(min_size=1).filter(lambda name: name not in ("step", "timing", "nonfinite")),
            st.floats() | st.integers(-(2**70), 2**70),
        ),
        max_size=5,
    )
)
def test_any_values_survive_strict_json(
    lines: list[dict[str, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "metrics.jsonl"
    file = MetricsFile(path)
    for step, values in enumerate(lines):
        file.scalars(step, values)
    file.close()
    raw = path.read_bytes().decode().split("\n")
    assert raw.pop() == ""
    assert len(raw) == len(lines)
    for values, text, line in zip(lines, raw, read_metrics(path), strict=True):
        assert strict(text) == line
        for name, value in values.items():
            found = line if not name.startswith("timing/") else line["timing"]
            expected = value if math.isfinite(value) else None
            assert found[name.removeprefix("timing/")] == expected


def written(
    path: Path, steps: int, *, name: str = "train/loss", value: float | None = None
) -> bytes:
    file = MetricsFile(path)
    for step in range(steps):
        file.scalars(step, {name: float(step) if value is None else value})
    file.close()
    return path.read_bytes()


def test_a_continued_run_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole.jsonl", 20)
    path = tmp_path / "metrics.jsonl"
    written(path, 15)
    with path.open("ab") as torn:
        torn.write(b'{"step": 15, "train/lo')
    file = MetricsFile(path, purge_step=10)
    for step in range(10, 20):
        file.scalars(step, {"train/loss": float(step)})
    file.close()
    assert path.read_bytes() == whole
    assert sorted(item.name for item in tmp_path.iterdir()) == ["metrics.jsonl", "whole.jsonl"]


def test_a_torn_line_is_left_out_when_reading_and_cut_off_when_opening(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = written(path, 3)
    path.write_bytes(whole[:-1])  # torn between the line and its end
    assert [line["step"] for line in read_metrics(path)] == [0, 1]
    MetricsFile(path).close()
    assert path.read_bytes() == whole[: whole.index(b'{"step": 2')]


def test_a_file_where_nothing_is_to_cut_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    written(path, 3)
    before = path.stat().st_ino
    MetricsFile(path, purge_step=3).close()
    assert path.stat().st_ino == before


def test_a_damaged_line_in_the_middle_is_told_not_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    content = b'{"step": 0}\n\x00\x00\n{"step": 2}\n'
    path.write_bytes(content)
    with pytest.raises(CannotWrite, match=r"line 2 of .*metrics.jsonl.*resume"):
        MetricsFile(path, purge_step=1)
    assert path.read_bytes() == content


def test_a_failed_cut_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.jsonl"
    before = written(path, 5)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(CannotWrite, match="No space left") as error:
        MetricsFile(path, purge_step=2)
    assert error.value.exit_code == 4
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_an_append_that_fails_waits_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "metrics.jsonl"
    disk = Narrow(path, room=30)
    monkeypatch.setattr(metrics_file, "appending", lambda _: disk)
    file = MetricsFile(path)
    file.scalars(0, {"a": 1.0})
    with pytest.warns(
        RuntimeWarning, match=r"metrics.jsonl can't be written \(No space left"
    ) as said:
        for step in range(1, 4):
            file.scalars(step, {"a": 1.0})
    assert len(said) == 1
    assert [line["step"] for line in read_metrics(path)] == [0]
    assert path.read_bytes().endswith(b"\n")
    disk.room = 10**6
    file.scalars(4, {"a": 1.0})
    file.close()
    monkeypatch.undo()
    assert path.read_bytes() == written(tmp_path / "other.jsonl", 5, name="a", value=1.0)


def test_lines_that_never_found_room_are_told_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_file, "appending", lambda path: Narrow(path, room=0))
    file = MetricsFile(tmp_path / "metrics.jsonl")
    with pytest.warns(RuntimeWarning, match="can't be written"):
        file.scalars(0, {"a": 1.0})
    file.scalars(1, {"a": 1.0})
    with pytest.warns(RuntimeWarning, match="^2 lines of .*metrics.jsonl could not be written"):
        file.close()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match=r"cannot write .*metrics.jsonl: .*ENOENT"):
        MetricsFile(tmp_path / "missing" / "metrics.jsonl")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """It may lead out of the folder, to a file of the user's."""
    path, other = tmp_path / "metrics.jsonl", tmp_path / "other"
    other.write_bytes(b"mine\n")
    path.symlink_to(other)
    with pytest.raises(CannotWrite, match=r"metrics\.jsonl: .*ELOOP"):
        MetricsFile(path)
    path.unlink()
    path.symlink_to(tmp_path / "nothing")
    with pytest.raises(CannotWrite, match=r"metrics\.jsonl: .*ELOOP"):
        MetricsFile(path)
    assert other.read_bytes() == b"mine\n" and not (tmp_path / "nothing").exists()

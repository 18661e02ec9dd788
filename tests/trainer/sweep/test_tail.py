"""Reading what a trial measures while it writes."""

import json
from pathlib import Path

from trainer.recording import MetricsFile
from trainer.sweep.tail import Tail

METRIC = "validation/accuracy"


def test_each_value_comes_once_and_counts_epochs(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tail = Tail(path, METRIC, every=5)
    assert tail.read() == []
    file = MetricsFile(path)
    file.scalars(10, {"train/loss": 1.0})
    file.scalars(40, {METRIC: 0.5, "validation/loss": 2.0})
    assert tail.read() == [(5, 0.5)]
    assert tail.read() == []
    file.scalars(80, {METRIC: 0.6})
    file.scalars(120, {METRIC: 0.7})
    assert tail.read() == [(10, 0.6), (15, 0.7)]
    assert tail.last == 0.7
    file.close()


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tail = Tail(path, METRIC)
    line = json.dumps({"step": 1, METRIC: 0.5})
    path.write_text(line[:20])
    assert tail.read() == []
    path.write_text(line + "\n")
    assert tail.read() == [(1, 0.5)]


def test_what_is_not_finite_is_left_out_and_still_counts(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    file = MetricsFile(path)
    file.scalars(1, {METRIC: float("nan")})
    file.scalars(2, {METRIC: 0.25})
    file.close()
    assert Tail(path, METRIC).read() == [(2, 0.25)]


def test_a_run_that_goes_on_has_told_its_first_values_already(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tail = Tail(path, METRIC)
    file = MetricsFile(path)
    for step in (1, 2, 3):
        file.scalars(step, {METRIC: step / 10})
    file.close()
    assert len(tail.read()) == 3
    # It was saved after step 2, and does step 3 again.
    file = MetricsFile(path, purge_step=3)
    assert tail.read() == []
    file.scalars(3, {METRIC: 0.3})
    file.scalars(4, {METRIC: 0.4})
    file.close()
    assert tail.read() == [(4, 0.4)]


def test_other_metrics_and_torn_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        '{"step": 1, "validation/accuracy_of_mine": 1}\n'
        '{"step": 1, "validation/accuracy": 0.\n'
        '{"step": 2, "validation/accuracy": 0.5}\n'
    )
    assert Tail(path, METRIC).read() == [(1, 0.5)]

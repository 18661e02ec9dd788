"""What is wrong with the metrics that a user adds to an evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any

# Keys of evaluation/<split>.json that are no metric.
RESERVED = (
    *("per_class", "confusion_matrix", "num_samples", "baseline", "classes", "split", "step"),
    *("per_target", "targets", "threshold", "tokens"),
)


def metric_problems(metrics: Mapping[Any, object] | None, taken: Sequence[str]) -> list[str]:
    """A line for each name that is taken already, and for each metric that can't be called."""
    problems = []
    for name, metric in (metrics or {}).items():
        where = f"evaluation.metrics.{name}"
        if not isinstance(name, str) or not name:
            problems.append(f"{where}: a metric's name has to be text")
        elif name in (*taken, *RESERVED) or "/" in name:
            problems.append(f"{where}: this name is taken (or has a /); choose another")
        if not callable(metric):
            problems.append(
                f"{where}={metric!r}: it has to be a callable(outputs, target) -> (sum, count); "
                "in YAML: {_target_: mypkg.metric, _partial_: true}"
            )
    return problems

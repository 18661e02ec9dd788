"""The samples of a step that are not finite themselves."""

from typing import Any

from torch import Tensor

from trainer.diagnosis.extent import broken, one
from trainer.diagnosis.finding import Evidence, Finding
from trainer.diagnosis.watching import Seen
from trainer.run import Run


def of_batch(evidence: Evidence, seen: Seen) -> Finding | None:
    """Samples that hold something not finite, in fields that usually don't."""
    usual = set()
    if evidence.usual is not None and evidence.usual.turns:
        usual = {name for batch in evidence.usual.turns[0].batches for name, _ in bad_rows(batch)}
    found: list[dict[str, Any]] = []
    first = 0
    for batch in seen.batches:
        for name, rows in bad_rows(batch):
            if name not in usual:
                found += [
                    {"field": named(evidence.run, name), "value": value, "row": first + row}
                    for row, value in rows.items()
                ]
        first += rows_of(batch)
    if not found:
        return None
    known = first == len(evidence.samples)  # else some were left out, and rows say nothing
    names = getattr(evidence.run.splits.train, "names", None)
    for each in found:
        row = each.pop("row")
        if known:
            each["sample"] = index = evidence.samples[row]
            if names is not None:
                each["name"] = str(names[index])
    fields = dict.fromkeys(each["field"] for each in found)
    number = len({each.get("sample", place) for place, each in enumerate(found)})
    many = "1 sample" if number == 1 else f"{number} samples"
    return Finding(
        "batch",
        f"the batch itself isn't finite: {found[0]['value']} in {', '.join(fields)} of {many}",
        ", ".join(fields),
        seen.turn,
        found[0]["value"],
        {"samples": found},
    )


def bad_rows(batch: Any) -> list[tuple[str | int, dict[int, str]]]:
    """For each field of a batch that isn't finite, its rows and what they hold."""
    fields = batch.items() if isinstance(batch, dict) else enumerate(batch)
    found = []
    for name, value in fields:
        if isinstance(value, Tensor) and value.dim() and broken(value):
            rows = (~value.isfinite()).reshape(len(value), -1).any(1).nonzero().flatten().tolist()
            found.append((name, {row: one(value[row].reshape(-1)).value for row in rows}))
    return found


def rows_of(batch: Any) -> int:
    """How many samples a batch holds."""
    fields = batch.values() if isinstance(batch, dict) else batch
    return next((len(value) for value in fields if isinstance(value, Tensor) and value.dim()), 0)


def named(run: Run, name: str | int) -> str:
    """A field of the batch in the terms of the task."""
    if isinstance(name, str):
        return name
    if name == getattr(run.task, "target", None):
        return "target"
    inputs = getattr(run.task, "inputs", None)
    return "input" if isinstance(inputs, list) and inputs == [name] else f"field {name}"

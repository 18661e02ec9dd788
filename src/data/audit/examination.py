"""The audit: all that can be found out about data before anything is learned from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.audit import balance, duplicates, inputs, targets
from data.audit.figures import Figure
from data.audit.finding import Finding, graded, many, places
from data.audit.parts import Part, counted, parts_of
from data.audit.study import Study
from data.splits import Splits


@dataclass(frozen=True)
class Audit:
    """What was found out about data."""

    findings: tuple[Finding, ...]
    """The worst first."""
    figures: tuple[Figure, ...]
    """What the page shows beside them."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What was counted, as plain values: samples, classes, sizes ..."""

    def number_of(self, level: str) -> int:
        """Return how many findings have a level."""
        return sum(finding.level == level for finding in self.findings)


def audit(splits: Splits[Any], *, limit: int | None = None, folder: Path | None = None) -> Audit:
    """Look for what is wrong with data of any kind, or may be.

    What is found depends on the samples and their names, not on their order. Nothing is changed.

    Args:
        splits: training, validation and test, as a builder of `data` gives them.
        limit: look at so many samples at most, chosen by their names; 0 for all of them. By default
            1,000,000 where all of them lie in memory (100,000 pictures), else 10,000.
        folder: where the files of the samples lie, so that headers can be read; None where they
            are no files.

    Returns:
        Findings, the worst first, with pictures and facts for a page.
    """
    parts = parts_of(splits, limit)
    info = splits.info
    kind = kind_of(splits)
    series = kind == "series"
    found, bars, facts = balance.study(parts, info)
    about_targets, drawn, values = targets.study(parts, info, horizon=series)
    study = study_of(kind, parts, info, folder, values)
    findings = [
        *sampled(parts),
        *left_out(splits),
        *found,
        *about_targets,
        *([] if kind in ("table", "series") else inputs.findings(parts)),
        *study.findings,
    ]
    for contents in study.contents:
        findings += duplicates.find(parts, contents)
    facts = {"kind": kind, "samples": {part.split: part.total for part in parts}, **facts}
    return Audit(graded(findings), (*bars, *drawn, *study.figures), {**facts, **study.facts})


def kind_of(splits: Splits[Any]) -> str:
    """Return what the samples are: "images", "table", "text", "audio", "series" or "other"."""
    kind, train = str(getattr(splits.info, "kind", "")), splits.train
    needs = {"text": "sample_text", "audio": "raw"}
    if kind:
        return kind if hasattr(train, needs.get(kind, "__len__")) else "other"
    if hasattr(train, "picture"):
        return "images"
    # Rows of numbers have a text to be read, too, beside what a reader gives.
    return "text" if hasattr(train, "sample_text") and not hasattr(train, "raw") else "other"


def study_of(
    kind: str, parts: Sequence[Part], info: Any, folder: Path | None, values: Sequence[Any]
) -> Study:
    """Return what the look at one kind gives."""
    if kind == "images":
        from data.audit import pictures

        return pictures.study(parts, info, folder)
    if kind == "text":
        from data.audit import texts

        return texts.study(parts, info)
    if kind == "audio":
        from data.audit import waves

        return waves.study(parts, info, folder)
    if kind == "series":
        from data.audit import sequences

        return sequences.study(parts, info)
    from data.audit import tables

    if kind == "table" or (columns := inputs.as_columns(parts, info)):
        return tables.study(parts, info, values, None if kind == "table" else columns)
    return other(parts)


def other(parts: Sequence[Part]) -> Study:
    """Look for equal inputs, whatever they are."""
    from data.audit.contents import contents_of

    found = contents_of(parts)
    return Study(contents=[] if found is None else [found])


def sampled(parts: Sequence[Part]) -> list[Finding]:
    """Say so where not all samples are looked at."""
    looked, total = sum(map(len, parts)), sum(part.total for part in parts)
    if looked == total:
        return []
    return [
        Finding(
            "note",
            f"{looked:,} of {many(total, 'sample')} looked at, chosen by their names; classes are "
            "counted in all",
            "",
            "copies of samples that were not looked at stay unseen; --limit 0 looks at all",
        )
    ]


def left_out(splits: Splits[Any]) -> list[Finding]:
    """Files that could not be read when the data was built."""
    bad = getattr(splits, "bad", ())
    if not bad:
        return []
    return [
        Finding(
            "warning",
            f"{many(len(bad), 'file')} can't be read and {'is' if len(bad) == 1 else 'are'} left "
            "out",
            places(f"{each.name}: {each.reason}" for each in bad),
            "mend or remove them",
        )
    ]


def title_of(splits: Splits[Any]) -> str:
    """Return what the data is, in one line: its samples, and what it says of itself."""
    about = str(getattr(splits.info, "about", "")) or type(splits.info).__name__
    return f"{counted(parts_of(splits, 0))}; {about}"

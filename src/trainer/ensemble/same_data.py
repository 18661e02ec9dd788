"""Whether models may be averaged on a split: the same samples for all, none of them learnt."""

import csv
import io
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer.errors import Refused
from trainer.pasting import nearest
from trainer.recording.flat import flat
from trainer.storage.atomic import read_regular

# Of the section `data`: what may differ between members, since it changes how a sample is shown to
# the model or who learns from it, and not which samples the test split has.
FREE = ("fold", "folds", "augment", "transform", "size", "channels", "fit")
_LARGEST = 1_000_000_000  # bytes of predictions
_ONE_SPLIT = "average only what was trained on one split of one data"


@dataclass(frozen=True)
class Seen:
    """What a member knows, and what it is measured on."""

    folder: Path
    classes: list[str]
    samples: list[Hashable]


def refuse_other_data(sections: Mapping[Path, Mapping[str, Any]]) -> None:
    """Raise Refused, a line for each key, unless all sections `data` mean the same test split."""
    plain = {
        folder: flat({name: value for name, value in section.items() if name not in FREE})
        for folder, section in sections.items()
    }
    first, problems = next(iter(plain)), []
    for key in dict.fromkeys(key for values in plain.values() for key in values):
        other = next((f for f in plain if plain[f].get(key) != plain[first].get(key)), None)
        if other is not None:
            was, now = (plain[folder].get(key) for folder in (first, other))
            problems.append(
                f"data.{key} is {was} in {nearest(first)} and {now} in {nearest(other)}, so the "
                f"test samples of one may be training samples of the other; {_ONE_SPLIT}"
            )
    if problems:
        raise Refused(*problems)


def refuse_changed(folder: Path, stored: Any, now: Any) -> None:
    """Raise Refused where the data says something else of itself than when a run was trained."""
    before, after = plain_info(stored), plain_info(now)
    if "fingerprint" in before:
        # It says everything; other numbers may differ in the last bit on another machine.
        before, after = ({"fingerprint": each.get("fingerprint")} for each in (before, after))
    changed = [name for name in before if before[name] != after.get(name)]
    if changed:
        raise Refused(
            f"the data of {nearest(folder)} has changed since it was trained (its "
            f"{', '.join(changed)}), so that test samples may be among those that it learnt; "
            "restore the data, or train again"
        )


def plain_info(info: Any) -> dict[str, Any]:
    """What the data says of itself, as info.json has it."""
    found: dict[str, Any] = vars(info) if hasattr(info, "__dict__") else asdict(info)
    content: dict[str, Any] = json.loads(json.dumps(found))
    return content


def refuse_learnt(seen: Seen, learnt: Sequence[str] | None, split: str) -> None:
    """Raise Refused where a run was trained on samples of the split; those without names pass."""
    both = set(learnt or ()).intersection(seen.samples)
    if both:
        shown = ", ".join(sorted(map(str, both))[:3])
        raise Refused(
            f"{len(both)} of the {len(seen.samples)} {split} samples are among the training "
            f"samples of {nearest(seen.folder)} ({shown}{', ...' if len(both) > 3 else ''}); what "
            "it says of them is no measurement: mend the split, and train again"
        )


def refuse_unlike(first: Seen, other: Seen, split: str) -> None:
    """Raise Refused unless two members have the same classes, and on test the same samples."""
    if first.classes != other.classes:
        known = " and ".join(
            f"{nearest(each.folder)} {', '.join(each.classes)[:60]} ({len(each.classes)})"
            for each in (first, other)
        )
        raise Refused(f"the members know different classes: {known}; {_ONE_SPLIT}")
    if split == "test" and first.samples != other.samples:
        both = len(set(first.samples).intersection(other.samples))
        raise Refused(
            f"the test splits differ: {nearest(first.folder)} has {len(first.samples)} samples, "
            f"{nearest(other.folder)} {len(other.samples)}, and {both} are in both; {_ONE_SPLIT}"
        )


def refuse_other_samples(folder: Path, split: str, table: bytes) -> None:
    """Raise Refused where a run had evaluated other samples than those in a table of predictions.

    Both are tables as `evaluation.report.predictions` writes them; a run without one passes.
    """
    path = folder / "evaluation" / f"{split}_predictions.csv"
    try:
        before = rows(read_regular(path, _LARGEST))
    except FileNotFoundError:
        return
    except OSError as error:
        raise Refused(
            f"{path} can't be read ({error.strerror}); restore it, or delete it"
        ) from error
    now = rows(table)
    if before != now:
        both = len(set(before).intersection(now))
        raise Refused(
            f"the {split} samples of {nearest(folder)} are not those that it was measured on at "
            f"the end of training: {len(now)} samples now, {len(before)} then, {both} in both; "
            "restore the data, or train again"
        )


def rows(table: bytes) -> list[tuple[str, ...]]:
    """Index, name and label of each sample."""
    text = io.StringIO(table.decode("utf-8", "replace"))
    return [tuple(row[:3]) for row in csv.reader(text)][1:]

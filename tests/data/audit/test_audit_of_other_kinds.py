"""Planted faults in texts, recordings and series are found, and sound ones are left in peace."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fake_data import (
    Raw,
    SeriesInfo,
    VectorInfo,
    clean_labels,
    clean_texts,
    clean_waves,
    names_of,
    said,
    shuffled,
    split,
    texts,
    waves,
)

from data.audit import audit, brief
from data.audit.figures import Listing
from data.errors import SampleError
from data.splits import Splits


@pytest.mark.parametrize("make", [texts, waves])
def test_sound_samples_are_left_in_peace(make: Any) -> None:
    assert said(make(), "error", "warning", "note") == []
    assert brief(make()) == []


TEXTS = [
    ({5: ""}, "warning: 1 text without a word (text 5)"),
    ({5: "oh no"}, "note: 1 text of fewer than 3 words, where most have 15 and more (text 5)"),
    (
        {85: 3},
        "error: 1 of 20 test texts (5 %) is in the train split too, equal (text 85 = text 3)",
    ),
    (
        {85: (3, str.upper)},
        "error: 1 of 20 test texts (5 %) is in the train split too, equal but for case, spaces and "
        "punctuation (text 85 = text 3)",
    ),
    (
        {15: 3},
        "warning: 1 text comes again in the train split, equal (1 % of all) (text 3 = text 15)",
    ),
    ({14: 3}, "warning: 2 texts equal to others with another label (2 %) (text 3 = text 14)"),
]


@pytest.mark.parametrize(("change", "line"), TEXTS)
def test_a_fault_in_texts_is_found_whatever_their_order(change: Any, line: str) -> None:
    values = clean_texts()
    for place, value in change.items():
        act = value[1] if isinstance(value, tuple) else str
        source = value[0] if isinstance(value, tuple) else value
        values[place] = act(values[source]) if isinstance(source, int) else source
    found = said(texts(values), "error", "warning", "note")
    assert any(each.startswith(line) for each in found), found
    assert said(shuffled(texts(values)), "error", "warning", "note") == found


def test_texts_that_are_equal_are_told_once() -> None:
    values = clean_texts()
    values[85] = values[3]
    assert len(said(texts(values), "error", "warning", "note")) == 1


def test_equal_texts_are_shown_side_by_side_one_of_each_split_first() -> None:
    values = clean_texts()
    values[85] = values[30] = values[3]
    values[12] = values[11].upper()
    listing = next(figure for figure in audit(texts(values)).figures if isinstance(figure, Listing))
    assert [[name for name, _ in row] for row in listing.rows] == [
        ["train: text 3", "test: text 85"],
        ["train: text 11", "train: text 12"],
    ]
    assert listing.rows[1][1][1] == values[12]


def loud(wave: Any) -> Any:
    return np.clip(wave * 5, -1, 1)


WAVES = [
    (
        {5: loud},
        "warning: 1 recording clipped: 0.1 % of the values or more at full scale (sound 5: ",
    ),
    ({5: np.zeros_like}, "warning: 1 recording silent (below -60 dB) (sound 5: no sound)"),
    (
        {5: lambda wave: wave[:40]},
        "warning: 1 recording shorter than 0.05 s, where most have 0.5 s",
    ),
    ({55: 3}, "error: 1 of 12 test recordings (8.3 %) is in the train split too, equal"),
]


@pytest.mark.parametrize(("change", "line"), WAVES)
def test_a_fault_in_recordings_is_found_whatever_their_order(change: Any, line: str) -> None:
    values = clean_waves()
    for place, act in change.items():
        values[place] = values[act] if isinstance(act, int) else act(values[place])
    found = said(waves(values), "error", "warning", "note")
    assert [each for each in found if each.startswith(line)], found
    assert said(shuffled(waves(values)), "error", "warning", "note") == found


def test_what_cannot_be_read_is_told_and_the_others_are_looked_at() -> None:
    class Broken(Raw):
        def raw(self, index: int) -> Any:
            if self.names[index] == "sound 7":
                raise SampleError("sound 7 is cut off; mend it")
            return super().raw(index)

    values = clean_waves()
    sound = waves(values)
    train, validation, test = (
        Broken(part.values, part.labels, part.names)
        for part in (sound.train, sound.validation, sound.test)
    )
    splits = Splits(train, validation, test, sound.info)
    (line,) = said(splits)
    assert line.startswith("error: 1 recording can't be read (sound 7 is cut off; mend it)")


def windows(values: Any, **facts: Any) -> Splits[Any]:
    """Splits whose samples are windows of series, as `data.series` has them."""
    count = len(values["a"])
    steps = SimpleNamespace(
        values=np.concatenate([*values.values()]).astype(np.float32),
        offsets=np.arange(len(values) + 1) * count,
        series=np.arange(len(values)),
        names=tuple(values),
        is_original=np.ones(count * len(values), dtype=bool),
    )
    vars(steps).update(facts)

    class Windows(Raw):
        pass

    info = SeriesInfo(problem="regression", classes=(), num_classes=0)
    object.__setattr__(info, "channels", ("load",))
    made = split(Windows, [*range(50)], np.zeros(50), names_of(50, "window"), info)
    for part in (made.train, made.validation, made.test):
        part.steps = steps
    return made


def noise(seed: int) -> Any:
    return np.random.default_rng(seed).normal(size=(200, 1))


def test_series_with_gaps_without_change_and_twice_are_found() -> None:
    assert said(windows({"a": noise(0), "b": noise(1)}), "error", "warning", "note") == []
    still = {"a": noise(0), "b": np.ones((200, 1))}
    assert said(windows(still))[0].startswith(
        "warning: 1 column of a series with one value only (b, 'load': 1)"
    )
    stuck = {"a": noise(0), "b": noise(1)}
    stuck["b"][50:100] = 0
    (line,) = said(windows(stuck), "note")
    assert "with a long stretch of one value (b, 'load': 50 of 200 steps)" in line
    assert (
        "1 series with the same values as another (a = b)"
        in said(windows({"a": noise(0), "b": noise(0)}))[0]
    )
    filled = np.ones(400, dtype=bool)
    filled[10:40] = False
    (line,) = said(windows({"a": noise(0), "b": noise(1)}, is_original=filled))
    assert line.startswith("warning: 30 steps missing and filled in (7.5 %) (a: 30)")
    cut = {"offsets": np.array([0, 100, 200, 400]), "series": np.array([0, 0, 1])}
    (line,) = said(windows({"a": noise(0), "b": noise(1)}, **cut))
    assert line.startswith("warning: 1 series with gaps (a: 1)")


def test_series_that_are_samples_are_looked_at_one_by_one() -> None:
    values = [noise(seed) for seed in range(60)]
    values[5][:] = 2
    values[55] = values[3]
    found = split(Raw, values, clean_labels(60), names_of(60, "s"), SeriesInfo())
    lines = said(found)
    assert any(each.startswith("warning: 1 series with one value only (s 5)") for each in lines)
    assert any("1 of 12 test series (8.3 %) is in the train split too" in each for each in lines)


class Plain:
    """A map-style dataset of the user's own, without names, labels or anything else."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Any:
        return self.values[index]


@pytest.mark.parametrize("form", ["tuple", "dict"])
def test_data_of_ones_own_is_looked_at_as_far_as_it_can_be(form: str) -> None:
    random = torch.Generator().manual_seed(0)
    rows = torch.randn(30, 3, 4, generator=random)
    samples: list[Any] = [
        (row, 1) if form == "tuple" else {"x": row, "y": torch.tensor(1)} for row in rows
    ]
    splits = Splits(Plain(samples[:20]), None, Plain(samples[20:]), VectorInfo())
    before = torch.get_rng_state()
    assert audit(splits).findings == () and brief(splits) == []
    assert torch.equal(torch.get_rng_state(), before)
    samples[25] = samples[2]
    splits = Splits(Plain(samples[:20]), None, Plain(samples[20:]), VectorInfo())
    (line,) = said(splits)
    assert line.startswith("error: 1 of 10 test samples (10 %) is in the train split too, equal")


def test_vectors_of_ones_own_are_looked_at_column_by_column() -> None:
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 2
    rows = torch.randn(300, 3, generator=random)
    rows[:, 1] = labels + rows[:, 1] / 100
    samples = [(row, int(label)) for row, label in zip(rows, labels, strict=True)]
    splits = Splits(Plain(samples[:200]), None, Plain(samples[200:]), VectorInfo())
    for part in (splits.train, splits.test):
        part.labels = torch.tensor([label for _, label in part.values])
    (line,) = said(splits)
    assert line.startswith("error: 1 column that gives the target away, alone ('input 1' is right")


def test_rows_that_have_a_text_too_are_no_texts() -> None:
    class Rows(Plain):
        def raw(self, index: int) -> Any:
            return self.values[index][0].numpy()

        def sample_text(self, index: int) -> str:
            return str(self.raw(index))

    rows = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    rows[:, 2] = 1
    samples = [(row, 1) for row in rows]
    splits = Splits(Rows(samples[:40]), None, Rows(samples[40:]), VectorInfo())
    assert audit(splits).facts["kind"] == "other"
    assert said(splits)[0].startswith("warning: 1 column with one value only")

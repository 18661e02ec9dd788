"""The average over models: sample by sample, and refused where it would mean nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainer.commands.ensemble import beside
from trainer.ensemble.average import Outcome, Split, evaluate
from trainer.errors import Refused
from trainer.evaluation import Classification
from trainer.protocols import Loaders
from trainer.task import Prediction
from trainer.trained import Trained

CLASSES = ("a", "b", "c")
LABELS = torch.arange(30) % 3
ALIVE: list[str] = []  # models that have been opened and not let go


@dataclass
class Samples:
    """A dataset: which of the thirty samples it has, with or without their names."""

    numbers: list[int]
    names: list[str] | None = None


class Batches:
    """A loader of it, four samples at a time."""

    def __init__(self, dataset: Samples) -> None:
        self.numbers, self.closed = dataset.numbers, False

    def __len__(self) -> int:
        return -(-len(self.numbers) // 4)

    def indices(self, epoch: int, batch: int) -> list[int]:
        return list(range(len(self.numbers)))[4 * batch : 4 * batch + 4]

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in range(len(self)):
            numbers = torch.tensor([self.numbers[i] for i in self.indices(0, batch)])
            yield numbers, LABELS[numbers]

    def close(self) -> None:
        self.closed = True


class Guess(nn.Module):
    """A model with fixed random logits for each of the thirty samples."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.logits = 3 * torch.randn(30, 3, generator=generator)
        self.name = str(seed)
        ALIVE.append(self.name)

    def __del__(self) -> None:
        ALIVE.remove(self.name)

    def forward(self, numbers: Tensor) -> Tensor:
        return self.logits[numbers]


class Runs:
    """Stands in for the folders of runs; notes what was built."""

    def __init__(self, **sections: Mapping[str, Any]) -> None:
        self.sections = sections
        self.built: list[str] = []
        self.most = 0
        self.loaders: list[Batches] = []
        self.changed: dict[str, Any] = {}

    def data(self, section: Mapping[str, Any]) -> list[Samples]:
        """Test is 20..29; of the rest a fold is validation. Without folds it is 0..3."""
        folds, fold = section.get("folds"), section.get("fold", 0)
        held = [n for n in range(20) if n % folds == fold] if folds else [0, 1, 2, 3]
        test = list(range(18, 28) if section.get("other_test") else range(20, 30))
        learnt = [n for n in range(20) if n not in (*held, *test)]
        if section.get("leak"):
            learnt += [25, 26]
        named = section.get("named", True)
        return [Samples(n, [f"s{i}" for i in n] if named else None) for n in (learnt, held, test)]

    def open(self, folder: Path, data: bool) -> Trained:
        name = folder.name
        model = Guess(int(name))
        self.most = max(self.most, len(ALIVE))
        facts = {"classes": CLASSES, "num_classes": 3} | self.changed.get(name, {})
        given: dict[str, Any] = {"splits": None, "loaders": None}
        if data:
            self.built.append(name)
            splits = self.data(self.sections[name])
            loaders = [Batches(dataset) for dataset in splits]
            self.loaders += loaders
            given["loaders"] = Loaders(*cast("list[Any]", loaders))
            info = SimpleNamespace(classes=CLASSES, num_classes=3)
            train, validation, test = splits
            given["splits"] = SimpleNamespace(
                train=train, validation=validation, test=test, info=info
            )

        def predict(modules: Any, batch: Any) -> Prediction:
            outputs = modules["model"](batch[0])
            return Prediction(outputs, batch[1], torch.tensor(0.0), torch.tensor(1.0))

        found = SimpleNamespace(
            info=SimpleNamespace(**facts),
            task=SimpleNamespace(predict=predict),
            modules={"model": model},
            evaluation=Classification(),
            precision=SimpleNamespace(context=nullcontext()),
            **given,
        )
        return cast(Trained, found)

    def evaluate(self, split: Split) -> Outcome:
        members = [(Path(name), {"data": data}) for name, data in self.sections.items()]
        return evaluate(members, self.open, split)


def softmax(logits: Tensor) -> np.ndarray:
    """In float64, without torch."""
    exponents = np.exp(logits.double().numpy() - logits.double().numpy().max(1, keepdims=True))
    result: np.ndarray = exponents / exponents.sum(1, keepdims=True)
    return result


def by_hand(seeds: Sequence[int], numbers: Sequence[int]) -> np.ndarray:
    """The mean of the members' probabilities for some samples."""
    mean: np.ndarray = np.mean([softmax(Guess(s).logits[list(numbers)]) for s in seeds], axis=0)
    return mean


def test_the_average_is_the_one_made_by_hand() -> None:
    runs = Runs(**{"1": {}, "2": {}, "3": {}})
    found = runs.evaluate("test")
    expected = by_hand([1, 2, 3], range(20, 30))
    np.testing.assert_allclose(found.predictions.probability.numpy(), expected, rtol=0, atol=1e-15)
    assert found.predictions.samples == [f"s{number}" for number in range(20, 30)]
    assert found.predictions.target.tolist() == LABELS[20:].tolist()
    right = expected.argmax(1) == LABELS[20:].numpy()
    assert found.metrics["accuracy"] == right.mean()
    own = [
        (softmax(Guess(s).logits[20:]).argmax(1) == LABELS[20:].numpy()).mean() for s in (1, 2, 3)
    ]
    assert [metrics["accuracy"] for metrics in found.members] == own
    mean, std = found.mean("accuracy")
    assert std is not None and (mean, std) == pytest.approx((np.mean(own), np.std(own, ddof=1)))
    truth = expected[np.arange(10), LABELS[20:].numpy()]
    assert found.metrics["nll"] == pytest.approx(-np.log(truth).mean(), rel=1e-12)
    assert "loss" not in found.metrics
    # The check can fail: without one of them it is another average.
    assert abs(by_hand([1, 2], range(20, 30)) - expected).max() > 0.01


def test_data_is_built_once_and_one_model_is_there_at_a_time() -> None:
    runs = Runs(**{"1": {}, "2": {"augment": {"rotation": 5}}, "3": {}})
    runs.evaluate("test")
    assert runs.built == ["1"]
    assert runs.most == 1
    assert all(loader.closed for loader in runs.loaders)


def test_folds_have_one_test_split_and_their_own_validation() -> None:
    runs = Runs(**{str(fold): {"folds": 4, "fold": fold} for fold in range(4)})
    found = runs.evaluate("test")
    assert runs.built == ["0", "1", "2", "3"]
    expected = by_hand(range(4), range(20, 30))
    np.testing.assert_allclose(found.predictions.probability.numpy(), expected, atol=1e-15)
    assert found.predicted_by == (4, 4)


@pytest.mark.parametrize("named", [True, False])
def test_with_folds_a_validation_sample_is_predicted_by_the_one_that_did_not_learn_it(
    named: bool,
) -> None:
    sections = {str(f): {"folds": 4, "fold": f, "named": named} for f in range(4)}
    found = Runs(**sections).evaluate("validation")
    assert found.predicted_by == (1, 1)
    assert found.counts.num_samples == 20
    order = [number for fold in range(4) for number in range(fold, 20, 4)]
    expected = np.stack([softmax(Guess(n % 4).logits[[n]])[0] for n in order])
    np.testing.assert_allclose(found.predictions.probability.numpy(), expected, atol=1e-15)
    if named:
        assert found.predictions.samples == [f"s{number}" for number in order]


def test_several_members_of_one_fold_are_averaged_on_it() -> None:
    folds = {"1": 0, "2": 1, "3": 0}
    runs = Runs(**{name: {"folds": 4, "fold": fold} for name, fold in folds.items()})
    found = runs.evaluate("validation")
    assert runs.built == ["1", "2"]
    assert found.predicted_by == (1, 2)
    assert beside(found, 3).startswith("each sample by the 1 to 2 of 3 that didn't learn it; alone")
    both = found.predictions.probability[:5].numpy()
    np.testing.assert_allclose(both, by_hand([1, 3], range(0, 20, 4)), atol=1e-15)
    # Those of each member stay in the order of the members.
    own = (softmax(Guess(2).logits[1:20:4]).argmax(1) == LABELS[1:20:4].numpy()).mean()
    assert found.members[1]["accuracy"] == own


def test_samples_that_a_member_has_learnt_are_refused() -> None:
    runs = Runs(**{"1": {}, "2": {"leak": True}})
    with pytest.raises(
        Refused, match=r"2 of the 10 test samples are among the training samples of 2 \(s25, s26\)"
    ):
        runs.evaluate("test")
    assert all(loader.closed for loader in runs.loaders)


@pytest.mark.parametrize("named", [True, False])
def test_other_test_samples_are_refused(named: bool) -> None:
    runs = Runs(**{"1": {"named": named}, "2": {"other_test": True, "named": named}})
    words = "the test splits differ: 1 has 10 samples, 2 10, and 8 are in both"
    if not named:
        words = "different labels for the same samples"
    with pytest.raises(Refused, match=words):
        runs.evaluate("test")


def test_other_classes_and_changed_data_are_refused() -> None:
    runs = Runs(**{"1": {}, "2": {}})
    runs.changed["2"] = {"classes": ("a", "c", "b")}
    with pytest.raises(Refused, match="the data of 2 has changed since it was trained"):
        runs.evaluate("test")
    runs = Runs(**{"1": {}, "2": {"folds": None}})
    runs.changed = {"2": {"fingerprint": "0"}, "1": {}}
    with pytest.raises(Refused, match=r"the data of 2 has changed .* \(its fingerprint\)"):
        runs.evaluate("test")


def test_a_split_that_is_not_there_is_refused() -> None:
    runs = Runs(**{"1": {}})
    original = runs.open

    def without(folder: Path, data: bool) -> Trained:
        found = original(folder, data)
        assert found.loaders is not None
        object.__setattr__(found, "loaders", found.loaders._replace(test=None))
        return found

    with pytest.raises(Refused, match="the data has no test split"):
        evaluate([(Path("1"), {"data": {}})], without, "test")

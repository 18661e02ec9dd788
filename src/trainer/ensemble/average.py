"""The averaged prediction of several trained models, and what it is worth on a split."""

import json
import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from trainer.batches import batches
from trainer.ensemble.same_data import (
    Seen,
    refuse_changed,
    refuse_learnt,
    refuse_other_samples,
    refuse_unlike,
)
from trainer.errors import Refused
from trainer.evaluation import Classification
from trainer.evaluation.class_report import predictions as predictions_table
from trainer.evaluation.counts import Counts
from trainer.facts import problem_of
from trainer.measuring import sample_indices
from trainer.pasting import nearest
from trainer.protocols import Evaluation, Loader, Loaders
from trainer.trained import Trained

Split = Literal["test", "validation"]
# A run folder to a trained model, with its data or without.
Open = Callable[[Path, bool], Trained]


@dataclass(frozen=True)
class Predictions:
    """What was predicted for samples; the rows of all three belong together."""

    samples: list[Hashable]  # the name of each, or where there are none its index
    target: Tensor  # int64 [N]
    probability: Tensor  # float64 [N, C], on the CPU


@dataclass(frozen=True)
class Outcome:
    """What came of an ensemble on a split."""

    split: Split
    classes: Sequence[str]
    members: Sequence[Mapping[str, float]]  # the metrics of each, in order
    predictions: Predictions  # of the average
    predicted_by: tuple[int, int]  # how many members predicted a sample: least, most
    counts: Counts  # of the average
    metrics: Mapping[str, float]  # likewise; `nll` is the mean negative log-likelihood

    def mean(self, name: str) -> tuple[float, float | None]:
        """Mean of a metric over the members, and its standard deviation (n - 1) where n > 1."""
        values = [metrics[name] for metrics in self.members]
        mean = math.fsum(values) / len(values)
        squares = math.fsum((value - mean) ** 2 for value in values)
        return mean, math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else None


@dataclass
class Average:
    """Adds up what members predict, sample by sample; they need not know the same samples."""

    rows: dict[Hashable, int] = field(default_factory=dict)
    total: Tensor | None = None  # float64 [N, C]
    target: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    members: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))

    def add(self, found: Predictions) -> None:
        """Take in one member; raises Refused where it has another label for a known sample."""
        new = [place for place, sample in enumerate(found.samples) if sample not in self.rows]
        if new:
            self.rows |= {found.samples[n]: len(self.rows) + k for k, n in enumerate(new)}
            empty = torch.zeros_like(found.probability[new])
            self.total = empty if self.total is None else torch.cat([self.total, empty])
            self.target = torch.cat([self.target, found.target[new]])
            self.members = torch.cat([self.members, torch.zeros(len(new), dtype=torch.int64)])
        assert self.total is not None
        rows = torch.tensor([self.rows[sample] for sample in found.samples])
        if not torch.equal(self.target[rows], found.target):
            raise Refused("the members have different labels for the same samples; mend the data")
        self.total.index_add_(0, rows, found.probability)
        self.members.index_add_(0, rows, torch.ones_like(rows))

    def result(self) -> Predictions:
        """The mean of each sample over the members that predicted it."""
        assert self.total is not None
        return Predictions(list(self.rows), self.target, self.total / self.members[:, None])


@dataclass(frozen=True)
class Data:
    """A split as a group of members sees it."""

    splits: Any
    loaders: Loaders
    loader: Loader  # of the split
    dataset: Any  # likewise
    samples: list[Hashable]  # what to call each, in the order of evaluation


def data_of(trained: Trained, config: Mapping[str, Any], split: Split) -> Data:
    """A split of the data that a model was opened with; raises Refused where there is none."""
    assert trained.splits is not None and trained.loaders is not None
    loader = getattr(trained.loaders, split)
    if loader is None:
        close(trained.loaders)
        raise Refused(f"the data has no {split} split; choose the other one with --split")
    dataset = getattr(trained.splits, split)
    names, indices = names_of(dataset), sample_indices(loader)
    samples: list[Hashable]
    if names is not None:
        samples = [names[index] for index in indices]
    else:
        # The first validation sample of one fold is another than that of the next.
        keys = ("folds", "fold") if split == "validation" else ()
        fold = [config["data"].get(key) for key in keys]
        samples = [(*fold, index) for index in indices]
    return Data(trained.splits, trained.loaders, loader, dataset, samples)


def names_of(dataset: Any) -> Sequence[str] | None:
    """The names of a dataset's samples, where each has one of its own."""
    names: Sequence[str] | None = getattr(dataset, "names", None)
    return names if names is not None and len(set(names)) == len(names) else None


def evaluate(
    members: Sequence[tuple[Path, Mapping[str, Any]]], open_run: Open, split: Split
) -> Outcome:
    """Average the predicted probabilities of runs on a split; measure that, and each of them.

    `members` are their folders with the stored configs, whose sections `data` were compared
    (`same_data.refuse_other_data`). One model at a time is in memory, and data is built once for
    all members that see it alike. On the test split all have to see the same samples. A validation
    sample is predicted by the members that have it in their validation split, so that with folds
    none predicts what it was trained on. Raises Refused for what would make the average worthless.
    """
    average, found = Average(), dict[Path, dict[str, float]]()
    first: Seen | None = None
    evaluation: Evaluation = Classification()
    info: Any = None
    for group in alike(members):
        data: Data | None = None
        try:
            for folder, config in group:
                trained = open_run(folder, data is None)
                refuse_other_problem(folder, trained)
                data = data or data_of(trained, config, split)
                seen = Seen(folder, [str(name) for name in trained.info.classes], data.samples)
                if first is None:
                    first, evaluation, info = seen, trained.evaluation, trained.info
                refuse_changed(folder, trained.info, data.splits.info)
                refuse_learnt(seen, names_of(data.splits.train), split)
                refuse_unlike(first, seen, split)
                predictions, counts = predict(trained, data)
                refuse_other_samples(folder, split, table(counts, seen.classes, data))
                average.add(predictions)
                found[folder] = values(counts, predictions)
                del trained  # before the next one is built
        finally:
            if data is not None:
                close(data.loaders)
    assert first is not None
    result = average.result()
    averaged = evaluation.start(info, "cpu")
    assert isinstance(averaged, Counts)
    averaged.update(result.probability.log(), result.target, 0.0, 0.0)
    return Outcome(
        split=split,
        classes=first.classes,
        members=[found[folder] for folder, _ in members],
        predictions=result,
        predicted_by=(int(average.members.min()), int(average.members.max())),
        counts=averaged,
        metrics=values(averaged, result),
    )


def refuse_other_problem(folder: Path, trained: Trained) -> None:
    """Raise Refused for what is no classifier: probabilities are what is averaged."""
    if (problem := problem_of(trained.info)) != "classification":
        raise Refused(
            f"{nearest(folder)} was trained for {problem}, and an ensemble averages the "
            "probabilities of classifiers; leave it out"
        )


def alike(
    members: Sequence[tuple[Path, Mapping[str, Any]]],
) -> Iterator[list[tuple[Path, Mapping[str, Any]]]]:
    """The members in groups that see their validation and test samples alike."""
    groups: dict[str, list[tuple[Path, Mapping[str, Any]]]] = {}
    for folder, config in members:
        # Training alone is changed by these, and nothing but speed by the size of batches.
        data = {k: v for k, v in config["data"].items() if k not in ("augment", "transform")}
        loader = {k: v for k, v in config.get("loader", {}).items() if k != "batch_size"}
        groups.setdefault(json.dumps([data, loader], sort_keys=True), []).append((folder, config))
    yield from groups.values()


def close(loaders: Loaders) -> None:
    """End what loaders have started."""
    for loader in loaders:
        if loader is not None:
            loader.close()


def predict(trained: Trained, data: Data) -> tuple[Predictions, Counts]:
    """What one model says of a split: softmax in float64 of outputs in float32, on the CPU."""
    counts = trained.evaluation.start(trained.info, "cpu", keep=True)
    assert isinstance(counts, Counts)
    probabilities, targets = [], []
    with torch.no_grad():
        for batch in batches(data.loader):
            with trained.precision.context:
                prediction = trained.task.predict(trained.modules, batch)
            outputs, target = prediction.outputs.float().cpu(), prediction.target.cpu()
            counts.update(outputs, target, 0.0, 0.0)
            probabilities.append(outputs.double().softmax(1))
            targets.append(target)
    found = Predictions(data.samples, torch.cat(targets), torch.cat(probabilities))
    return found, counts


def table(counts: Counts, classes: Sequence[str], data: Data) -> bytes:
    """The predictions as training has written them."""
    indices = list(sample_indices(data.loader))
    names = getattr(data.dataset, "names", None)
    return predictions_table(counts.kept(), classes, indices, names)


def values(counts: Counts, found: Predictions) -> dict[str, float]:
    """The metrics; in the place of the loss, which is the members' own, the log-likelihood."""
    metrics = {name: value for name, value in counts.values().items() if name != "loss"}
    likelihood = found.probability.gather(1, found.target[:, None]).log()
    return metrics | {"nll": float(-likelihood.mean())}

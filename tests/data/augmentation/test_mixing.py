"""MixUp and CutMix: the numbers of torchvision v2, at any place of a run the same."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset
from torchvision.transforms import v2

from data.augmentation.mixing import MixedLoader, beta, cut_box
from data.bad_samples import Bad
from data.digits import digits
from data.errors import DataError
from data.loading.loaders import loader


def make(mix: Any, **options: Any) -> Any:
    chosen: dict[str, Any] = {"shuffle": True, "seed": 3, "device": "cpu", "batch_size": 50}
    return loader(digits(augment=None).train, mix=mix, **(chosen | options))


def both(mix: str, epoch: int = 0) -> Iterator[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
    return zip(make(mix).epoch(epoch), make(None).epoch(epoch), strict=True)


def test_mixup_is_torchvisions_for_the_same_share() -> None:
    theirs = v2.MixUp(num_classes=10)
    shares = []
    for (inputs, target), (plain, labels) in both("mixup"):
        assert target.dtype == torch.float32 and target.shape == (len(labels), 10)
        # The share is what the first sample's own class has, where its partner is of another.
        differs = int((labels != labels.roll(1, 0)).nonzero()[0])
        lam = float(target[differs, labels[differs]])
        expected = [
            theirs.transform(each, {"labels": labels, "batch_size": len(labels), "lam": lam})
            for each in (plain, labels)
        ]
        assert torch.allclose(inputs, expected[0], atol=1e-6)
        assert torch.allclose(target, expected[1], atol=1e-6)
        shares.append(lam)
    assert len({round(share, 6) for share in shares}) == len(shares)
    assert 0 <= min(shares) < 0.3 and 0.7 < max(shares) <= 1


def test_cutmix_is_torchvisions_for_the_same_box(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []
    boxes: list[tuple[int, int, int, int]] = []

    def noted(*arguments: Any) -> tuple[int, int, int, int]:
        boxes.append(cut_box(*arguments))
        drawn.append(arguments[0])
        return boxes[-1]

    monkeypatch.setattr("data.augmentation.mixing.cut_box", noted)
    theirs = v2.CutMix(num_classes=10)
    for (inputs, target), (plain, labels) in both("cutmix"):
        top, bottom, left, right = boxes[-1]
        params = {
            "labels": labels,
            "batch_size": len(labels),
            "box": (left, top, right, bottom),
            "lam_adjusted": 1 - (right - left) * (bottom - top) / 64,
        }
        assert torch.equal(inputs, theirs.transform(plain, params))
        assert torch.equal(target, theirs.transform(labels, params))
    assert len(set(boxes)) > 5 and len(set(drawn)) == len(drawn)


def test_boxes_are_torchvisions(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = v2.CutMix(num_classes=10)
    images = [torch.zeros(2, 3, 20, 30)]
    for lam, row, column in ((0.3, 4, 25), (0.0, 10, 15), (1.0, 0, 0), (0.75, 19, 29)):
        places = iter((column, row))
        monkeypatch.setattr(theirs, "_dist", torch.distributions.Bernoulli(torch.ones(1)))
        monkeypatch.setattr(theirs._dist, "sample", lambda _, lam=lam: torch.tensor([lam]))
        monkeypatch.setattr(torch, "randint", lambda *_, size, at=places: torch.tensor([next(at)]))
        params = theirs.make_params(images)
        monkeypatch.undo()
        # float32 has rounded theirs.
        lam = float(torch.tensor(lam))
        top, bottom, left, right = cut_box(lam, (column + 0.5) / 30, (row + 0.5) / 20, 20, 30)
        assert params["box"] == (left, top, right, bottom)


def test_by_turns_of_chance_it_is_either() -> None:
    kinds = []
    for (inputs, _), (plain, _) in both("both"):
        blended = ((inputs != plain) & (inputs != plain.roll(1, 0))).any()
        kinds.append("mixup" if blended else "cutmix")
    assert 5 < kinds.count("mixup") < len(kinds) - 5


@pytest.mark.parametrize("way", [{"num_workers": 0}, {"num_workers": 2}])
def test_any_way_of_loading_and_any_place_of_an_epoch_gives_the_same(way: dict[str, Any]) -> None:
    expected = list(make("both").epoch(2))
    other = make("both", **way)
    list(other.epoch(1, start=20))
    for a, b in zip(other.epoch(2, start=9), expected[9:], strict=True):
        assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])
    assert other.indices(2, 9) == make(None).indices(2, 9)
    assert other.kind.endswith(", mixup or cutmix") and other.waited > 0
    other.close()
    assert not torch.equal(next(make("both", seed=4).epoch(2))[1], expected[0][1])


def test_validation_is_not_mixed() -> None:
    inputs, target = next(make("both", shuffle=False).epoch(0))
    assert target.dtype == torch.int64 and torch.equal(inputs[0], digits().train[0][0])


def test_shares_follow_the_beta_distribution() -> None:
    # numpy's own generator is the reference; the middle half of the values, and their spread.
    uniform = np.random.default_rng(0).random((20_000, 2))
    for alpha in (0.2, 1.0, 4.0):
        drawn = np.sort([beta(a, b, alpha) for a, b in uniform.tolist()])
        expected = np.sort(np.random.default_rng(1).beta(alpha, alpha, 20_000))
        # Kolmogorov-Smirnov: the greatest distance between the two shares below a value.
        at = np.concatenate([drawn, expected])
        distance = np.abs(np.searchsorted(drawn, at) - np.searchsorted(expected, at)).max() / 20_000
        assert distance < 0.02
    assert {beta(0.0, 0.0, 1e-4), beta(0.0, 0.5, 1e-4)} == {0.0, 1.0}
    assert math.isclose(beta(0.999999, 0.3, 1e6), 0.5, abs_tol=1e-3)


def test_the_loss_of_mixed_targets_is_the_mixed_loss() -> None:
    inputs, target = next(make("mixup").epoch(0))
    _, labels = next(make(None).epoch(0))
    logits = nn.Linear(64, 10)(inputs.flatten(1))
    each = [
        nn.functional.cross_entropy(logits, y, reduction="none") for y in (labels, labels.roll(1))
    ]
    differs = int((labels != labels.roll(1, 0)).nonzero()[0])
    lam = target[differs, labels[differs]]
    expected = (lam * each[0] + (1 - lam) * each[1]).mean()
    assert torch.allclose(nn.CrossEntropyLoss()(logits, target), expected, atol=1e-6)


class Batches:
    """A loader of given batches."""

    batch_size, num_samples, waited, kind = 2, 4, 0.5, "by hand"
    bad = (Bad(3, "c.png", "cut off"),)

    def __init__(self, *batches: Any) -> None:
        self.batches = batches
        self.closed = False

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        yield from self.batches[start:]

    def indices(self, epoch: int, batch: int) -> list[int]:
        return [epoch, batch]

    def close(self) -> None:
        self.closed = True


def test_what_the_loader_says_is_passed_on() -> None:
    images, labels = torch.rand(2, 1, 4, 4), torch.tensor([0, 1])
    inner = Batches((images, labels), None, (images[:1], labels[:1]))
    mixed = MixedLoader(inner, mix="mixup", alpha=1.0, num_classes=3, seed=0)
    batches = list(mixed.epoch(0))
    assert batches[1] is None and len(mixed) == 3 and list(mixed.bad) == list(inner.bad)
    assert mixed.indices(4, 1) == [4, 1] and mixed.kind == "by hand, mixup"
    # One sample alone is its own partner.
    assert torch.allclose(batches[2][0], images[:1])
    assert torch.equal(batches[2][1], torch.tensor([[1.0, 0.0, 0.0]]))
    mixed.close()
    assert inner.closed


@pytest.mark.parametrize(
    ("batch", "texts"),
    [
        ({"x": torch.rand(2, 1)}, ["batches of (input, target), one tensor each"]),
        ((torch.rand(2, 4), torch.tensor([0, 1])), ["the inputs are [2, 4]; set loader.mix=mixup"]),
        ((torch.ones(2, 4).long(), torch.rand(2)), ["these are torch.int64", "torch.float32 [2]"]),
    ],
)
def test_batches_that_can_not_be_mixed_are_refused(batch: Any, texts: list[str]) -> None:
    mixed = MixedLoader(Batches(batch), mix="cutmix", alpha=1.0, num_classes=3, seed=0)
    with pytest.raises(DataError) as error:
        next(mixed.epoch(0))
    assert len(error.value.problems) == len(texts)
    assert all(text in str(error.value) for text in texts)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mix": "cut"}, r"mix \('cut'\) in loader.mix; choose mixup, cutmix, both or null"),
        ({"mix": "mixup", "mix_alpha": 0}, r"mix_alpha \(0\)"),
        ({"mix": "mixup", "mix_alpha": "1"}, r"mix_alpha \('1'\)"),
        ({"mix": "mixup"}, "neither num_classes nor labels"),
        ({"mix": "mixup", "mix_alpha": math.nan, "timeout": 0}, "2 problems"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], text: str) -> None:
    data = TensorDataset(torch.rand(8, 1, 4, 4), torch.arange(8))
    with pytest.raises(DataError, match=text):
        loader(data, shuffle=True, seed=0, device="cpu", **options)

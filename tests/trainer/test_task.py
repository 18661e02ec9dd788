"""What a batch means: plain modules of three libraries train unmodified through `Supervised`."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from feeds import Feed, same, small_model
from torch import Tensor, nn

from models.losses import FocalLoss, FromModel
from trainer.errors import Refused
from trainer.loop import Trainer
from trainer.precision import Precision
from trainer.task import Supervised

CPU = torch.device("cpu")
SGD = partial(torch.optim.SGD, lr=0.01)


def train(task: Supervised, batch: Any, steps: int = 2) -> list[float]:
    trainer = Trainer(task, {"model": SGD(task.model.parameters())}, Precision("fp32", CPU))
    return [trainer.step([batch])["loss"].item() for _ in range(steps)]


def images(size: int = 32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(4)
    pixels = torch.randn(4, 3, size, size, generator=generator)
    return pixels, torch.randint(5, (4,), generator=generator)


def torchvision_model() -> nn.Module:
    from torchvision.models import resnet18

    model: nn.Module = resnet18(weights=None, num_classes=5)
    return model


def timm_model() -> nn.Module:
    import timm

    model: nn.Module = timm.create_model("test_resnet.r160_in1k", pretrained=False, num_classes=5)
    return model


def transformers_model() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        image_size=32,
        patch_size=8,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    config.num_labels = 5
    model: nn.Module = ViTForImageClassification(config)
    return model


@pytest.mark.parametrize("make", [torchvision_model, timm_model])
def test_classifiers_that_return_logits_train_as_in_a_loop_by_hand(
    make: Callable[[], nn.Module],
) -> None:
    torch.manual_seed(0)
    model = make()
    by_hand = copy.deepcopy(model)
    batch = images()
    losses = train(Supervised(model, nn.CrossEntropyLoss()), batch)
    optimizer, expected = SGD(by_hand.parameters()), []
    for _ in range(2):
        loss = nn.functional.cross_entropy(by_hand(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        expected.append(loss.item())
    assert losses == expected
    assert same(model, by_hand)


def test_a_transformers_classifier_trains_by_named_inputs_and_its_own_loss() -> None:
    torch.manual_seed(0)
    model = transformers_model()
    twin = copy.deepcopy(model)
    own = Supervised(
        model,
        FromModel(),
        inputs={"pixel_values": 0, "labels": 1},
        output="logits",
        weight="samples",
    )
    ours = Supervised(twin, nn.CrossEntropyLoss(), inputs={"pixel_values": 0}, output="logits")
    batch = images()
    assert train(own, batch) == pytest.approx(train(ours, batch), abs=1e-6)
    prediction = own.predict(dict(own.named_children()), batch)
    assert prediction.outputs.shape == (4, 5) and prediction.weight.item() == 4


def test_a_loss_from_a_model_that_got_no_labels_says_how_to_give_them() -> None:
    task = Supervised(
        transformers_model(), FromModel(), inputs={"pixel_values": 0}, output="logits"
    )
    with pytest.raises(ValueError, match=r"task\.inputs="):
        train(task, images())


class Pair(NamedTuple):
    logits: Tensor
    other: Tensor


class TwoInputs(nn.Module):
    def __init__(self, kind: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.linear, self.kind = nn.Linear(12, 4), kind

    def forward(self, left: Tensor, right: Tensor) -> Any:
        return self.kind(self.linear(left + right))


@pytest.mark.parametrize(
    ("inputs", "output", "kind"),
    [
        (["a", "b"], None, lambda logits: logits),
        ({"right": "b", "left": "a"}, "logits", lambda logits: Pair(logits, logits)),
        (["b", "a"], 1, lambda logits: (0, logits)),
        (["a", "b"], "logits", lambda logits: {"logits": logits}),
    ],
)
def test_dict_batches_bind_by_position_or_by_name(inputs: Any, output: Any, kind: Any) -> None:
    feed = Feed([6])
    left, target = feed.batches[0]
    batch = {"a": left, "b": left * 2, "label": target}
    torch.manual_seed(1)
    model = TwoInputs(kind)
    linear = model.linear
    task = Supervised(model, nn.CrossEntropyLoss(), inputs=inputs, target="label", output=output)
    expected = nn.functional.cross_entropy(linear(left * 3), target).item()
    assert train(task, batch, steps=1) == pytest.approx([expected], abs=1e-6)


def test_an_output_without_a_chosen_field_is_refused_with_the_likeliest() -> None:
    feed = Feed([6])
    task = Supervised(nn.Sequential(small_model(), Wrapped()), nn.CrossEntropyLoss())
    with pytest.raises(Refused, match=r"task\.output=logits"):
        task.predict(dict(task.named_children()), feed.batches[0])


class Wrapped(nn.Module):
    def forward(self, logits: Tensor) -> Pair:
        return Pair(logits, logits)


def test_a_loss_may_return_sum_and_weight() -> None:
    feed = Feed([3, 7])
    model, twin = small_model(), small_model()
    losses = []
    for one, sizes in ((model, [10]), (twin, [3, 7])):
        whole = Feed([10])
        whole.batches = [tuple(torch.cat(part) for part in zip(*feed.batches, strict=True))]  # type: ignore[list-item]
        task = Supervised(one, FocalLoss(gamma=2.0))
        trainer = Trainer(
            task,
            {"model": SGD(one.parameters())},
            Precision("fp32", CPU),
            accumulate=len(sizes),
        )
        batches = whole.batches if len(sizes) == 1 else feed.batches
        losses.append(trainer.step(list(batches))["loss"].item())
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    for mine, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-6)


def test_focal_loss_without_discount_is_cross_entropy() -> None:
    inputs, target = Feed([9]).batches[0]
    logits = small_model()(inputs)
    total, weight = FocalLoss(gamma=0.0)(logits, target)
    torch.testing.assert_close(total / weight, nn.functional.cross_entropy(logits, target))
    easy, _ = FocalLoss(gamma=5.0)(logits, target)
    assert easy < total


@pytest.mark.parametrize("kind", [nn.CrossEntropyLoss, nn.MSELoss])
def test_samples_count_by_their_weights(kind: Any) -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    inputs, weights = torch.randn(6, 3), torch.tensor([0.0, 1, 2, 0.5, 0, 3])
    target = torch.tensor([0, 1, 1, 0, 1, 0]) if kind is nn.CrossEntropyLoss else torch.randn(6, 2)
    task = Supervised(model, kind(), sample_weight=2)
    outputs, batch = model(inputs), (inputs, target, weights)
    each = torch.stack([kind()(outputs[i : i + 1], target[i : i + 1]) for i in range(6)])
    total, weight = task.loss(outputs, batch)
    assert torch.allclose(total / weight, (each * weights).sum() / weights.sum())
    assert task.turns()[0].parts is not None
    found = task.predict({"model": model}, batch)
    assert torch.allclose(found.loss / found.weight, total / weight)
    assert "task.sample_weight" not in str(task.unbound(batch)) and task.unbound(batch[:2])
    with pytest.raises(Refused, match=r"task.sample_weight=2 needs a loss of torch.nn"):
        Supervised(model, lambda outputs, target: outputs.sum(), sample_weight=2)

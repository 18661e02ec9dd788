"""An artefact in the place of the model: the task's loss and target, the artefact's outputs."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainer.errors import Refused
from trainer.inference.evaluating import Judged, class_numbers
from trainer.inference.in_order import InOrder, Joined
from trainer.task import Supervised


class Two(nn.Module):
    """A model whose second output is what counts."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        logits: Tensor = self.layer(inputs)
        return inputs, logits


BATCH = {"points": torch.randn(5, 4), "label": torch.tensor([0, 1, 2, 0, 1])}


def task(loss: Any = None) -> Supervised:
    named = {"inputs": ["points"], "target": "label"}
    return Supervised(Two(), loss or nn.CrossEntropyLoss(), output=1, **named)  # type: ignore[arg-type]


def test_an_artefact_that_gives_the_models_outputs_is_judged_as_the_model() -> None:
    own = task()
    modules = dict(own.named_children())
    with torch.no_grad():
        expected = own.predict(modules, BATCH)
        model = modules["model"]

        def same(inputs: Any) -> Any:
            return model(torch.from_numpy(inputs))[1].numpy()

        found = Judged(own, same).predict(modules, BATCH)
        other = Judged(own, lambda x: -same(x)).predict(modules, BATCH)
    for value, known in zip(found, expected, strict=True):
        assert torch.equal(value, known)
    assert not torch.equal(other.loss, expected.loss)
    assert own.output == 1  # the task itself is not touched


def test_inputs_by_name() -> None:
    own = Supervised(
        Two(), nn.CrossEntropyLoss(), inputs={"inputs": "points"}, target="label", output=1
    )

    def artefact(*arrays: Any, **named: Any) -> Any:
        assert not arrays and np.array_equal(named["inputs"], BATCH["points"].numpy())
        return np.eye(3, dtype=np.float32)[[0] * 5]

    outputs = Judged(own, artefact).predict(dict(own.named_children()), BATCH).outputs
    assert outputs.argmax(1).tolist() == [0] * 5


def test_a_loss_of_the_models_own_has_no_weight() -> None:
    def loss(outputs: Any, target: Any) -> Any:
        raise AssertionError("an artefact has no loss")

    loss.whole_output = True  # type: ignore[attr-defined]
    own = task(loss)
    zeros = np.zeros((5, 3), np.float32)
    found = Judged(own, lambda _: zeros).predict(dict(own.named_children()), BATCH)
    assert found.weight == 0 and torch.equal(found.target, BATCH["label"])


def test_a_task_that_does_not_say_its_inputs() -> None:
    with pytest.raises(Refused, match="doesn't say what its model's inputs are"):
        Judged(object(), lambda x: x)


def test_classes_are_matched_by_name() -> None:
    assert class_numbers(["dog", "cat"], ["bird", "cat", "dog"]) == [2, 1]
    with pytest.raises(Refused, match=r"doesn't know 'cow'; it knows bird, cat"):
        class_numbers(["cat", "cow"], ["bird", "cat"])
    samples = [(torch.tensor([float(n)]), n % 2) for n in range(5)]
    trained: Any = SimpleNamespace(
        device=torch.device("cpu"),
        task=SimpleNamespace(),
        loaders=SimpleNamespace(train=SimpleNamespace(batch_size=2)),
    )
    loader = InOrder(Joined([samples[:3], samples[3:]]), trained, [2, 1])
    batches = list(loader.epoch(0))
    assert [batch[1].tolist() for batch in batches] == [[2, 1], [2, 1], [2]]
    assert torch.cat([batch[0] for batch in batches]).flatten().tolist() == [0, 1, 2, 3, 4]
    assert [loader.indices(0, number) for number in range(len(loader))] == [[0, 1], [2, 3], [4]]
    with pytest.raises(Refused, match="label 1 of the data is no class: labels are 0 to 0"):
        list(InOrder(Joined([samples]), trained, [2]).epoch(0))

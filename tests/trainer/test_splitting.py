"""A step that runs out of memory is taken in pieces with the same gradient, or refused."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from feeds import Feed, small_model
from torch import Tensor, nn
from torch.nn import functional

from trainer.errors import Failed
from trainer.loop import Trainer
from trainer.precision import Precision
from trainer.task import Supervised, Turn

CPU = torch.device("cpu")
RAN_OUT = "CUDA out of memory. Tried to allocate 2.00 GiB."


class Backward(torch.autograd.Function):
    """The identity, whose backward runs out of memory for more rows than `room`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, room: int) -> Tensor:
        ctx.room = room
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        if len(gradients[0]) > ctx.room:
            raise torch.OutOfMemoryError(RAN_OUT)
        return gradients[0], None


class Room(nn.Module):
    """A model on a device that has room for so many samples, in the forward or the backward."""

    def __init__(self, model: nn.Module, room: int, where: str = "forward") -> None:
        super().__init__()
        self.model, self.room, self.where = model, room, where
        self.seen: list[int] = []

    def forward(self, inputs: Tensor) -> Tensor:
        self.seen.append(len(inputs))
        if self.where == "forward" and len(inputs) > self.room:
            raise torch.OutOfMemoryError(RAN_OUT)
        outputs: Tensor = self.model(inputs)
        return Backward.apply(outputs, self.room) if self.where == "backward" else outputs


def trainer_of(model: nn.Module, loss: Callable[..., Any] | None = None, **named: Any) -> Trainer:
    task = Supervised(model, loss or nn.CrossEntropyLoss())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Trainer(task, {"model": optimizer}, Precision("fp32", CPU), **{"split": True} | named)


def trained(trainer: Trainer, feed: Any, epochs: int = 2) -> list[float]:
    torch.manual_seed(1)
    return [report["loss"].item() for report in trainer.fit(feed, epochs=epochs)]


def close(one: nn.Module, two: nn.Module) -> bool:
    pairs = zip(one.parameters(), two.parameters(), strict=True)
    return all(torch.allclose(a, b, atol=1e-6, rtol=1e-5) for a, b in pairs)


@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("room", [1, 3, 7])
def test_the_gradient_is_that_of_the_whole_batch(where: str, accumulate: int, room: int) -> None:
    feed, model = Feed([8, 8, 8, 5]), small_model()
    whole, parted = copy.deepcopy(model), Room(model, room, where)
    expected = trained(trainer_of(whole, accumulate=accumulate), feed)
    trainer = trainer_of(parted, accumulate=accumulate)
    assert trained(trainer, feed) == pytest.approx(expected, abs=1e-6)
    assert close(whole, model)
    assert trainer.splitting.pieces == {1: 8, 3: 4, 7: 2}[room]
    # Once it is known, no later step runs into the wall again.
    assert sum(rows > room for rows in parted.seen) == {1: 3, 3: 2, 7: 1}[room]


def test_pieces_that_are_weighed_alike_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the mean of means is not the mean."""
    feed, model = Feed([7]), small_model()
    whole = copy.deepcopy(model)
    trained(trainer_of(whole), feed)
    sums = trainer_of(Room(model, 4))
    (turn, optimizer, parameters) = sums.turns[0]
    assert turn.parts is not None

    def means(outputs: Any, batch: Any) -> tuple[Tensor, Tensor]:
        part, weight = turn.parts(outputs, batch)  # type: ignore[misc]
        return part / weight, torch.ones(())

    wrong = Turn(turn.optimizer, turn.forward, turn.loss, means)
    sums.turns = [(wrong, optimizer, parameters)]
    trained(sums, feed)
    assert not close(whole, model)


def test_what_was_found_is_kept_for_a_run_that_goes_on() -> None:
    first = trainer_of(Room(small_model(), 3))
    trained(first, Feed([8]), epochs=1)
    model = Room(small_model(), 3)
    second = trainer_of(model)
    second.load_state_dict(first.state_dict())
    trained(second, Feed([8]), epochs=2)
    assert max(model.seen) == 2


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (
            [nn.BatchNorm1d(12)],
            r"statistics of BatchNorm \(model\.model\.0\); set loader.batch_siz",
        ),
        (
            [nn.utils.parametrizations.spectral_norm(nn.Linear(12, 12))],
            r"change model\.model\.0\.parametrizations\.weight\.0\._[uv], a buffer that each forw",
        ),
    ],
)
def test_what_a_split_would_change_is_refused(layers: list[nn.Module], said: str) -> None:
    model = Room(nn.Sequential(*layers, nn.Linear(12, 4)), 3)
    model.room = 8
    trainer = trainer_of(model)
    feed = Feed([8, 8])
    steps = trainer.fit(feed, epochs=1)
    next(steps)
    model.room = 3
    with pytest.raises(Failed, match=rf"memory ran out \(CUDA out of memory.*with 8 sam.*{said}"):
        next(steps)
    assert not trainer.whole


def test_batch_norm_that_is_frozen_is_no_obstacle() -> None:
    norm = nn.BatchNorm1d(12)
    model = Room(nn.Sequential(norm, nn.Linear(12, 4)), 3)
    norm.eval()
    trained(trainer_of(model), Feed([8]))


def test_one_sample_that_does_not_fit() -> None:
    with pytest.raises(Failed, match=r"with one sample at a time; try trainer\.precision=bf16"):
        trained(trainer_of(Room(small_model(), 0)), Feed([8]))


def test_a_loss_that_couples_the_samples() -> None:
    def contrastive(outputs: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(outputs @ outputs.T, torch.arange(len(outputs)))

    with pytest.raises(Failed, match=r"memory ran out, and the loss doesn't say what its mean"):
        trained(trainer_of(Room(small_model(), 3), contrastive), Feed([8]))


def test_another_error_and_a_run_that_does_not_split_see_the_error_itself() -> None:
    with pytest.raises(torch.OutOfMemoryError, match=r"2\.00 GiB"):
        trained(trainer_of(Room(small_model(), 3), split=False), Feed([8]))

    class Broken(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            raise RuntimeError("shapes")

    with pytest.raises(RuntimeError, match="shapes"):
        trained(trainer_of(Broken(12, 4)), Feed([8]))


def test_a_batch_that_is_a_dict_and_one_that_cannot_be_cut() -> None:
    class Dicts(Feed):
        def epoch(self, epoch: int, start: int = 0) -> Any:
            return iter({"x": x, "y": y} for x, y in self.batches[start:])

    class Odd(Feed):
        def epoch(self, epoch: int, start: int = 0) -> Any:
            return iter((x, y, "note") for x, y in self.batches[start:])

    model = Room(small_model(), 3)
    task = Supervised(model, nn.CrossEntropyLoss(), inputs=["x"], target="y")
    optimizers: dict[str, torch.optim.Optimizer] = {"model": torch.optim.SGD(model.parameters())}
    trained(Trainer(task, optimizers, Precision("fp32", CPU), split=True), Dicts([8]))
    assert model.seen[:6] == [8, 4, 2, 2, 2, 2]
    with pytest.raises(Failed, match="the batch can't be cut: its parts differ in length"):
        trained(trainer_of(Room(small_model(), 3)), Odd([8]))

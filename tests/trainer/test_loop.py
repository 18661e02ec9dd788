"""The loop is the textbook loop: bitwise, also with accumulation, clipping, AMP and two players."""

import copy
import cProfile
import pstats
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from feeds import Feed, same, small_model
from torch import Tensor, nn
from torch.nn import functional

from trainer.loop import Trainer
from trainer.precision import Precision
from trainer.schedule import Schedule
from trainer.task import Supervised, Turn

CPU = torch.device("cpu")
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    "adamw": partial(torch.optim.AdamW, lr=0.01),
    "rmsprop": partial(torch.optim.RMSprop, lr=0.01),
}


def ours(
    model: nn.Module,
    optimizer: Callable[..., torch.optim.Optimizer],
    *,
    precision: Precision | None = None,
    **options: Any,
) -> Trainer:
    task = Supervised(model, nn.CrossEntropyLoss())
    return Trainer(
        task,
        {"model": optimizer(model.parameters())},
        precision or Precision("fp32", CPU),
        **options,
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("clip", [None, 0.05])
def test_final_weights_equal_the_textbook_loop_bitwise(name: str, clip: float | None) -> None:
    feed = Feed([8, 8, 8, 5])
    model = small_model(dropout=0.2)
    textbook = copy.deepcopy(model)
    trainer = ours(model, OPTIMIZERS[name], precision=Precision("fp32", CPU, clip_norm=clip))

    torch.manual_seed(1)
    losses = [report["loss"].item() for report in trainer.fit(feed, epochs=6)]

    torch.manual_seed(1)
    optimizer = OPTIMIZERS[name](textbook.parameters())
    expected = []
    for _ in range(6):
        for inputs, target in feed.batches:
            loss = functional.cross_entropy(textbook(inputs), target)
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(textbook.parameters(), clip)
            optimizer.step()
            optimizer.zero_grad()
            expected.append(loss.item())
    assert same(model, textbook)
    assert losses == expected
    assert trainer.steps == 24 and trainer.epoch == 6 and trainer.batch == 0


def test_another_seed_of_dropout_would_be_noticed() -> None:
    """Negative control: the comparison above can fail."""
    feed = Feed([8, 8])
    first, second = small_model(dropout=0.2), small_model(dropout=0.2)
    for model, seed in ((first, 1), (second, 2)):
        trainer = ours(model, OPTIMIZERS["sgd"])
        torch.manual_seed(seed)
        list(trainer.fit(feed, epochs=2))
    assert not same(first, second)


@pytest.mark.parametrize("sizes", [[4, 4, 4, 4], [2, 6, 5, 1], [8, 3, 2]])
def test_accumulation_on_ragged_batches_equals_the_sum_form(sizes: list[int]) -> None:
    feed = Feed(sizes)
    model = small_model()
    reference = copy.deepcopy(model)
    trainer = ours(model, OPTIMIZERS["sgd"], accumulate=len(sizes))
    reports = list(trainer.fit(feed, epochs=3))

    optimizer = OPTIMIZERS["sgd"](reference.parameters())
    for report in reports:
        total = torch.zeros(())
        for inputs, target in feed.batches:
            total = total + functional.cross_entropy(reference(inputs), target, reduction="sum")
        loss = total / feed.num_samples
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        torch.testing.assert_close(report["loss"], loss.detach(), rtol=1e-6, atol=1e-6)
    for mine, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-6)
    assert trainer.steps == 3


def test_the_mean_of_means_would_be_noticed() -> None:
    """Negative control: weighing every micro-batch alike gives other weights."""
    feed = Feed([2, 6])
    model = small_model()
    naive = copy.deepcopy(model)
    list(ours(model, OPTIMIZERS["sgd"], accumulate=2).fit(feed, epochs=1))
    optimizer = OPTIMIZERS["sgd"](naive.parameters())
    for inputs, target in feed.batches:
        (functional.cross_entropy(naive(inputs), target) / 2).backward()
    optimizer.step()
    difference = max(
        (a - b).abs().max().item()
        for a, b in zip(model.parameters(), naive.parameters(), strict=True)
    )
    assert difference > 1e-3


def test_the_last_incomplete_group_of_an_epoch_makes_a_step() -> None:
    trainer = ours(small_model(), OPTIMIZERS["sgd"], accumulate=2)
    places = [(trainer.epoch, trainer.batch) for _ in trainer.fit(Feed([4, 4, 4]), epochs=2)]
    assert places == [(0, 2), (1, 0), (1, 2), (2, 0)]


def test_fit_goes_on_in_the_middle_of_an_epoch() -> None:
    feed = Feed([4, 4, 4, 4])
    whole, parts = small_model(), small_model()
    list(ours(whole, OPTIMIZERS["adamw"]).fit(feed, epochs=2))
    first = ours(parts, OPTIMIZERS["adamw"])
    steps = first.fit(feed, epochs=2)
    for _ in range(3):
        next(steps)
    second = ours(parts, OPTIMIZERS["adamw"])
    second.load_state_dict(first.state_dict())
    list(second.fit(feed, epochs=2))
    assert second.steps == 8
    assert same(whole, parts)


def test_bf16_equals_the_textbook_autocast_loop() -> None:
    feed = Feed([8, 8, 5])
    model = small_model()
    textbook = copy.deepcopy(model)
    list(ours(model, OPTIMIZERS["adamw"], precision=Precision("bf16", CPU)).fit(feed, epochs=3))
    optimizer = OPTIMIZERS["adamw"](textbook.parameters())
    for _ in range(3):
        for inputs, target in feed.batches:
            with torch.autocast("cpu", torch.bfloat16):
                loss = functional.cross_entropy(textbook(inputs), target)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    assert same(model, textbook)


class TwoPlayers(nn.Module):
    """A GAN on vectors: two modules, two turns, two optimizers."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator

    @staticmethod
    def judge(verdict: Tensor, real: bool) -> Tensor:
        return functional.binary_cross_entropy_with_logits(
            verdict, torch.full_like(verdict, float(real))
        )

    def turns(self) -> list[Turn]:
        def both(modules: Any, batch: Any) -> tuple[Tensor, Tensor]:
            fake = modules["generator"](torch.randn(len(batch[0]), 3)).detach()
            return modules["discriminator"](batch[0]), modules["discriminator"](fake)

        def fooled(modules: Any, batch: Any) -> Tensor:
            fake: Tensor = modules["generator"](torch.randn(len(batch[0]), 3))
            verdict: Tensor = modules["discriminator"](fake)
            return verdict

        return [
            Turn(
                "discriminator", both, lambda o, _: self.judge(o[0], True) + self.judge(o[1], False)
            ),
            Turn("generator", fooled, lambda o, _: self.judge(o, True), every=2),
        ]

    def predict(self, modules: Any, batch: Any) -> Any:
        raise NotImplementedError


def test_two_players_equal_the_alternation_written_by_hand() -> None:
    feed = Feed([8, 8, 8, 8])
    torch.manual_seed(0)
    generator, discriminator = nn.Linear(3, 12), nn.Linear(12, 1)
    g, d = copy.deepcopy(generator), copy.deepcopy(discriminator)
    task = TwoPlayers(generator, discriminator)
    trainer = Trainer(
        task,
        {
            "generator": torch.optim.Adam(generator.parameters(), lr=0.01),
            "discriminator": torch.optim.Adam(discriminator.parameters(), lr=0.02),
        },
        Precision("fp32", CPU),
    )
    torch.manual_seed(5)
    names = [set(report) for report in trainer.fit(feed, epochs=5)]

    torch.manual_seed(5)
    g_step = torch.optim.Adam(g.parameters(), lr=0.01)
    d_step = torch.optim.Adam(d.parameters(), lr=0.02)
    step = 0
    for _ in range(5):
        for inputs, _ in feed.batches:
            step += 1
            fake = g(torch.randn(8, 3)).detach()
            (TwoPlayers.judge(d(inputs), True) + TwoPlayers.judge(d(fake), False)).backward()
            d_step.step()
            d_step.zero_grad()
            if step % 2 == 0:
                TwoPlayers.judge(d(g(torch.randn(8, 3))), True).backward()
                g_step.step()
                g_step.zero_grad()
                d_step.zero_grad()
    assert same(generator, g) and same(discriminator, d)
    assert names[:2] == [{"loss/discriminator"}, {"loss/discriminator", "loss/generator"}]


def test_the_average_of_the_weights_is_what_it_says() -> None:
    feed = Feed([8, 8])
    model = small_model()
    trainer = ours(model, OPTIMIZERS["sgd"], ema=0.5)
    expected = [p.detach().clone() for p in model.parameters()]
    for updates, _ in enumerate(trainer.fit(feed, epochs=4), 1):
        decay = min(0.5, (1 + updates) / (10 + updates))
        for average, p in zip(expected, model.parameters(), strict=True):
            average.lerp_(p.detach(), 1 - decay)
    assert trainer.ema is not None
    for mine, theirs in zip(trainer.ema.modules["model"].parameters(), expected, strict=True):
        torch.testing.assert_close(mine, theirs)
    assert trainer.ema.modules["model"].state_dict().keys() == model.state_dict().keys()


def test_the_gradient_norm_is_measured_when_asked_and_changes_nothing() -> None:
    feed = Feed([8, 8, 8, 8])
    plain, measured = small_model(), small_model()
    list(ours(plain, OPTIMIZERS["sgd"]).fit(feed, epochs=1))
    trainer = ours(measured, OPTIMIZERS["sgd"], norm_every=2)
    asked = ["grad_norm" in report for report in trainer.fit(feed, epochs=1)]
    assert asked == [False, True, False, True]
    assert same(plain, measured)


def test_a_step_that_fp16_skips_moves_no_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = Schedule(optimizer, partial(torch.optim.lr_scheduler.StepLR, step_size=1))
    precision = Precision("fp32", CPU)
    precision.scaler = torch.amp.GradScaler("cpu")  # the scaler itself works on the cpu, slowly
    task = Supervised(model, nn.CrossEntropyLoss())
    trainer = Trainer(task, {"model": optimizer}, precision, schedules={"model": schedule})
    feed = Feed([8])
    before = copy.deepcopy(model)
    huge = [(feed.batches[0][0] * float("inf"), feed.batches[0][1])]
    trainer.step(huge)
    assert same(model, before) and schedule.count == 0 and optimizer.param_groups[0]["lr"] == 0.1
    trainer.step(feed.batches[:1])
    assert not same(model, before) and schedule.count == 1


def test_channels_last_gives_the_same_result() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 4))
    last = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    batch = (torch.randn(6, 3, 8, 8), torch.randint(4, (6,)))
    for model, layout in ((plain, False), (last, True)):
        ours(model, OPTIMIZERS["sgd"], channels_last=layout).step([batch])
    for one, two in zip(plain.parameters(), last.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def calls(work: Callable[[], object]) -> float:
    """Python and built-in calls a step, over 100 steps after a warm-up."""
    work()  # lazy imports and caches
    profile = cProfile.Profile()
    profile.enable()
    work()
    profile.disable()
    return pstats.Stats(profile).total_calls / 100  # type: ignore[attr-defined,no-any-return]


def test_python_calls_per_step_stay_few() -> None:
    """Counted, so it can stand in a test: 260 is the budget in all, 30 over the bare loop."""
    feed = Feed([32] * 100)
    model, loss = small_model(), nn.CrossEntropyLoss()
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    trainer = ours(model, OPTIMIZERS["sgd"])

    def bare() -> None:
        for inputs, target in feed.batches:
            loss(model(inputs), target).backward()
            optimizer.step()
            optimizer.zero_grad()

    own = calls(lambda: list(trainer.fit(feed, epochs=trainer.epoch + 1)))
    assert own <= 260
    assert own - calls(bare) <= 30


class Spoilt(Feed):
    """A feed whose batch number 2 holds a NaN."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.batches[2][0][1, 3] = float("nan")


@pytest.mark.parametrize("kind", ["plain", "sparse", "complex"])
def test_nothing_moves_on_a_loss_or_gradient_that_is_not_finite(kind: str) -> None:
    """Checked before the step, also for gradients that the fused check doesn't take."""
    if kind == "sparse":
        model: nn.Module = nn.Embedding(3, 4, sparse=True)
        batch = (torch.tensor([0, 2, 0]), torch.tensor([1, 2, 1]))
        values = next(model.parameters()).data
    elif kind == "complex":

        class Complex(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.weight = nn.Parameter(torch.ones(2, dtype=torch.complex64))

            def forward(self, inputs: Tensor) -> Tensor:
                return torch.view_as_real(self.weight * inputs[:, :2]).flatten(1)

        model, batch = Complex(), Feed([3]).batches[0]
        values = next(model.parameters()).data
    else:
        model, batch = small_model(), Feed([3]).batches[0]
        values = next(model.parameters()).data
    trainer = ours(model, partial(torch.optim.SGD, lr=0.1))
    assert "nonfinite" not in trainer.step([batch]) and trainer.skipped == 0
    before = values.clone()
    values.view(-1)[0] = float("inf")
    spoilt = values.clone()
    report = trainer.step([batch])
    assert report["nonfinite"].item() == 1 and trainer.skipped == 1 and trainer.whole
    assert torch.equal(torch.nan_to_num(values), torch.nan_to_num(spoilt))
    values.copy_(before)
    assert "nonfinite" not in trainer.step([batch]) and trainer.skipped == 0
    assert not torch.equal(values, before)


def test_a_gradient_that_alone_is_not_finite_is_found() -> None:
    """The square root of 0 is 0, its gradient is not finite: the loss says nothing of it."""

    class Root(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            return super().forward(inputs) + (self.weight.sum() * 0).sqrt()

    model = Root(12, 4)
    before = copy.deepcopy(model.state_dict())
    report = ours(model, OPTIMIZERS["sgd"]).step([Feed([4]).batches[0]])
    assert report["loss"].isfinite() and report["nonfinite"].item() == 1
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_step_that_is_skipped_leaves_no_trace() -> None:
    """Weights, averages, statistics and schedule are those of a run without that step."""

    def trainer_of(model: nn.Module) -> Trainer:
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        maker = partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.9)
        task = Supervised(model, nn.CrossEntropyLoss())
        schedules = {"model": Schedule(optimizer, maker)}
        precision = Precision("fp32", CPU, waits=True)
        return Trainer(
            task, {"model": optimizer}, precision, schedules=schedules, ema=0.9, undo=True
        )

    model = nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8), nn.Linear(8, 4))
    without = copy.deepcopy(model)
    first, second = trainer_of(model), trainer_of(without)
    spoilt = Spoilt([6, 6, 6, 6])
    list(first.fit(spoilt, epochs=1))
    for batch in (spoilt.batches[place] for place in (0, 1, 3)):
        second.step([batch])
    assert first.steps == 4 and second.steps == 3
    assert same(model, without)
    assert first.ema is not None and second.ema is not None
    assert same(first.ema.modules["model"], second.ema.modules["model"])
    rates = [t.optimizers["model"].param_groups[0]["lr"] for t in (first, second)]
    assert rates[0] == rates[1] < 0.01
    # The control: without putting them back, the statistics would be lost for good.
    loose = nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8), nn.Linear(8, 4))
    trainer = ours(loose, OPTIMIZERS["sgd"])
    list(trainer.fit(spoilt, epochs=1))
    statistics = loose[1].running_mean
    assert isinstance(statistics, Tensor) and statistics.isnan().any()


def test_on_a_device_that_is_not_waited_for_the_flag_tells_later() -> None:
    precision = Precision("fp32", CPU)
    precision.waits = False  # as on cuda
    trainer = ours(small_model(), OPTIMIZERS["sgd"], precision=precision)
    flags = [report["nonfinite"].item() for report in trainer.fit(Spoilt([4, 4, 4]), epochs=1)]
    assert flags == [0, 0, 1] and trainer.skipped == 0


def test_batches_of_which_nothing_is_left() -> None:
    """They keep their place; a step without any is no step, and the epoch ends all the same."""

    class Holes(Feed):
        def epoch(self, epoch: int, start: int = 0) -> Any:
            return iter([b if n % 2 == 0 else None for n, b in enumerate(self.batches)][start:])

    model, plain = small_model(), small_model()
    feed = Holes([4, 4, 4, 4])
    trainer = ours(model, OPTIMIZERS["sgd"])
    places = [(bool(report), trainer.epoch, trainer.batch) for report in trainer.fit(feed, 1)]
    assert places == [(True, 0, 1), (False, 0, 2), (True, 0, 3), (False, 1, 0)]
    other = ours(plain, OPTIMIZERS["sgd"])
    for batch in feed.batches[::2]:
        other.step([batch])
    assert same(model, plain) and trainer.steps == 2

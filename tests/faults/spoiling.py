"""What a child forgets when it goes on: each of these has to be noticed."""

from typing import Any

import numpy as np
import torch
from watching import watched

from data.splits import Indices
from trainer import seeding, stages


def spoil(name: str) -> None:
    """Note every step, and leave one thing out of a resume."""
    watched()
    globals()[name]()


def nothing() -> None:
    """A resume as it is."""


def random_numbers() -> None:
    """The generators are not put back."""
    vars(stages)["restore_random_state"] = lambda state: None


def _one_generator(name: str) -> None:
    def all_but_one(state: dict[str, Any]) -> None:
        seeding.restore_random_state(state | {name: seeding.random_state()[name]})

    vars(stages)["restore_random_state"] = all_but_one


def torch_numbers() -> None:
    """Torch's generator is not put back; dropout draws from it."""
    _one_generator("torch")


def numpy_numbers() -> None:
    """Numpy's generator is not put back."""
    _one_generator("numpy")


def python_numbers() -> None:
    """Python's generator is not put back."""
    _one_generator("python")


def order_of_samples() -> None:
    """The order of each epoch is shifted by one sample."""
    from data.loading.order import Order

    in_order = Order.epoch

    def shifted(self: Order, epoch: int) -> Indices:
        return np.roll(in_order(self, epoch), 1 if self.shuffle else 0)

    Order.epoch = shifted  # type: ignore[method-assign]


def averaged_weights() -> None:
    """The averages begin anew, with the weights as they were when the run was started."""
    from trainer.storage.restore import Checkpoint

    load = Checkpoint.load_into
    Checkpoint.load_into = lambda self, modules, ema=None: load(self, modules)  # type: ignore[method-assign]


def buffers() -> None:
    """The running statistics of BatchNorm are not loaded."""
    from trainer.storage.restore import Checkpoint

    load = Checkpoint.load_into

    def without(self: Any, modules: Any, ema: Any = None) -> None:
        before = [[b.clone() for b in module.buffers()] for module in modules.values()]
        load(self, modules, ema)
        for module, kept in zip(modules.values(), before, strict=True):
            for buffer, value in zip(module.buffers(), kept, strict=True):
                buffer.copy_(value)

    Checkpoint.load_into = without  # type: ignore[method-assign]


def _training(change: Any) -> None:
    from trainer.storage.restore import Checkpoint

    read = Checkpoint.training

    def changed(self: Checkpoint) -> dict[str, Any]:
        training = read(self)
        change(training)
        return training

    Checkpoint.training = changed  # type: ignore[method-assign]


def one_bit() -> None:
    """One number of the optimizer is the next one that there is."""

    def change(training: dict[str, Any]) -> None:
        moment = training["optimizers"]["model"]["state"][0]["exp_avg_sq"].view(-1)
        place = int(moment.argmax())
        moment[place] = torch.nextafter(moment[place], torch.tensor(torch.inf))

    _training(change)


def schedule() -> None:
    """The schedule is one step behind."""

    def change(training: dict[str, Any]) -> None:
        training["schedules"]["model"]["main"]["last_epoch"] -= 1

    _training(change)


def losses_not_recorded() -> None:
    """The losses since the last record are forgotten."""
    _state("pending", [])


def best_so_far() -> None:
    """The best value is forgotten."""
    _state("best", None)


def patience() -> None:
    """The count of evaluations without improvement begins anew."""
    _state("stale", 0)


def _state(name: str, value: object) -> None:
    from trainer.storage.restore import Checkpoint

    read = Checkpoint.state
    Checkpoint.state = lambda self: read(self) | {name: value}  # type: ignore[method-assign]


def lines_of_metrics() -> None:
    """Lines that will be written anew are not taken out of metrics.jsonl."""
    from trainer.recording import metrics_file

    metrics_file._prepare = lambda path, purge_step: None


def curves() -> None:
    """TensorBoard is not told what is void."""
    from trainer.recording.tensorboard import TensorBoard

    make = TensorBoard.__init__
    TensorBoard.__init__ = lambda self, folder=None, purge_step=None: make(self, folder)  # type: ignore[method-assign]


def sweeping() -> None:
    """What was left half written is left where it is."""
    from trainer.storage import atomic

    atomic.sweep = lambda folder: None

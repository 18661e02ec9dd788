"""Loaders: the same batches whichever way they come, and clear errors when they can't."""

import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import odd_datasets
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

from data.augmentation.batches import RandomAffine
from data.cpus import available_cpus
from data.digits import digits
from data.errors import DataError, SampleError
from data.images import images
from data.loading.loaders import loader
from data.loading.order import Order

CPU = torch.device("cpu")
FULL = RandomAffine(rotate=12, scale=0.1, shift=0.06, shear=8)
WAYS: list[dict[str, Any]] = [
    {"num_workers": 0},
    {"num_workers": 1},
    {"num_workers": 2},
]


def make(dataset: Any, **options: Any) -> Any:
    chosen: dict[str, Any] = {"shuffle": True, "seed": 3, "device": CPU} | options
    return loader(dataset, **chosen)


def all_batches(source: Any, epochs: int = 2, start: int = 0) -> list[Any]:
    return [batch for epoch in range(epochs) for batch in source.epoch(epoch, start)]


def assert_same(ours: list[Any], theirs: list[Any]) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert type(a) is type(b)
        a, b = (tuple(batch.values() if isinstance(batch, dict) else batch) for batch in (a, b))
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def transform() -> Any:
    return v2.Compose([v2.RandomHorizontalFlip(), v2.ColorJitter(brightness=0.5)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for number in range(20):
            pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.jpg")
    return folder


def test_augmented_digits_are_the_same_every_way() -> None:
    train = digits(augment=FULL).train
    resident = make(train)
    assert resident.kind == "resident on cpu"
    expected = all_batches(resident)
    assert len(expected) == 2 * len(resident) == 2 * 20
    for way in WAYS:
        other = make(train, **way)
        assert_same(all_batches(other), expected)
        # The middle of an epoch without its beginning, after leaving one early.
        next(other.epoch(5))
        assert_same(list(other.epoch(1, start=7)), expected[20 + 7 :])
        assert_same(list(resident.epoch(1, start=7)), expected[20 + 7 :])
        other.close()
    for changed in ({"seed": 4}, {"seed": 2**63}):
        assert not torch.equal(next(make(train, **changed).epoch(0))[0], expected[0][0])
    assert not torch.equal(expected[0][0], expected[20][0])


def test_transformed_and_decoded_images_are_the_same_every_way(folder: Path) -> None:
    options: dict[str, Any] = {"size": 10, "augment": FULL, "transform": transform()}
    expected = all_batches(make(images(folder, cache=True, **options).train, batch_size=5))
    on_demand = images(folder, cache=False, **options).train
    for way in WAYS:
        other = make(on_demand, batch_size=5, **way)
        assert_same(all_batches(other), expected)
        other.close()
    plain = all_batches(make(images(folder, size=10, augment=FULL).train, batch_size=5))
    assert not torch.equal(plain[0][0], expected[0][0])


def test_augmentation_changes_with_the_epoch_alone() -> None:
    train = digits(augment=FULL).train
    ordered = make(train, shuffle=False, batch_size=len(train))
    (first, labels), (second, same) = (next(ordered.epoch(epoch)) for epoch in (0, 1))
    assert torch.equal(labels, same) and not torch.equal(first, second)


def test_evaluation_view_is_what_a_plain_dataloader_gives() -> None:
    test = digits().test
    ours = list(make(test, shuffle=False).epoch(0))
    assert_same(ours, [tuple(batch) for batch in DataLoader(test, batch_size=64)])


def test_batches_are_normalised_float_and_int() -> None:
    splits = digits()
    x, y = next(make(splits.train, batch_size=len(splits.train)).epoch(0))
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    assert abs(float(x.mean())) < 1e-5 and abs(float(x.std()) - 1) < 1e-3


@pytest.mark.parametrize("way", [{}, {"num_workers": 0}])
def test_indices_tell_which_samples_came(way: dict[str, Any]) -> None:
    train = digits().train
    source = make(train, batch_size=100, **way)
    for epoch in (0, 3):
        seen = []
        for number, (x, y) in enumerate(source.epoch(epoch)):
            samples = source.indices(epoch, number)
            seen += samples
            assert y.tolist() == train.labels[samples].tolist()
            assert torch.equal(x[0], train[samples[0]][0])
        assert sorted(seen) == list(range(len(train)))


def test_batches_of_a_resident_epoch_may_be_changed_in_place() -> None:
    source = make(digits().test, shuffle=False)
    before = [x.clone() for x, _ in source.epoch(0)]
    for x, _ in source.epoch(0):
        x.zero_()
    assert all(torch.equal(a, b[0]) for a, b in zip(before, source.epoch(0), strict=True))


def test_chunks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    train = digits(augment=FULL).train
    expected = all_batches(make(train))
    monkeypatch.setattr("data.loading.resident.CHUNK_BYTES", 64 * 64 * 4 * 3)
    source = make(train)
    assert_same(all_batches(source), expected)
    assert_same(list(source.epoch(1, start=5)), expected[25:])


def test_too_large_to_be_kept_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    train = digits().train
    expected = all_batches(make(train))
    monkeypatch.setattr("data.loading.loaders.CPU_RESIDENT_BYTES", train.resident_bytes)
    source = make(train)
    assert source.kind == "resident on cpu"
    assert_same(all_batches(source), expected)
    monkeypatch.setattr("data.loading.loaders.CPU_RESIDENT_BYTES", train.resident_bytes - 1)
    assert make(train).kind == "in this process"
    assert make(train, resident=True).kind == "resident on cpu"


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 200), st.integers(1, 50), st.integers(0, 2**63), st.integers(0, 1000), st.data()
)
def test_order_is_a_permutation_each_epoch(
    count: int, size: int, seed: int, epoch: int, data: Any
) -> None:
    drop = data.draw(st.booleans()) and count >= size
    order = Order(count, batch_size=size, shuffle=True, seed=seed, drop_last=drop)
    batches = [order.members(epoch, number) for number in range(order.num_batches)]
    flat = [sample for batch in batches for sample in batch]
    assert len(set(flat)) == len(flat) == order.num_samples
    assert order.num_samples == (count - count % size if drop else count)
    assert flat == order.epoch(epoch).tolist()
    again = Order(count, batch_size=size, shuffle=True, seed=seed)
    again.epoch(epoch + 1)
    assert again.epoch(epoch)[: len(flat)].tolist() == flat


def test_orders_do_not_repeat() -> None:
    orders = {
        tuple(Order(12, batch_size=4, shuffle=True, seed=seed).epoch(epoch).tolist())
        for seed in (0, 1, 2**63 - 1, 2**63)
        for epoch in range(200)
    }
    assert len(orders) == 800


def test_limits_and_lengths() -> None:
    dataset = TensorDataset(torch.arange(10.0), torch.arange(10))
    source = make(dataset, batch_size=4)
    assert (len(source), source.num_samples, source.batch_size) == (3, 10, 4)
    dropped = make(dataset, batch_size=4, drop_last=True)
    assert [len(batch[0]) for batch in dropped.epoch(0)] == [4, 4]
    assert (len(dropped), dropped.num_samples) == (2, 8)
    limited = make(dataset, batch_size=4, limit_batches=1)
    assert (len(limited), limited.num_samples, len(list(limited.epoch(0)))) == (1, 4, 1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 0}, r"batch_size \(0\) in loader\.batch_size; give 1 or more"),
        ({"drop_last": True}, "drop_last with batch_size 64 > 40 samples leaves 0 batches; set"),
        ({"limit_batches": 0}, r"limit_batches \(0\)"),
        ({"num_workers": -1}, r"num_workers \(-1\)"),
        ({"num_workers": "many"}, r"num_workers \(many\)"),
        ({"timeout": 0}, r"timeout \(0\)"),
        ({"batch_size": -1, "timeout": -1, "num_workers": -1}, "3 problems"),
    ],
)
def test_numbers_out_of_range(options: dict[str, Any], text: str) -> None:
    dataset = TensorDataset(torch.zeros(40, 2), torch.zeros(40))
    with pytest.raises(DataError, match=text) as error:
        make(dataset, **options)
    assert error.value.exit_code == 2


def test_empty_iterable_and_not_resident() -> None:
    with pytest.raises(DataError, match=r"empty \(0 samples\)"):
        make(TensorDataset(torch.zeros(0, 2)))
    with pytest.raises(DataError, match="map-style"):
        make(iter([1, 2]))
    with pytest.raises(DataError, match="one by one"):
        make(odd_datasets.Drawn(), resident=True)


@pytest.mark.parametrize("named", [False, True])
def test_a_plain_dataset_draws_the_same_every_way(named: bool) -> None:
    dataset = odd_datasets.Drawn(named=named)
    direct = make(dataset, batch_size=6)
    assert direct.kind == "in this process"
    expected = all_batches(direct)
    assert isinstance(expected[0], dict if named else tuple)
    other = make(dataset, batch_size=6, num_workers=2)
    assert other.kind == "2 workers"
    assert_same(all_batches(other), expected)
    other.close()
    draws = [tuple(row[1:].tolist()) for b in expected for row in (b["input"] if named else b[0])]
    assert len(set(draws)) == len(draws) == 40


def test_reading_leaves_the_global_generators_alone(folder: Path) -> None:
    def states() -> list[Any]:
        legacy: Any = np.random.get_state()
        return [torch.get_rng_state().tolist(), legacy[1].tolist(), random.getstate()]

    before = states()
    train = images(folder, size=10, transform=transform(), cache=True).train
    for source in (
        make(train),
        make(odd_datasets.Drawn()),
        make(odd_datasets.Drawn(), num_workers=1),
    ):
        next(source.epoch(0))
        source.close()
    assert states() == before


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("raise", r"sample 7 of Broken failed \(ZeroDivisionError: seven is unlucky, at .*py:\d+"),
        ("shape", r"samples 4, 5, 6, 7 can't be put in one batch"),
    ],
)
def test_a_failing_sample_is_one_line(how: str, text: str, num_workers: int) -> None:
    source = make(odd_datasets.Broken(how), shuffle=False, batch_size=4, num_workers=num_workers)
    batches = source.epoch(0)
    next(batches)
    with pytest.raises(SampleError, match=text) as error:
        next(batches)
    assert "\n" not in str(error.value) and error.value.exit_code == 7
    source.close()


@pytest.mark.parametrize(
    ("how", "timeout", "text"),
    [
        ("kill", 60, r"was killed by SIGKILL \(epoch 0, samples .*num_workers=0"),
        ("exit", 60, r"exited with code 3 .*num_workers=0"),
        ("hang", 4, r"pid \d+\) gave no batch for 4 s .*samples 4, 5, 6, 7\); it is at .*odd_data"),
    ],
)
def test_a_worker_that_is_lost(how: str, timeout: float, text: str) -> None:
    source = make(
        odd_datasets.Broken(how), shuffle=False, batch_size=4, num_workers=1, timeout=timeout
    )
    began = time.monotonic()
    with pytest.raises(SampleError, match=text) as error:
        list(source.epoch(0))
    assert time.monotonic() - began < 30
    assert "\n" not in str(error.value) and error.value.exit_code == 7
    assert not multiprocessing.active_children()
    source.close()


def test_a_worker_that_hangs_while_a_batch_is_taken_from_it() -> None:
    """Its tensors come from a thread of the worker, which doesn't run: no timeout of a queue helps.

    Another is needed, which is watched here.
    """
    source = make(
        odd_datasets.Broken("spin"), shuffle=False, batch_size=2, num_workers=1, timeout=3
    )
    batches = source.epoch(0)
    for _ in range(2):
        next(batches)
    time.sleep(2)
    with pytest.raises(SampleError, match=r"gave no batch for 3 s .*odd_datasets\.py:\d+ in __get"):
        list(batches)
    assert not multiprocessing.active_children()


def test_closing_does_not_wait_for_a_worker_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.loading.workers.CLOSE_SECONDS", 0.5)
    source = make(odd_datasets.Broken("spin"), shuffle=False, batch_size=2, num_workers=1)
    next(source.epoch(0))
    time.sleep(2)
    source.close()
    assert not multiprocessing.active_children()


def test_a_worker_that_is_killed_between_two_epochs() -> None:
    source = make(odd_datasets.Drawn(), batch_size=5, num_workers=2)
    assert len(list(source.epoch(0))) == 4
    worker = multiprocessing.active_children()[0]
    worker.kill()
    worker.join(10)
    with pytest.raises(
        SampleError, match=rf"pid {worker.pid}\) was killed by SIGKILL \(between two"
    ):
        list(source.epoch(1))
    assert len(list(source.epoch(1))) == 4
    source.close()


def test_a_fork_server_that_is_killed() -> None:
    source = make(odd_datasets.Drawn(), batch_size=5, num_workers=1)
    given = source.epoch(0)
    next(given)
    server: Any = multiprocessing.forkserver._forkserver  # type: ignore[attr-defined]
    os.kill(server._forkserver_pid, signal.SIGKILL)
    with pytest.raises(SampleError, match=r"data worker \(pid \d+\) exited with code 255"):
        while True:
            list(given)
            given = source.epoch(1)
    assert len(list(source.epoch(1))) == 4
    source.close()


def test_workers_ignore_signals_and_close_ends_them() -> None:
    source = make(odd_datasets.Broken("terminate"), batch_size=4, num_workers=1)
    assert len(list(source.epoch(0))) == 4
    workers = multiprocessing.active_children()
    assert workers and all(worker.is_alive() for worker in workers)
    source.close()
    assert not any(worker.is_alive() for worker in workers)
    assert len(list(source.epoch(1))) == 4  # a new start is possible
    source.close()


def test_a_dataset_that_cannot_travel_is_told(folder: Path) -> None:
    train = images(folder, size=10, transform=lambda image: image, cache=True).train
    with pytest.raises(SampleError, match=r"can't be sent to workers .*loader\.num_workers=0"):
        next(make(train, num_workers=1).epoch(0))


def test_a_damaged_file_in_a_worker_is_named(folder: Path) -> None:
    train = images(folder, size=10, cache=False).train
    place = train.names.index(next(name for name in train.names if name.startswith("dog")))
    path = folder / train.names[place]
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    try:
        source = make(train, num_workers=1, batch_size=40)
        told = rf"{train.names[place]} \(sample {place}\) can't be decoded"
        with pytest.raises(SampleError, match=told) as error:
            next(source.epoch(0))
        assert "\n" not in str(error.value)
    finally:
        path.write_bytes(content)


def test_waiting_is_measured() -> None:
    source = make(odd_datasets.Drawn(), batch_size=5, num_workers=0)
    list(source.epoch(0))
    assert 0 < source.waited < 5
    before = source.waited
    batches: Iterator[Any] = source.epoch(1)
    assert source.waited == before
    next(batches)
    assert source.waited > before


def test_auto_workers_for_what_is_slow_and_none_for_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_demand = make(images(folder, size=10, cache=False).train)
    assert re.fullmatch(r"in this process \(a batch takes \S+ ms to read\)", on_demand.kind)
    monkeypatch.setattr("data.loading.measuring_workers.WORTH_SECONDS", 0.0)
    monkeypatch.setattr("data.loading.measuring_workers.HANDED_OVER_SECONDS", 0.0)
    on_demand = make(images(folder, size=10, cache=False).train)
    expected = min(8, max(1, available_cpus() - 1))
    assert on_demand.kind.startswith(f"{expected} worker{'s' if expected > 1 else ''} (a batch")
    memory = make(images(folder, size=10, transform=transform(), cache=True).train)
    assert memory.kind == "in this process"


def test_cgroup_quota(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    plain = available_cpus(tmp_path / "none")
    quota.write_text("max 100000\n")
    assert available_cpus(quota) == plain <= (os.cpu_count() or 1)
    quota.write_text("50000 100000\n")
    assert available_cpus(quota) == 1


@pytest.mark.parametrize("way", [{}, {"num_workers": 0}, {"num_workers": 1}])
@pytest.mark.parametrize("augment", [None, FULL, RandomAffine(crop=1, flip=True, fill=0.1)])
def test_all_is_finished_on_another_device(augment: Any, way: dict[str, Any]) -> None:
    # The meta device computes shapes only, but refuses to mix with the CPU as accelerators do.
    train = digits(augment=augment).train
    source = make(train, device="meta", limit_batches=3, **way)
    for x, y in source.epoch(0):
        assert (x.device.type, y.device.type) == ("meta", "meta")
        assert (x.shape, y.shape) == ((64, 1, 8, 8), (64,))
        assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    source.close()


def test_workers_outlive_a_signal_to_the_group_and_not_the_main_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys, time\n"
        "from data.digits import digits\n"
        "from data.loading.loaders import loader\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGTERM, lambda *_: None)\n"
        "    source = loader(digits().train, num_workers=1, shuffle=True, seed=0, device='cpu')\n"
        "    batches = source.epoch(0)\n"
        "    next(batches)\n"
        "    os.killpg(0, signal.SIGTERM)\n"
        "    time.sleep(1)\n"
        "    print(len(list(batches)) + len(list(source.epoch(1))))\n"
        "    sys.stdout.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3] / "src")}
    # It ends only when nobody holds its output open: worker and server are gone, too.
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    assert done.stdout == "39\n" and "Traceback" not in done.stderr
    assert done.returncode == -signal.SIGKILL

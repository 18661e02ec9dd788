"""Many inputs through a model: in order, in batches, with errors beside the others."""

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answering import CLASSES, Numbers, files, logits, predictor
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.answers import ClassAnswer
from trainer.errors import Failed, Refused
from trainer.inference.sources import Item
from trainer.inference.stream import CHUNK, Predictor, rows


def items(paths: list[str]) -> Iterator[Item]:
    return (Item(path, path) for path in paths)


def test_rows_come_in_order_and_say_what_one_at_a_time_says(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    paths = files(tmp_path, *(f"{number}" for number in generator.uniform(-1, 3, 50)))
    one_by_one = [next(rows(items([path]), predictor())) for path in paths]
    reader = Numbers()
    assert list(rows(items(paths), predictor(reader), batch_size=16, threads=3)) == one_by_one
    assert reader.batches == [16, 16, 16, 2]
    assert one_by_one[0].answer["label"] == CLASSES[round(float(Path(paths[0]).read_text()))]


def test_an_input_that_cannot_be_read_is_a_row(tmp_path: Path) -> None:
    paths = files(tmp_path, "1", "broken", "2", "no number", "0")
    found = list(rows(iter([*items(paths), Item("x", error="gone")]), predictor(), batch_size=2))
    assert [row.answer.get("label") for row in found] == ["one", None, "two", None, "zero", None]
    assert found[1].error == f"{paths[1]!r} is broken; mend it"
    # Whatever a reader of the user's own raises: it is named, and the others go through.
    assert found[3].error is not None and "ValueError: could not convert" in found[3].error
    assert found[3].error.startswith(paths[3])
    assert found[5].error == "gone"


def test_nothing_but_errors(tmp_path: Path) -> None:
    paths = files(tmp_path, *(["broken"] * 700))
    reader = Numbers()
    found = list(rows(items(paths), predictor(reader), batch_size=16))
    assert [row.input for row in found] == paths and reader.batches == []


def test_memory_does_not_grow_with_the_number_of_inputs(tmp_path: Path) -> None:
    (path,) = files(tmp_path, "1")
    taken = itertools.count()
    lead = 0
    for number, _ in enumerate(
        rows((Item(f"{next(taken)}", path) for _ in range(3000)), predictor(), batch_size=8)
    ):
        ahead = int(repr(taken)[6:-1]) - number
        lead = max(lead, ahead)
    assert number == 2999 and lead <= 200


def test_reading_and_computing_go_on_at_the_same_time(tmp_path: Path) -> None:
    (path,) = files(tmp_path, "1")
    computing, read_meanwhile = threading.Event(), threading.Event()

    class Watching(Numbers):
        def read(self, source: str | bytes) -> NDArray[Any]:
            if computing.is_set():
                read_meanwhile.set()
            return super().read(source)

    def slow(inputs: NDArray[Any]) -> NDArray[Any]:
        computing.set()
        assert read_meanwhile.wait(5)
        return logits(inputs)

    reader = Watching()
    many = (Item(path, path) for _ in range(40 * CHUNK))
    assert (
        len(list(rows(many, Predictor(reader, ClassAnswer(CLASSES), slow), batch_size=CHUNK)))
        == 320
    )


def test_closing_it_early_ends_the_threads(tmp_path: Path) -> None:
    (path,) = files(tmp_path, "1")
    found = rows((Item(path, path) for _ in itertools.count()), predictor(), threads=2)
    next(found)
    found.close()  # type: ignore[attr-defined]
    until = time.monotonic() + 5
    while any(thread.name.startswith("read") for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_output_that_is_not_finite_is_an_error(bad: float, tmp_path: Path) -> None:
    def outputs(inputs: NDArray[Any]) -> NDArray[Any]:
        found = logits(inputs)
        found[1, 0] = bad
        return found

    paths = files(tmp_path, "1", "2", "0")
    found = list(rows(items(paths), Predictor(Numbers(), ClassAnswer(CLASSES), outputs)))
    assert [row.answer.get("label") for row in found] == ["one", None, "zero"]
    assert found[1].error == f"{paths[1]}: the model's output is not finite"


def test_an_answer_is_brought_to_the_size_of_its_own_input(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Sized(Numbers):
        def size(self, source: str) -> tuple[int, int] | None:
            number = int(Path(source).read_text())
            return (10 * number, number) if number else None

    class Placing(ClassAnswer):
        def placed(self, answer: dict[str, Any], columns: int, rows: int) -> dict[str, Any]:
            return {**answer, "label": f"{answer['label']} in {columns} x {rows}"}

    def outputs(inputs: NDArray[Any]) -> NDArray[Any]:
        found = logits(inputs)
        found[2] = np.nan
        return found

    paths = files(tmp_path, "1", "broken", "0", "1", "2")
    found = list(rows(items(paths), Predictor(Sized(), Placing(CLASSES), outputs)))
    said = [row.answer.get("label") for row in found]
    assert said == ["one in 10 x 1", None, "zero", None, "two in 20 x 2"]
    assert found[3].error == f"{paths[3]}: the model's output is not finite"
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [paths[2]]
    # Either of them without the other changes nothing.
    for reader, answer in ((Sized(), ClassAnswer(CLASSES)), (Numbers(), Placing(CLASSES))):
        found = list(rows(items(paths[4:]), Predictor(reader, answer, logits)))
        assert found[0].answer["label"] == "two"


def test_what_the_model_cannot_take_is_told(tmp_path: Path) -> None:
    paths = files(tmp_path, "1", "2")

    def fails(error: Exception) -> Predictor:
        def outputs(inputs: NDArray[Any]) -> NDArray[Any]:
            raise error

        return Predictor(Numbers(), ClassAnswer(CLASSES), outputs)

    with pytest.raises(Failed, match=r"batch of 2: RuntimeError: mat1 .*; check that the inputs"):
        list(rows(items(paths), fails(RuntimeError("mat1 and mat2"))))
    with pytest.raises(Failed, match=r"give --batch-size less than 2"):
        list(rows(items(paths), fails(MemoryError())))
    with pytest.raises(Refused, match="ours"):
        list(rows(items(paths), fails(Refused("ours"))))
    wrong = Predictor(Numbers(), ClassAnswer(CLASSES[:2]), logits)
    with pytest.raises(Failed, match=r"gives \[2, 3\] for 2 inputs, .* is made of \[2, 2\]"):
        list(rows(items(paths), wrong))


@given(st.integers(1, 5), st.integers(1, 40), st.lists(st.booleans(), max_size=60))
def test_any_mix_comes_back_in_order(threads: int, batch_size: int, good: list[bool]) -> None:
    class Memory(Numbers):
        def read(self, source: str | bytes) -> NDArray[Any]:
            assert source == "good"
            return np.zeros(1)

    mixed = [Item(str(n), "good" if ok else "bad") for n, ok in enumerate(good)]
    found = list(rows(iter(mixed), predictor(Memory()), batch_size=batch_size, threads=threads))
    assert [(row.input, row.error is None) for row in found] == [
        (str(n), ok) for n, ok in enumerate(good)
    ]


def test_a_few_good_ones_do_not_wait_for_ever(tmp_path: Path) -> None:
    (path,) = files(tmp_path, "1")
    endless = (Item(f"{number}", error="gone") for number in itertools.count())
    found = rows(itertools.chain(items([path]), endless), predictor(), batch_size=8)
    assert next(found).answer["label"] == "one" and next(found).error == "gone"


def test_batches_are_computed_at_the_same_time_each_by_a_model_of_its_own(tmp_path: Path) -> None:
    (path,) = files(tmp_path, "1")
    both = threading.Barrier(2, timeout=10)

    class Alone:
        busy = False
        calls = 0

        def __call__(self, inputs: NDArray[Any]) -> NDArray[Any]:
            assert not self.busy
            self.busy = True
            self.calls += 1
            both.wait()  # until the other one computes, too
            self.busy = False
            return logits(inputs)

    models = [Alone(), Alone()]
    together = Predictor(Numbers(), ClassAnswer(CLASSES), models[0], others=models[1:])
    many = (Item(str(number), path) for number in range(64))
    found = list(rows(many, together, batch_size=8))
    assert [row.input for row in found] == [str(number) for number in range(64)]
    assert sum(model.calls for model in models) == 8

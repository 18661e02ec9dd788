"""What goes through the pipe comes out as it was; what is no message ends the talk."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trainer.export.frames import Ended, receive, send

KINDS = st.sampled_from([np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_])
ARRAYS = st.lists(KINDS.flatmap(lambda k: hnp.arrays(k, hnp.array_shapes(min_dims=0, min_side=0))))


@given(ARRAYS, st.dictionaries(st.text(), st.integers()))
def test_messages_come_out_as_they_went_in(
    arrays: list[np.ndarray], content: dict[str, int]
) -> None:
    content.pop("arrays", None)
    pipe = io.BytesIO()
    send(pipe, content, arrays)
    send(pipe, {"do": "next"})
    pipe.seek(0)
    told, found = receive(pipe)
    assert told == content
    for one, other in zip(arrays, found, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        assert one.tobytes() == other.tobytes()
    assert receive(pipe) == ({"do": "next"}, [])


def test_arrays_may_lie_in_memory_as_they_like() -> None:
    pipe = io.BytesIO()
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)[::2]
    send(pipe, {}, [array])
    pipe.seek(0)
    assert np.array_equal(receive(pipe)[1][0], array)


@given(st.binary())
def test_anything_else_is_the_end(data: bytes) -> None:
    with pytest.raises(Ended):
        receive(io.BytesIO(data))


def test_half_a_message_is_the_end() -> None:
    pipe = io.BytesIO()
    send(pipe, {}, [np.ones(100)])
    with pytest.raises(Ended):
        receive(io.BytesIO(pipe.getvalue()[:-1]))

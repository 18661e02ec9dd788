"""Studies without flushes to the disk, which take most of a test's time and change nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine


def _ease(connection: Any, record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(autouse=True)
def unflushed() -> Iterator[None]:
    """For every test of a file that imports it."""
    event.listen(Engine, "connect", _ease)
    yield
    event.remove(Engine, "connect", _ease)

"""One torch thread and fixed seeds for every test: thread counts and seeds change bits."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
# Without a network the Hub's library would try again and again; no test needs one.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from forkserver import ForkServer

# The same examples in every run, however busy the machine: a check must not fail by chance.
settings.register_profile(
    "same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of its own, so that no test signs with the key of whoever runs it."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIVESTEP_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module", autouse=True)
def _blank_figures(request: pytest.FixtureRequest) -> Iterator[None]:
    """Drawing takes half of a short run's time: only what looks at figures draws them."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.parent.name != "evaluation" and request.path.name != "test_end_to_end.py":
            from trainer.evaluation import figures, gallery, style

            drawn = [(figures, "confusion_matrix"), (figures, "per_class_bars")]
            for module, name in [*drawn, (gallery, "mistakes")]:
                patch.setattr(module, name, lambda *_, **__: style.figure(0.1, 0.1, ""))
        yield


@pytest.fixture(autouse=True)
def _one_thread_and_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def server(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator["ForkServer"]:
    """The fork server of the fault suite: commands start in milliseconds."""
    from forkserver import ForkServer

    server = ForkServer(home, tmp_path_factory.mktemp("faults"))
    yield server
    server.close()

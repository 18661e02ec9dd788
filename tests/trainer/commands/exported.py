"""One tiny run on digits with its export, for all tests of a session; nobody may change it."""

from pathlib import Path

import pytest

from trainer.cli import main

QUICK = ["model=mlp", "trainer.epochs=2", "trainer.threads=1", "recorder=silent"]
QUICK += ["evaluation.baselines=false", "evaluation.mistakes=4"]


def exported_run(factory: pytest.TempPathFactory) -> Path:
    """Its folder; trained when it is first asked for."""
    folder = factory.getbasetemp() / "exported_run"
    if not folder.exists():
        assert main(["train", *QUICK, "export=default", f"run.dir={folder}"]) == 0
    return folder

"""Whose config is believed when a run goes on: what a stranger's may name, and what it may not."""

import json
from pathlib import Path
from typing import Any

import pytest

from trainer.cli import main
from trainer.config.trust import refuse_untrusted
from trainer.errors import Refused

HERE = Path("run")


@pytest.mark.parametrize(
    "config",
    [
        {"model": {"_target_": "mynet.Net"}},
        {"evaluation": {"metrics": [{"_target_": "mynet.Net"}]}},
        {"evaluation": {"metrics": [("a", {"_target_": "mynet.Net"})]}},
        {"model": {"_target_": "torch.hub.load"}},
        {"model": {"_target_": "models.cnn"}},
    ],
)
def test_a_name_that_we_do_not_ship_needs_trust(config: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="--trust") as caught:
        refuse_untrusted(config, [], HERE)
    name = str(caught.value).rpartition("--trust ")[2]
    refuse_untrusted(config, [name], HERE)


def test_our_own_names_need_none() -> None:
    refuse_untrusted({"model": {"_target_": "models.cnn.CNN", "width": 8}}, [], HERE)


@pytest.mark.parametrize(
    "config",
    [
        {"model": "${oc.create:{_target_: os.system}}"},
        {"model": {"_target_": "${oc.env:X}"}},
        {"model": {"${oc.env:X}": 1}},
        {"model": [["a ${oc.env:X} b"]]},
    ],
)
def test_an_interpolation_is_refused_whatever_is_trusted(config: dict[str, Any]) -> None:
    """OmegaConf's resolvers make nodes and read the environment."""
    with pytest.raises(Refused, match="interpolation"):
        refuse_untrusted(config, ["os.system", "${oc.env:X}"], HERE)


def test_a_strangers_run_goes_on_only_with_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way: a run with code of one's own, moved to somebody else's machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("strangers_net.py").write_text("from models.mlp import MLP as Net\n")
    quick = ["trainer.epochs=2", "loader.limit_batches=1", "evaluation.baselines=false"]
    quick.append("export=none")
    named = ["model=mlp", "model._target_=strangers_net.Net", "trainer.threads=1"]
    assert main(["train", *named, *quick, "run.dir=run"]) == 0
    status = json.loads(Path("run/status.json").read_text())
    Path("run/status.json").write_text(json.dumps(status | {"state": "preempted"}))
    monkeypatch.setenv("FIVESTEP_HOME", str(tmp_path / "another"))
    capsys.readouterr()
    assert main(["train", "resume=run"]) == 2
    assert "names strangers_net.Net, which would be run" in capsys.readouterr().err
    assert main(["train", "resume=run", "--trust", "strangers_net.Net"]) == 0

"""`fivestep init` writes a config that `train` takes as it is."""

from pathlib import Path

import pytest
import yaml

from trainer.cli import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{k}.5;{k % 3};{'abc'[k % 3]}\n" for k in range(60))
    (tmp_path / "my wines.csv").write_text("Säure g/l;n;sort\n" + rows, encoding="cp1252")
    return tmp_path


def test_what_it_writes_is_composed_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "my wines.csv"]) == 0
    told = capsys.readouterr().out
    assert "written to conf/experiment/my-wines.yaml" in told
    text = Path("conf/experiment/my-wines.yaml").read_text()
    assert text.startswith("# @package _global_\n# my wines.csv: classification")
    assert yaml.safe_load(text)["data"]["target"] == "sort"
    assert all("#" in line for line in text.splitlines() if ": " in line)
    assert main(["show", "--config-dir", "conf", "experiment=my-wines"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["data"]["path"].endswith("/my wines.csv") and shown["trainer"]["epochs"] == 20
    assert shown["model"]["_target_"] == "models.tabular.Tabular"
    assert shown["data"]["validation"] == 0.1


def test_nothing_is_overwritten_and_nothing_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "my wines.csv", "--name", "x"]) == 0
    assert main(["init", "my wines.csv", "--name", "x"]) == 2
    assert "x.yaml exists; choose another --name" in capsys.readouterr().err
    assert main(["init", "nowhere"]) == 2
    assert "nowhere does not exist; give a file or a folder" in capsys.readouterr().err
    Path("odd").mkdir()
    assert main(["init", "odd"]) == 2
    assert "it can't be told what it holds" in capsys.readouterr().err
    assert main(["init", "my wines.csv", "--data", "digits"]) == 2
    assert "--data digits has no look of its own" in capsys.readouterr().err
    Path("file").write_text("")
    assert main(["init", "my wines.csv", "--output", "file"]) == 4
    assert "can't be written" in capsys.readouterr().err

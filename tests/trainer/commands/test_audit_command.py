"""`fivestep audit`: what it prints, writes and exits with."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainer.commands.audit import about_data, main
from trainer.errors import CannotWrite, Refused


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes of pictures; one of them comes twice, with different labels."""
    folder = tmp_path / "my pets"
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(20):
            pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:02}.png")
    content = (folder / "cat" / "03.png").read_bytes()
    (folder / "dog" / "copy of cat.png").write_bytes(content)
    return folder


def test_sound_data_pass_and_nothing_is_left_behind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data=digits", "--strict"]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("digits: 1,25") and "10 classes" in first
    assert second.startswith("nothing found that is wrong, or may be (")
    assert re.search(r"fivestep'? audit data=digits --strict --html audit.html$", third)
    assert not list(tmp_path.iterdir())


def test_findings_are_printed_and_drawn(
    pets: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["data=images", f"data.path={pets}", "data.size=32"]
    file = tmp_path / "pets audit.html"
    assert main([*words, "--html", str(file)]) == 0
    out = capsys.readouterr().out
    assert "\nmy pets: " in out and "model=" not in out
    assert "error    2 images equal to others with another label (4.9 %)\n" in out
    assert "         cat/03.png = dog/copy of cat.png\n" in out
    assert "         -> no model can be right about both; correct the labels\n" in out
    assert max(map(len, out.splitlines()[:-1])) <= 100
    text = file.read_text(encoding="utf-8")
    assert "<title>Audit of my pets</title>" in text and "data:image/png;base64," in text
    assert main([*words, "--strict", "--html", str(file)]) == 2  # its own page is replaced


def test_all_of_it_as_json(pets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data=images", f"data.path={pets}", "data.size=32", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["usable"] and found["facts"]["kind"] == "images"
    assert sum(found["facts"]["samples"].values()) == 41
    assert {"level": "error", "what": "2 images equal to others with another label (4.9 %)"} in [
        {key: each[key] for key in ("level", "what")} for each in found["findings"]
    ]


def test_data_that_cannot_be_built_are_told_as_errors(
    pets: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (pets / "cat" / "broken.png").write_bytes(b"no picture")
    file = tmp_path / "page.html"
    words = ["data=images", f"data.path={pets}", "data.size=32"]
    assert main([*words, "--html", str(file)]) == 2
    out = capsys.readouterr().out
    assert "my pets: the data can't be built\nerror    " in out and "broken.png" in out
    assert "1 error in " in out and "broken.png" in file.read_text(encoding="utf-8")
    assert main(["data=images", f"data.path={tmp_path / 'nowhere'}", "--json"]) == 2
    assert not json.loads(capsys.readouterr().out)["usable"]


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"resume=x is for train"):
        main(["resume=x"])
    with pytest.raises(Refused, match=r"--limit -1: give a number"):
        main(["--limit", "-1"])
    with pytest.raises(Refused, match=r"data.pth|path"):
        main(["data=images", "data.pth=x"])
    with pytest.raises(Refused, match=r"call it \.html"):
        main(["--html", str(tmp_path / "page.txt")])
    with pytest.raises(Refused, match="there is no folder"):
        main(["--html", str(tmp_path / "nowhere" / "page.html")])
    other = tmp_path / "index.html"
    other.write_text("<title>My page</title>")
    with pytest.raises(Refused, match="is no page of an audit"):
        main(["--html", str(other)])
    assert other.read_text() == "<title>My page</title>"


def test_a_page_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(CannotWrite, match="No space left on device"):
        main(["--html", str(tmp_path / "page.html")])


def test_of_what_a_look_has_chosen_the_part_about_the_data_is_told() -> None:
    notes = ["a table", "model=mlp loss=mse", 'model=mlp loss=mse data.target="b data.x"', ""]
    assert [*about_data(notes)] == ["a table", 'data.target="b data.x"']

"""A first look: it is sure where it may be, and never raises."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sound_files import folder, tone, write

from data.audio.look import look_audio, look_speechcommands, look_yesno


def test_class_folders(tmp_path: Path) -> None:
    found = look_audio(folder(tmp_path / "s", 3, rate=44100), {})
    assert (found.kind, found.problem, found.model) == ("audio", "classification", "audio_cnn")
    assert (found.loss, found.evaluation) == ("cross_entropy", "classification")
    assert found.certainty == 1 and not found.data
    assert found.about[0] == "9 files of sound in 3 class folders"
    assert found.about[1].startswith("such as 0.wav: 0.1 s, 44100 Hz, mono")
    folder(tmp_path / "t/train", 1)
    folder(tmp_path / "t/test", 1)
    assert "already split: train, test" in look_audio(tmp_path / "t", {}).about
    folder(tmp_path / "u/Train", 1)
    folder(tmp_path / "u/TEST", 1)
    assert "already split: train, test" in look_audio(tmp_path / "u", {}).about


def test_a_table_of_sound_is_one_also_without_a_plain_target(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", np.zeros(900))
    (tmp_path / "list.csv").write_text("file;speaker;pitch\n" + "a.wav;x;2\n" * 3)
    found = look_audio(tmp_path / "list.csv", {})
    assert found.certainty > 0.8 and found.data == {"file": "file"}
    assert "no target is plain" in found.about


@pytest.mark.parametrize(
    ("values", "options", "problem", "target"),
    [
        ("a b a", {}, "classification", "y"),
        ("1.5 2 3", {}, "regression", "y"),
        ("1 2 3", {"problem": "classification"}, "classification", "y"),
        ("1 0 1", {"target": ["y", "z"]}, "multilabel", ["y", "z"]),
        ("3 0 1", {"target": ["y", "z"]}, "regression", ["y", "z"]),
    ],
)
def test_tables(
    tmp_path: Path, values: str, options: dict[str, Any], problem: str, target: Any
) -> None:
    write(tmp_path / "0.wav", tone())
    rows = "".join(f"{i}.wav,{value},{i % 2}\n" for i, value in enumerate(values.split()))
    (tmp_path / "t.csv").write_text("clip,y,z\n" + rows)
    found = look_audio(tmp_path / "t.csv", options)
    assert (found.problem, found.certainty) == (problem, 0.95)
    assert found.data == {"file": "clip", "target": target, "problem": problem}
    (tmp_path / "0.wav").unlink()
    assert look_audio(tmp_path / "t.csv", options).certainty == 0.6


def test_what_is_no_sound(tmp_path: Path) -> None:
    (tmp_path / "pictures/cat").mkdir(parents=True)
    (tmp_path / "pictures/cat/a.png").touch()
    (tmp_path / "phone/a").mkdir(parents=True)
    (tmp_path / "phone/a/x.m4a").touch()
    (tmp_path / "wines.csv").write_text("quality,acid\n1,2\n")
    (tmp_path / "odd.csv").write_bytes(bytes(range(256)))
    (tmp_path / "odd.parquet").write_bytes(b"none")
    (tmp_path / "lone.wav").touch()
    for name in ("pictures", "wines.csv", "odd.csv", "odd.parquet", "lone.wav", "missing"):
        assert look_audio(tmp_path / name, {}).certainty == 0, name
    assert look_audio(None, {}).certainty == 0
    assert look_audio(tmp_path / "phone", {}).certainty == 0.1
    write(tmp_path / "loose/a.wav", np.zeros(9))
    loose = look_audio(tmp_path / "loose", {})
    assert loose.certainty == 0.4 and "only loose files" in loose.about[0]


def test_known_layouts(tmp_path: Path) -> None:
    write(tmp_path / "y/waves_yesno/0_1_0_1_0_1_0_1.wav", np.zeros(9))
    for place in (tmp_path / "y", tmp_path / "y/waves_yesno"):
        found = look_audio(place, {})
        assert (found.kind, found.problem, found.loss) == ("yesno", "multilabel", "bce")
        assert look_yesno(place, {}) == found
    assert look_yesno(tmp_path, {}).certainty == 0
    inner = tmp_path / "c/SpeechCommands/speech_commands_v0.01"
    inner.mkdir(parents=True)
    (inner / "testing_list.txt").touch()
    assert look_speechcommands(tmp_path / "c", {"version": "v0.01"}).certainty == 1
    assert look_speechcommands(tmp_path / "c", {}).certainty == 0
    assert look_audio(inner, {}).kind == "speechcommands"

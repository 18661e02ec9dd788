"""What predict is given: files, folders, patterns and tables of sound; all of it without torch."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sound_files import folder, tone, write

from data.audio.inputs import expand
from data.audio.reader import AudioReader
from data.errors import DataError
from data.given import Given


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = folder(tmp_path / "my sounds", 2)
    (place / "tone/notes.txt").write_text("a text")
    write(place / ".hidden/a.wav", tone())
    monkeypatch.chdir(tmp_path)
    yield place


def test_files_folders_and_patterns(place: Path) -> None:
    every = [f"my sounds/{k}/{n}.wav" for k in ("chirp", "noise", "tone") for n in (0, 1)]
    assert list(expand("my sounds")) == every
    assert list(expand(str(place))) == [str(place.parent / name) for name in every]
    assert list(expand("my sounds/*/1.wav")) == every[1::2]
    assert list(expand("my sounds/t*")) == every[4:]
    assert list(expand("my sounds/**/0.wav")) == every[::2]
    for wrong, message in (
        ("my sounds/bell", "does not exist"),
        ("my sound", r"did you mean my sounds\?"),
        ("my sounds/*.wav", "matches no sound"),
    ):
        with pytest.raises(DataError, match=message):
            expand(wrong)
    (place / "none").mkdir()
    with pytest.raises(DataError, match="holds no sound"):
        expand("my sounds/none")


def test_a_table_gives_its_files_and_its_columns(place: Path) -> None:
    (place / "new.csv").write_text("id;clip\n7;tone/0.wav\n8;noise/1.wav\n")
    first, second = expand(str(place / "new.csv"))
    assert isinstance(first, Given) and isinstance(second, Given)
    assert first == (
        f"{place}/new.csv:2",
        str(place / "tone/0.wav"),
        {"id": "7", "clip": "tone/0.wav"},
    )
    assert second.columns["id"] == "8"
    (place / "odd.csv").write_text("id;clip\n7;x\n")
    with pytest.raises(DataError, match="no column of"):
        list(expand(str(place / "odd.csv")))


def test_a_reader_is_made_again_from_its_node(place: Path) -> None:
    reader = AudioReader(sample_rate=11025, length=500)
    node = dict(reader.node)
    module, _, name = node.pop("_target_").rpartition(".")
    again = getattr(importlib.import_module(module), name)(**node)
    path = str(place / "tone/0.wav")
    assert np.array_equal(again.read(path), reader.read(Path(path).read_bytes()))
    assert reader.read(path).shape == (500,) and reader.script() is None
    assert reader.batch([reader.read(path)] * 2).shape == (2, 500)
    with pytest.raises(DataError, match=r"(?s)sample_rate \(0\).*length \(0\)"):
        AudioReader(sample_rate=0, length=0)


def test_look_read_measure_and_list_without_torch(place: Path) -> None:
    program = (
        "import sys, warnings; warnings.simplefilter('error')\n"
        "from pathlib import Path\n"
        "from data.audio.look import look_audio\n"
        "from data.audio.reader import AudioReader\n"
        "from data.audio.measure import facts\n"
        "from data.audio.spectrogram import picture\n"
        "path = sys.argv[1]\n"
        "assert look_audio(Path(path), {}).certainty == 6 / 7\n"
        "reader = AudioReader(sample_rate=44100, length=100)\n"
        "waves = [reader.read(each) for each in reader.expand(path)]\n"
        "assert reader.batch(waves).shape == (6, 100)\n"
        "picture(waves[0], 44100), facts(path + '/tone/0.wav')\n"
        "heavy = {'torch', 'torchaudio', 'pandas', 'pyarrow', 'sklearn', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(place)], check=True, timeout=60)

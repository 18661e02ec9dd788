"""Speech Commands and YesNo, on tiny files laid out as torchaudio unpacks the real ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchaudio
from sound_files import tone, write

from data.audio.torchaudio_sets import speechcommands, yesno
from data.errors import DataError

WORDS = ("down", "up")


def speech(root: Path, version: str = "v0.02") -> Path:
    place = root / "SpeechCommands" / f"speech_commands_{version}"
    names = [f"{word}/{s:08x}_nohash_{n}.wav" for word in WORDS for s in range(5) for n in range(2)]
    for number, name in enumerate(names):
        write(place / name, tone(16000, 0.5 + 0.05 * (number % 11)), 16000)
    write(place / "_background_noise_/white_noise.wav", tone(16000, 3.0), 16000)
    write(place / "up/strange.wav", tone(), 16000)
    (place / "validation_list.txt").write_text("".join(f"{n}\n" for n in names if "00003_" in n))
    (place / "testing_list.txt").write_text("".join(f"{n}\n" for n in names if "00004_" in n))
    return place


def test_speechcommands_are_split_as_torchaudio_splits_them(tmp_path: Path) -> None:
    place = speech(tmp_path)
    splits = speechcommands(tmp_path)
    assert splits.info.classes == WORDS and splits.info.input_shape == (16000,)
    for part, subset in (
        (splits.train, "training"),
        (splits.validation, "validation"),
        (splits.test, "testing"),
    ):
        reference = torchaudio.datasets.SPEECHCOMMANDS(str(tmp_path), subset=subset)
        theirs = [reference.get_metadata(i) for i in range(len(reference))]
        paths = sorted(
            Path(each[0]).relative_to(place.relative_to(tmp_path / "SpeechCommands"))
            if not Path(each[0]).is_absolute()
            else Path(each[0])
            for each in theirs
        )
        assert sorted(part.names) == [path.as_posix() for path in paths]
        labels = {
            path: each[2] for path, each in zip(sorted(part.names), sorted(theirs), strict=True)
        }
        assert [WORDS[label] for label in part.labels] == [labels[name] for name in part.names]
    for other in (place, place.parent):
        assert speechcommands(other).train.names == splits.train.names
    mixed = speechcommands(tmp_path, split="stratified", test=0.5)
    assert mixed.info.num_test == 10 and mixed.test.names != splits.test.names


def test_speechcommands_with_a_part_of_the_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = speech(tmp_path, "v0.01")
    for path in (place / "up").glob("00000004*"):
        path.unlink()
    assert speechcommands(tmp_path, version="v0.01").info.num_test == 2
    assert "2 of 4 files in" in caplog.text
    (place / "validation_list.txt").unlink()
    with pytest.raises(DataError, match=r"validation_list\.txt is missing"):
        speechcommands(tmp_path, version="v0.01")
    with pytest.raises(DataError, match=r"version \('v3'\) in data\.version"):
        speechcommands(tmp_path, version="v3")  # type: ignore[arg-type]


def eights(root: Path, count: int = 20) -> None:
    generator = np.random.default_rng(0)
    names: set[str] = set()
    while len(names) < count:
        names.add("_".join(map(str, generator.integers(0, 2, 8))))
    for number, name in enumerate(sorted(names)):
        write(root / f"waves_yesno/{name}.wav", tone(seconds=0.5 + number / 100))


def test_yesno_has_a_label_for_each_position(tmp_path: Path) -> None:
    eights(tmp_path)
    splits = yesno(tmp_path)
    info = splits.info
    assert (info.problem, info.num_outputs, info.num_classes) == ("multilabel", 8, 8)
    assert info.classes[0] == "word 1" and info.answer["_target_"] == "data.answers.LabelsAnswer"
    assert (info.num_train, info.num_validation, info.num_test) == (14, 2, 4)
    reference = torchaudio.datasets.YESNO(str(tmp_path))
    truth = {f"{stem}.wav": [int(c) for c in stem.split("_")] for stem in reference._walker}
    seen: dict[str, list[float]] = {}
    for part in (splits.train, splits.validation, splits.test):
        seen |= {name: part[i][1].tolist() for i, name in enumerate(part.names)}
    assert seen == truth
    write(tmp_path / "waves_yesno/1_2.wav", tone())
    with pytest.raises(DataError, match=r"1_2\.wav is not named by 8 labels"):
        yesno(tmp_path)


@pytest.mark.parametrize(("make", "kind"), [(speechcommands, "SPEECHCOMMANDS"), (yesno, "YESNO")])
def test_what_is_missing_is_told_and_fetched_only_where_asked_for(
    make: Any, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def fetch(root: str, **options: Any) -> None:
        asked.append((root, options))
        print("100 %")
        if len(asked) == 1:
            raise OSError("no network")
        speech(Path(root)) if kind == "SPEECHCOMMANDS" else eights(Path(root))

    monkeypatch.setattr(torchaudio.datasets, kind, fetch)
    with pytest.raises(DataError, match=rf"{kind} is not in .*data\.download=true"):
        make(tmp_path / "d")
    assert not asked and not (tmp_path / "d").exists()
    with pytest.raises(DataError, match=r"could not be downloaded to .* \(no network\)"):
        make(tmp_path / "d", download=True)
    assert make(tmp_path / "d", download=True).info.num_train > 10
    assert len(asked) == 2 and asked[0][1]["download"] is True
    make(tmp_path / "d", download=True)
    assert len(asked) == 2  # it is there

"""What is written is what TensorBoard's own reader reads, as one run."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from narrow import Narrow
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,
)
from tensorboard.backend.event_processing.event_multiplexer import (
    EventMultiplexer,
)
from tensorboard.backend.event_processing.plugin_event_accumulator import (
    EventAccumulator as ShownByTensorBoard,
)

from trainer.protocols import Recorder
from trainer.recording import TensorBoard, tensorboard


def read(folder: Path) -> Any:
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    return reader.Reload()


def points(folder: Path, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(name)]


def shown(folder: Path, name: str) -> list[int]:
    """The steps of a chart, by what TensorBoard itself reads with; it drops less than others."""
    reader = ShownByTensorBoard(str(folder), size_guidance={"tensors": 0}).Reload()
    return [event.step for event in reader.Tensors(name)]


def test_scalars_come_back(tmp_path: Path) -> None:
    recorder = TensorBoard(tmp_path)
    assert isinstance(recorder, Recorder)
    recorder.scalars(0, {"train/loss": 2.5, "train/lr": 0.001})
    recorder.scalars(10, {"epoch": 0, "train/loss": 0.5, "timing/seconds": 3.0})
    recorder.scalars(20, {"train/loss": math.inf})
    assert points(tmp_path, "train/loss") == [(0, 2.5), (10, 0.5), (20, math.inf)]  # not closed yet
    recorder.close()
    recorder.close()
    assert points(tmp_path, "train/lr") == [(0, float(np.float32(0.001)))]
    assert points(tmp_path, "timing/seconds") == [(10, 3.0)]
    assert read(tmp_path).Tags()["scalars"] == ["train/loss", "train/lr", "timing/seconds"]


def test_images_and_texts_come_back(tmp_path: Path) -> None:
    from io import BytesIO

    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    recorder = TensorBoard(tmp_path)
    recorder.image(3, "train/samples", pixels)
    recorder.text(3, "model", "**resnet**\n\nµ")
    with pytest.raises(ValueError, match=r"float64 \[2, 2, 3\].*uint8"):
        recorder.image(3, "wrong", np.zeros((2, 2, 3)))
    recorder.close()
    reader = read(tmp_path)
    (image,) = reader.Images("train/samples")
    assert (image.step, image.width, image.height) == (3, 7, 5)
    assert np.array_equal(np.asarray(Image.open(BytesIO(image.encoded_image_string))), pixels)
    (text,) = reader.Tensors("model")
    assert text.tensor_proto.string_val[0].decode() == "**resnet**\n\nµ"
    assert reader.summary_metadata["model"].plugin_data.plugin_name == "text"


def test_hyperparameters_and_metrics_are_one_run(tmp_path: Path) -> None:
    from tensorboard.plugins.hparams import metadata

    recorder = TensorBoard(tmp_path / "run" / "tensorboard")
    recorder.scalars(40, {"validation/accuracy": 0.91})
    config = {"optimizer.lr": 0.1, "seed": 3, "compile": False, "stop": None, "sizes": [1, 2]}
    recorder.finish(config, {"validation/accuracy": 0.95, "test/accuracy": 0.5})
    recorder.close()
    runs = EventMultiplexer().AddRunsFromDirectory(str(tmp_path)).Reload().Runs()
    assert list(runs) == ["run/tensorboard"]
    folder = tmp_path / "run" / "tensorboard"
    content = read(folder).summary_metadata[metadata.SESSION_START_INFO_TAG].plugin_data.content
    values = metadata.parse_session_start_info_plugin_data(content).hparams
    assert values["optimizer.lr"].number_value == 0.1
    assert values["seed"].number_value == 3
    assert values["compile"].WhichOneof("kind") == "bool_value"
    assert values["stop"].string_value == "none"
    assert values["sizes"].string_value == "[1, 2]"
    assert points(folder, "test/accuracy") == [(41, 0.5)]
    assert points(folder, "validation/accuracy_final") == [(41, float(np.float32(0.95)))]
    assert len(points(folder, "validation/accuracy")) == 1  # the curve is left alone


def test_a_continued_run_has_each_step_once(tmp_path: Path) -> None:
    first = TensorBoard(tmp_path)
    for step in range(15):  # killed after step 14, saved at step 9
        first.scalars(step, {"train/loss": 1.0})
    second = TensorBoard(tmp_path, purge_step=10)
    for step in range(10, 20):
        second.scalars(step, {"train/loss": 2.0})
    assert points(tmp_path, "train/loss") == [(s, 1.0 if s < 10 else 2.0) for s in range(20)]
    assert shown(tmp_path, "train/loss") == [*range(20)]
    assert len(list(tmp_path.iterdir())) == 2
    first.close()
    second.close()


def test_a_run_continued_at_its_very_end_keeps_its_curves(tmp_path: Path) -> None:
    first = TensorBoard(tmp_path)
    for step in range(10):
        first.scalars(step, {"validation/accuracy": 0.5})
    first.close()
    second = TensorBoard(tmp_path, purge_step=10)
    second.finish({"seed": 1}, {"validation/accuracy": 0.5, "test/accuracy": 0.25})
    second.close()
    assert len(points(tmp_path, "validation/accuracy")) == 10
    assert points(tmp_path, "test/accuracy") == [(10, 0.25)]
    third = TensorBoard(tmp_path, purge_step=10)  # killed before the status was written
    third.finish({"seed": 1}, {"validation/accuracy": 0.5, "test/accuracy": 0.25})
    third.close()
    assert points(tmp_path, "test/accuracy") == [(10, 0.25)]
    assert shown(tmp_path, "test/accuracy") == [10]
    assert shown(tmp_path, "validation/accuracy") == [*range(10)]


def test_files_are_ordered_by_name_when_the_clock_goes_back(tmp_path: Path) -> None:
    future = tmp_path / "events.out.tfevents.9999999999.host.1.0"
    future.touch()
    recorder = TensorBoard(tmp_path)
    recorder.close()
    assert sorted(path.name for path in tmp_path.iterdir())[0] == (
        "events.out.tfevents.9999999999.0001"
    )


def test_no_folder_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a folder"):
        TensorBoard()


def test_a_full_disk_warns_once_and_loses_nothing_when_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Narrow(tmp_path / "events.out.tfevents.1.0000", room=150)  # within the fourth record
    monkeypatch.setattr(tensorboard, "FileIO", lambda *_: disk)
    recorder = TensorBoard(tmp_path)
    with pytest.warns(RuntimeWarning, match="No space left on device.*training goes on") as said:
        for step in range(5):
            recorder.scalars(step, {"train/loss": float(step)})
    assert len(said) == 1
    assert points(tmp_path, "train/loss") == [(0, 0.0)]
    disk.room = 10**6
    recorder.scalars(5, {"train/loss": 5.0})
    recorder.close()
    assert points(tmp_path, "train/loss") == [(step, float(step)) for step in range(6)]


def test_what_never_found_room_is_said_at_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorboard, "FileIO", lambda path, _: Narrow(path, room=0, mode="x"))
    with pytest.warns(RuntimeWarning, match="can't be written"):
        recorder = TensorBoard(tmp_path)
    recorder.scalars(0, {"train/loss": 0.0})
    with pytest.warns(RuntimeWarning, match="^3 records of the TensorBoard file.*No space"):
        recorder.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_rights_never_ends_the_training(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.warns(RuntimeWarning, match="can't be written"):
        recorder = TensorBoard(tmp_path / "tensorboard")
    recorder.scalars(0, {"train/loss": 1.0})
    with pytest.warns(RuntimeWarning, match="^3 records of"):
        recorder.close()


def test_a_file_in_the_folders_place_never_ends_the_training(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").touch()
    with pytest.warns(RuntimeWarning, match="can't be written"):
        recorder = TensorBoard(tmp_path / "tensorboard")
    with pytest.warns(RuntimeWarning, match="^2 records of"):
        recorder.close()

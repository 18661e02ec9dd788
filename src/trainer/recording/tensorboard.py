"""TensorBoard: the event file of a run, written directly."""

# CPU time per scalar, measured: torch.utils.tensorboard.SummaryWriter 30 µs (one event each, handed
# to a thread), tensorboard's EventFileWriter 7 µs with six scalars an event, its RecordWriter on a
# file of our own 3 µs, each call written to the file at once, so that a killed process loses none.
# The last also starts no thread, meets a full disk where it happens, and never imports TensorFlow,
# as both others do where that is installed.

from __future__ import annotations

import time
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.recording.lasting import LastingFile
from trainer.recording.picture import png

if TYPE_CHECKING:
    import os

    import numpy as np


class TensorBoard:
    """Writes scalars, pictures, texts and hyperparameters for TensorBoard, all as one run.

    folder: where the event file is made; a continued run adds a second one. Required.
    purge_step: the first step that will be recorded anew; TensorBoard drops what earlier files hold
        from there on.
    Errors: ValueError without a folder. A write that fails (disk full, no rights) never ends the
    training: it is a RuntimeWarning at first and, where records are lost, at `close`; it is tried
    again with every call, and the file stays readable.
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None = None, purge_step: int | None = None
    ) -> None:
        if folder is None:
            raise ValueError("TensorBoard needs a folder; the stage calls recorder(folder=...)")
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = event_pb2, summary_pb2
        self._folder, self._opened = Path(folder), time.time()
        self._file = LastingFile(f"the TensorBoard file in {folder}", "record", self._make)
        self._records = RecordWriter(self._file)
        # A point before what earlier files hold would make TensorBoard drop that.
        self._last_step = max(0, (purge_step or 0) - 1)
        self._put(event_pb2.Event(file_version="brain.Event:2"))
        # TensorBoard takes the first such event for the start of the run, and drops what earlier
        # files hold only for those after it; so a fresh run needs one, too.
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._put(event_pb2.Event(step=purge_step or 0, session_log=start))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Record numbers under their names, NaN and infinity included.

        `epoch` is left out: it is a position, and its staircase would be the first chart of all.
        """
        make = self._summary.Summary.Value
        numbers = [
            make(tag=name, simple_value=value) for name, value in values.items() if name != "epoch"
        ]
        self._last_step = max(self._last_step, step)
        self._add(step, numbers)

    def image(self, step: int, name: str, pixels: np.ndarray) -> None:
        """Record a picture, uint8 [H, W, 3]; ValueError for another shape or type."""
        height, width = pixels.shape[:2]
        picture = self._summary.Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=png(pixels)
        )
        self._add(step, [self._summary.Summary.Value(tag=name, image=picture)])

    def text(self, step: int, name: str, text: str) -> None:
        """Record a text, shown as Markdown."""
        from tensorboard.compat.proto import tensor_pb2, types_pb2
        from tensorboard.plugins.text.metadata import create_summary_metadata

        content = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[text.encode()])
        metadata = create_summary_metadata(display_name=name, description="")
        self._add(step, [self._summary.Summary.Value(tag=name, tensor=content, metadata=metadata)])

    def finish(self, config: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Record the flat config as hyperparameters, and the metrics as they are at the end.

        What has a curve (`train/`, `validation/`) is recorded as `<name>_final`: it may be that of
        the best checkpoint, not of the last step. All stands one step behind the last: a run that
        goes on from there records it anew, and TensorBoard then drops what was recorded before.
        Numbers and truth values of the config keep their type, all else is text.
        """
        from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

        started = plugin_data_pb2.SessionStartInfo(start_time_secs=self._opened)
        for name, value in config.items():
            field = started.hparams[name]
            if isinstance(value, bool):
                field.bool_value = value
            elif isinstance(value, int | float):
                field.number_value = value
            else:
                field.string_value = "none" if value is None else str(value)
        ended = plugin_data_pb2.SessionEndInfo(
            status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time()
        )
        # No experiment summary: TensorBoard takes the columns for all runs of a folder from the
        # first such summary, so settings that only other runs have are lost; without, it
        # collects those of all.
        parts = (
            (metadata.SESSION_START_INFO_TAG, {"session_start_info": started}),
            (metadata.SESSION_END_INFO_TAG, {"session_end_info": ended}),
        )
        summaries = [
            self._summary.Summary.Value(
                tag=tag,
                metadata=metadata.create_summary_metadata(
                    plugin_data_pb2.HParamsPluginData(**part)
                ),
                tensor=metadata.NULL_TENSOR,
            )
            for tag, part in parts
        ]
        behind = self._last_step + 1
        self._add(behind, summaries)
        curves = ("train/", "validation/")
        final = {f"{k}_final" if k.startswith(curves) else k: v for k, v in metrics.items()}
        self.scalars(behind, final)

    def close(self) -> None:
        """Write what is pending and close the file; a second call does nothing."""
        self._file.close()

    def _add(self, step: int, values: list[Any]) -> None:
        self._put(self._event.Event(step=step, summary=self._summary.Summary(value=values)))

    def _put(self, event: Any) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())

    def _make(self) -> FileIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        return FileIO(_next_name(self._folder, self._opened), "x")


def _next_name(folder: Path, now: float) -> Path:
    """TensorBoard reads the files of a run in the order of their names; clocks may go back."""
    names = [path.name for path in folder.glob("events.out.tfevents.*")]
    stamps = [int(name.split(".")[3]) for name in names if name.split(".")[3].isdigit()]
    return folder / f"events.out.tfevents.{max([int(now), *stamps]):010d}.{len(names):04d}"

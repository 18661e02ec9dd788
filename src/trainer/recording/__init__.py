"""Recording: what a run tells while it runs, on the console, in its folder, in TensorBoard.

Importing this costs nothing: torch, tensorboard, rich and numpy are imported where they are used.
"""

from trainer.recording.console import Console
from trainer.recording.metrics_file import MetricsFile, read_metrics
from trainer.recording.quiet import Quiet
from trainer.recording.silent import Several, Silent
from trainer.recording.tensorboard import TensorBoard

__all__ = ["Console", "MetricsFile", "Quiet", "Several", "Silent", "TensorBoard", "read_metrics"]

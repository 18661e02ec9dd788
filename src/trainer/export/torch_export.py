"""torch.export: a .pt2 file that torch loads without the model's source.

Source: https://docs.pytorch.org/docs/stable/export.html
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.export.formats import FILES
from trainer.export.silence import silence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.export.formats import Runner
    from trainer.export.subject import Subject


class TorchExport:
    """Writes `model.pt2`."""

    form = "torch_export"

    def convert(self, subject: Subject, folder: Path) -> dict[str, Any]:
        """Export and save; raises NotPossible with the reason, and CannotWrite."""
        import torch

        from trainer.storage.atomic import writing

        program = subject.program()
        path = folder / FILES[self.form]
        with silence(), writing(path, subject.num_bytes):
            # By way of memory: torch's own writer ends the process when the disk is full.
            torch.export.save(program, packed := BytesIO())
            path.write_bytes(packed.getbuffer())
        return {"versions": {"torch": torch.__version__}}


def load(path: Path, names: Sequence[str], threads: int) -> Runner:
    """Open a .pt2 file."""
    import torch

    with silence():
        module = torch.export.load(path).module()

    def run(inputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
        with torch.inference_mode():
            found: NDArray[Any] = module(*map(torch.from_numpy, inputs)).numpy()
            return found

    return run

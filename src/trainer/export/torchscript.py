"""TorchScript, for programs that still load it. Legacy: PyTorch deprecates it (2.9 and later).

Source: https://docs.pytorch.org/docs/stable/jit.html
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


class TorchScript:
    """Writes `model.ts`: scripted where that is possible, else traced.

    Scripting keeps branches and loops; a trace keeps what one batch went through, and that it holds
    for other batches only the proof can tell.
    """

    form = "torchscript"

    def convert(self, subject: Subject, folder: Path) -> dict[str, Any]:
        """Script or trace, and save; raises NotPossible with the reason, and CannotWrite."""
        import torch

        from trainer.storage.atomic import writing

        path = folder / FILES[self.form]
        # All that is deprecated here says so each time.
        with silence():
            module, method = scripted(subject)
            if module is None:
                module, method = traced(subject), "trace"
            with writing(path, subject.num_bytes):
                # By way of memory: torch's own writer ends the process when the disk is full.
                torch.jit.save(module, packed := BytesIO())
                path.write_bytes(packed.getbuffer())
        return {"method": method, "versions": {"torch": torch.__version__}}


def scripted(subject: Subject) -> tuple[Any, str]:
    """The model compiled from its source, or None where its source can't be."""
    import torch

    # Only the model itself can be scripted: picking an output, or naming inputs, is plain Python.
    if not subject.is_plain:
        return None, ""
    try:
        return torch.jit.script(subject.model), "script"
    except Exception:  # what TorchScript doesn't know of Python ends in any exception
        return None, ""


def traced(subject: Subject) -> Any:
    """What one batch went through."""
    import torch

    from trainer.export.formats import NotPossible
    from trainer.export.reasons import reason

    try:
        with torch.no_grad():
            return torch.jit.trace(subject.wrapper, subject.example)
    except Exception as error:  # as for scripting
        raise NotPossible(reason(error, TorchScript.form)) from error


def load(path: Path, names: Sequence[str], threads: int) -> Runner:
    """Open a TorchScript file, on the CPU."""
    import torch

    with silence():
        module = torch.jit.load(path, map_location="cpu").eval()

    def run(inputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
        with torch.inference_mode():
            found: NDArray[Any] = module(*map(torch.from_numpy, inputs)).numpy()
            return found

    return run

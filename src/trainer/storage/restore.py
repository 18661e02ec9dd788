"""A checkpoint read back: only data is loaded, never code, and only what fits."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from trainer.errors import NoUsableCheckpoint, Refused, UserError
from trainer.storage.atomic import open_regular, read_regular
from trainer.storage.manifest import Manifest
from trainer.storage.snapshot import averaged_file, owners, plain_name, plain_state, weights_file

_STATE_LIMIT = 64_000_000


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files were found to be those that were written.

    `manifest.origin` is "own" or "stranger". A stranger's can be loaded too: no step of loading
    runs code from it.
    """

    path: Path
    step: int
    manifest: Manifest

    def load_into(
        self, modules: Mapping[str, nn.Module], ema: Mapping[str, nn.Module] | None = None
    ) -> None:
        """Load the weights, bit for bit, into modules of the same names, and the averaged ones.

        Nothing is loaded unless everything fits: raises Refused naming the first keys that differ
        in name, shape or dtype, or the file that is missing.
        """
        wanted = [(weights_file(name), module) for name, module in modules.items()]
        for name, module in (ema or {}).items():
            wanted.append((averaged_file(name, len(ema or {})), module))
        pairs = []
        for file, module in wanted:
            path = self._file(file)
            pairs.append((module, _fit(module, _read_weights(path), path)))
        for module, tensors in pairs:
            _put(module, tensors)

    def training(self) -> dict[str, Any]:
        """Return optimizers, schedules and the like, on CPU; raises NoUsableCheckpoint."""
        return _read_training(self._file("training.pt"))

    def state(self) -> dict[str, Any]:
        """Return counters, best metric and the like; raises NoUsableCheckpoint."""
        path = self._file("state.json")
        try:
            state = json.loads(read_regular(path, _STATE_LIMIT))
        except (OSError, ValueError, RecursionError) as error:
            raise NoUsableCheckpoint(f"{path} can't be read: {error}") from error
        if not isinstance(state, dict):
            raise NoUsableCheckpoint(f"{path} holds a {type(state).__name__} instead of a dict")
        return state

    def _file(self, name: str) -> Path:
        if name not in self.manifest.files:
            held = ", ".join(sorted(self.manifest.files))
            raise Refused(
                f"{self.path} has no {name} (it holds {held}): it was saved by another task or"
                " other settings; use those with which it was trained"
            )
        return self.path / name


def _read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by key, on CPU, mapped from the file."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise NoUsableCheckpoint(
            f"{path} can't be read: {error}; use another checkpoint"
        ) from error


def _fit(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the state that goes into `module`; Refused naming the first keys that differ."""
    expected = plain_state(module)
    whole = {k: v for k, v in expected.items() if isinstance(v, Tensor) and not is_lazy(v)}
    # Of weights that the model ties, the file holds one.
    owner = owners(whole)
    stored = {owner[key]: value for key, value in tensors.items() if key in owner}
    state = {key: stored[owner[key]] for key in whole if owner[key] in stored} | dict(tensors)
    problems = []
    for key in sorted(expected.keys() | state.keys()):
        if key not in state:
            problems.append(f"{key} is missing from the file")
        elif key not in expected:
            problems.append(f"{key} is in the file only")
        elif key in whole and _shape(state[key]) != _shape(whole[key]):
            here, there = _shape(state[key]), _shape(whole[key])
            problems.append(f"{key} is {here} in the file, {there} in the model")
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise Refused(
            f"the weights in {path} don't fit the model: {', '.join(problems[:3])}{more};"
            " use the model config with which they were trained"
        )
    return state


def _put(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load a state that `_fit` has let through."""
    names = {plain_name(key): key for key in module.state_dict()}
    module.load_state_dict({names[key]: value for key, value in tensors.items()})


def _shape(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


def _read_training(path: Path) -> dict[str, Any]:
    """Return the training state in `path`, on CPU; NoUsableCheckpoint when it isn't safe to load.

    Only zip members that are stored as they are get loaded: a deflated one of 200 kB can unfold to
    200 MB, which `weights_only=True` doesn't notice.
    """
    try:
        with open_regular(path) as file:
            size = path.stat().st_size
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
            if any(m.compress_type != zipfile.ZIP_STORED for m in members):
                raise NoUsableCheckpoint(f"{path} is compressed, which torch.save never does")
            if sum(m.file_size for m in members) > size:
                raise NoUsableCheckpoint(f"{path} claims to hold more than its {size} bytes")
            file.seek(0)
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except UserError:
        raise
    # Damaged or hostile bytes make the unpickler raise nearly anything; none of it is a user's.
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise NoUsableCheckpoint(f"{path} can't be loaded: {reason}") from error
    if not isinstance(loaded, dict):
        raise NoUsableCheckpoint(f"{path} holds a {type(loaded).__name__} instead of a dict")
    return loaded

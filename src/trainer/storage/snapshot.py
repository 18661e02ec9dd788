"""The state of a run at one moment: taken from the live objects, then written without them.

`take` copies everything to CPU memory, so that what is written can't change under the writer.
Names are those of the modules as they were written: what torch.compile adds to them is left out.
"""

import json
import re
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from trainer.errors import UserError
from trainer.storage.atomic import digest, sync_file
from trainer.storage.buffers import Buffers, Reserve

# What torch.load(weights_only=True) takes without an allow-list, less what nobody needs.
_SCALARS = (bool, int, float, str, type(None))
_MAPPINGS = (dict, OrderedDict, Counter)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# The name under which torch.compile(module) keeps the module, wherever in a model it wraps one.
_WRAPPER = re.compile(r"(?<![^.])_orig_mod\.")


@dataclass(frozen=True)
class Snapshot:
    """A copy of all that a checkpoint holds, in CPU memory.

    `weights` has, by file name, the tensors by key; of tied weights, the first key stands for all.
    """

    weights: Mapping[str, Mapping[str, Tensor]]
    training: Mapping[str, Any]
    state: str

    def num_bytes(self) -> int:
        """Return about how many bytes `write` needs."""
        return _tensor_bytes(self.weights) + _tensor_bytes(self.training) + len(self.state) + 65_536

    def write(self, folder: Path) -> dict[str, dict[str, Any]]:
        """Write all files into `folder`, flushed to the disk; return size and SHA-256 of each."""
        for name, tensors in self.weights.items():
            # No second entry: safetensors would write them in an order that differs each time.
            save_file(dict(tensors), folder / name, metadata={"format": "pt"})
        # A handle, not a path: torch's own file writer loses the reason of a failure.
        with (folder / "training.pt").open("xb") as file:
            torch.save(self.training, file)
        (folder / "state.json").write_text(self.state, encoding="utf-8")
        files = {}
        for name in (*self.weights, "training.pt", "state.json"):
            sync_file(folder / name)
            size, sha256 = digest(folder / name)
            files[name] = {"size": size, "sha256": sha256}
        return files


def take(
    modules: Mapping[str, nn.Module],
    ema: Mapping[str, nn.Module] | None,
    training: Mapping[str, Any],
    state: Mapping[str, Any],
    buffers: Buffers | None = None,
) -> Snapshot:
    """Copy weights, training state and counters; later changes to them don't reach the copy.

    With `buffers` the copy is made in their memory: it holds until they are filled again.
    Raises UserError naming what can't be stored: a key of a module that is no plain tensor, or a
    value in `training` or `state` other than tensors (not in `state`) and plain containers.
    """
    assert modules, "a checkpoint needs a module"
    sources = {weights_file(name): module for name, module in modules.items()}
    for name, module in (ema or {}).items():
        file = averaged_file(name, len(ema or {}))
        assert file not in sources, f"a module and the averaged weights both want {file}"
        sources[file] = module
    with (buffers or Buffers()).filling() as reserve:
        return Snapshot(
            weights={name: _weights(module, name, reserve) for name, module in sources.items()},
            training=_copied(dict(training), "training", reserve),
            # NaN and infinity as Python writes and reads them: a best so far may be infinite.
            state=json.dumps(_json_value(dict(state), "state"), indent=2) + "\n",
        )


def weights_file(name: str) -> str:
    """Return the file of a module's weights."""
    assert _NAME.fullmatch(name), f"{name!r} can't be a file name"
    return f"{name}.safetensors"


def averaged_file(name: str, num_modules: int) -> str:
    """Return the file of a module's averaged weights: `ema.safetensors` when it is the only one."""
    return weights_file("ema" if num_modules == 1 else f"ema.{name}")


def plain_name(key: str) -> str:
    """Return a key of a state without what torch.compile's wrappers add to it."""
    return _WRAPPER.sub("", key)


def plain_state(module: nn.Module) -> dict[str, Any]:
    """Return a module's state, its keys the same whether the module or parts are compiled."""
    return {plain_name(key): value for key, value in module.state_dict().items()}


def owners(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Return, for each key, the first key (sorted) of the very same tensor: itself unless tied."""
    first: dict[object, str] = {}
    found = {}
    for key, value in sorted(tensors.items()):
        memory = value.untyped_storage().data_ptr() if value.numel() else key
        place = (value.device, memory, value.storage_offset())
        found[key] = first.setdefault((*place, value.shape, value.stride(), value.dtype), key)
    return found


def _weights(module: nn.Module, file: str, reserve: Reserve) -> dict[str, Tensor]:
    state = plain_state(module)
    for key, value in state.items():
        if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_meta:
            raise UserError(
                f"{key} of {type(module).__name__} can't be stored in {file}: it is no dense tensor"
                f" with values but {_kind(value)}; register it as a buffer, or leave it out of the"
                " state with persistent=False"
            )
        if nn.parameter.is_lazy(value):
            raise UserError(
                f"{key} of {type(module).__name__} has no shape yet, so it can't be stored in"
                f" {file}; send one batch through the model first"
            )
    kept = [key for key, owner in owners(state).items() if key == owner]
    return {key: reserve(state[key].detach(), True) for key in kept}


def _copied(value: Any, where: str, reserve: Reserve) -> Any:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind in (Tensor, nn.Parameter):
        return reserve(value.detach(), False)
    if kind in (list, tuple):
        items = enumerate(value)
        return kind(_copied(item, f"{where}[{index}]", reserve) for index, item in items)
    if kind in _MAPPINGS:
        for key in value:
            if type(key) not in _SCALARS:
                raise UserError(_cannot_store(f"the key {key!r} in {where}", key))
        # Through a dict: Counter takes a list of pairs for things to count.
        return kind({key: _copied(item, f"{where}.{key}", reserve) for key, item in value.items()})
    raise UserError(_cannot_store(where, value))


def _json_value(value: Any, where: str) -> Any:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is list:
        return [_json_value(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise UserError(_cannot_store(f"the key {key!r} in {where}", key))
        return {key: _json_value(item, f"{where}.{key}") for key, item in value.items()}
    # Not even a tuple: it would come back as a list.
    raise UserError(_cannot_store(where, value))


def _cannot_store(where: str, value: object) -> str:
    return (
        f"{where} can't be stored in a checkpoint that is safe to load: it is {_kind(value)};"
        " use numbers, strings, None, lists and dicts (in `training` tensors and tuples too)"
    )


def _kind(value: object) -> str:
    kind = type(value)
    if isinstance(value, Tensor):
        return f"a {kind.__name__} ({value.layout}, {value.device})"
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _tensor_bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.nbytes
    items = value.values() if isinstance(value, Mapping) else value
    return sum(map(_tensor_bytes, items)) if isinstance(value, Mapping | list | tuple) else 0

"""A trained task without what training needs, and its batches: on the CPU, in fp32."""

import copy
import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainer.export.formats import NotPossible
from trainer.export.reasons import told_by
from trainer.trained import Trained

HALVES = (torch.float16, torch.bfloat16)


def plain_copy(trained: Trained) -> Any:
    """A copy of the task: no device memory is taken for it, and tied weights stay tied.

    torch.compile's wrappers are left out. Raises NotPossible for what can't be copied.
    """
    original: Any = copy.copy(trained.task)
    modules = {name: getattr(part, "_orig_mod", part) for name, part in original._modules.items()}
    original._modules = modules
    # deepcopy takes what is in the memo for a copy that it has made already.
    memo: dict[int, Any] = {}
    for tensor in (*original.parameters(), *original.buffers()):
        if type(tensor) in (Tensor, nn.Parameter):
            memo[id(tensor)] = plain_tensor(tensor)
    try:
        task = copy.deepcopy(original, memo)
    except Exception as error:  # a user's module may hold anything: files, locks, graphs
        raise NotPossible(
            f"the model can't be copied ({told_by(error)}); let it hold "
            "tensors as parameters or buffers, or use export=none"
        ) from error
    return task.to("cpu").eval().requires_grad_(False)


def plain_tensor(tensor: Tensor) -> Tensor:
    """A copy on the CPU, contiguous, fp32 where it is of half precision."""
    plain = tensor.detach().to("cpu", copy=True).contiguous()
    if plain.dtype in HALVES:
        plain = plain.float()
    return nn.Parameter(plain, requires_grad=False) if type(tensor) is nn.Parameter else plain


def on_cpu(batch: Any) -> Any:
    """A batch on the CPU, its half-precision tensors in fp32."""
    if isinstance(batch, Tensor):
        batch = batch.detach().cpu()
        return batch.float() if batch.dtype in HALVES else batch
    if isinstance(batch, Mapping):
        return {key: on_cpu(value) for key, value in batch.items()}
    return tuple(map(on_cpu, batch)) if isinstance(batch, tuple | list) else batch


def num_samples(task: Any, batch: Any) -> int:
    """How many samples a batch holds: as many as targets, else as the first tensor has rows."""
    target = getattr(task, "target", None)
    if target is not None:
        return len(batch[target])
    values = batch.values() if isinstance(batch, Mapping) else batch
    return next(len(value) for value in values if isinstance(value, Tensor))


def resized(batch: Any, number: int, size: int) -> Any:
    """A batch of `size` samples out of one of `number`, which come round again where it is more."""
    if isinstance(batch, Mapping):
        return {key: resized(value, number, size) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        return tuple(resized(value, number, size) for value in batch)
    if isinstance(batch, Tensor) and batch.ndim and len(batch) == number:
        return batch[torch.arange(size) % number]
    return batch


def fingerprint(module: nn.Module) -> str:
    """SHA-256 over the names and numbers of all weights and buffers."""
    found = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        if isinstance(tensor, Tensor):
            found.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
            found.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()

"""A module as torch.export has it, with the sizes that have to vary."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from trainer.export.inputs import BATCH

Shapes = dict[str, dict[int, Any]]
RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")


def capture(module: nn.Module, example: tuple[Any, ...], shapes: Shapes) -> Any:
    """Export a module for inputs whose dimensions vary as `shapes` says: {name: {number: Dim}}.

    Where it allows only a range of a size (a transformer as many tokens as it has positions), that
    range is taken, but for the batch. A recurrent layer keeps its free length. Raises what
    torch.export raises.
    """
    try:
        return torch.export.export(module, example, dynamic_shapes=shapes)
    except Exception as error:
        ranged = with_ranges(str(error), shapes)
        if ranged is not None:
            return torch.export.export(module, example, dynamic_shapes=ranged)
        recurrent = any(isinstance(part, nn.RNNBase) for part in module.modules())
        if recurrent and "specialized it to be a constant" in str(error):
            whole = with_whole_recurrences(module, example, shapes)
            if whole is not None:
                return whole
        raise


def with_ranges(told: str, shapes: Shapes) -> Shapes | None:
    """The shapes with the ranges that an error of torch.export suggests; None for other advice."""
    # Behind an empty line comes advice of another kind.
    advice = told.partition("Suggested fixes:")[2].strip().partition("\n\n")[0]
    fixes = re.findall(r"(?m)^\s*(\w+) = (.+)$", advice)
    if not fixes or any(name == BATCH or not fix.startswith("Dim(") for name, fix in fixes):
        return None
    refined: Any = torch.export.dynamic_shapes.refine_dynamic_shapes_from_suggested_fixes(
        f"Suggested fixes:\n{advice}", shapes
    )
    return dict(refined)


def with_whole_recurrences(module: nn.Module, example: tuple[Any, ...], shapes: Shapes) -> Any:
    """The module with its recurrent layers as single operations; None where that fails, too.

    torch.export unrolls them, which fixes their length. The exporter to ONNX keeps them whole, and
    has an exported program on its way.
    """
    forget_dispatch()
    try:
        translated = torch.onnx.export(
            module, example, dynamo=True, verbose=False, dynamic_shapes=shapes
        )
    except Exception:  # the first error is the one that is told
        return None
    finally:
        forget_dispatch()
    program = translated.exported_program if translated is not None else None
    return program if program is not None and is_free(program, shapes) else None


def forget_dispatch() -> None:
    """Let torch look up anew how recurrent operations are carried out.

    The exporter to ONNX takes their unrolling away for a while, which an earlier export in this
    process keeps it from: torch 2.14 looks into this cache first.
    """
    for name in RECURRENT:
        cache = getattr(getattr(torch.ops.aten, name).input, "_dispatch_cache", None)
        if cache is not None:
            cache.clear()


def is_free(program: Any, shapes: Shapes) -> bool:
    """Whether every size that has to vary is one that may: exporters can fix some quietly."""
    wanted = set(program.graph_signature.user_inputs)
    values = [node.meta["val"] for node in program.graph.nodes if node.name in wanted]
    return len(values) == len(shapes) and all(
        isinstance(value.shape[dim], torch.SymInt)
        for value, dims in zip(values, shapes.values(), strict=True)
        for dim in dims
    )

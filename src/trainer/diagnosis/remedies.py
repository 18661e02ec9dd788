"""What helps against what was found, the likeliest first."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.diagnosis.finding import Finding
from trainer.diagnosis.replaying import Look
from trainer.pasting import nearest, pasteable

LARGE = 1e4  # losses, gradient norms and activations of a healthy step lie well below
GROWTH = 10  # from the smallest to the last of the steps that are shown
# Operations by the last part of their name, in the forward or the backward pass.
BY_OPERATION: Sequence[tuple[Sequence[str], str]] = (
    (
        ("log", "log2", "log10", "log1p", "logit", "xlogy"),
        "the logarithm of 0 is -inf, of a negative number NaN: add a small number inside, as in "
        "torch.log(x + 1e-8), or use a form that never meets 0 (log_softmax, logsigmoid, "
        "binary_cross_entropy_with_logits)",
    ),
    (
        ("sqrt", "rsqrt", "norm", "linalgvectornorm", "std", "var", "cdist"),
        "the root has an infinite slope at 0, and there is none of a negative number: add a small "
        "number inside, as in torch.sqrt(x + 1e-8)",
    ),
    (
        ("pow", "__pow", "__ipow", "__rpow"),
        "a power below 1 has an infinite slope at 0, a large one overflows: clamp what is raised, "
        "as in x.clamp(min=1e-8)",
    ),
    (
        ("div", "true_divide", "__truediv", "__itruediv", "__rtruediv", "__rdiv", "reciprocal"),
        "something is divided by 0, or by nearly 0: add a small number below, as in a / (b + 1e-8)",
    ),
    (
        ("exp", "expm1", "exp2", "cosh", "sinh"),
        "exp overflows above 88 in fp32 and bf16, above 11 in fp16: use logsumexp, log_softmax or "
        "softplus, or clamp what goes in",
    ),
    (
        ("softmax", "log_softmax", "logsoftmax", "scaled_dot_product_attention"),
        "softmax of a row that is -inf throughout is NaN: leave one entry of each row unmasked",
    ),
    (
        ("acos", "asin", "atanh"),
        "acos, asin and atanh end at -1 and 1: clamp what goes in a little inside of these",
    ),
)


def remedies(look: Look, config: Mapping[str, Any], folder: Path) -> list[str]:
    """What to do about the finding of a look; nothing where all was finite."""
    finding = look.finding
    return [] if finding is None else list(suggestions(look, finding, config, folder))


def suggestions(
    look: Look, finding: Finding, config: Mapping[str, Any], folder: Path
) -> Iterator[str]:
    """One after the other."""
    trainer = config["trainer"]
    if finding.kind == "batch":
        told = finding.facts["samples"]
        which = dict.fromkeys(str(s.get("name", s.get("sample", "of the batch"))) for s in told)
        shown = ", ".join(list(which)[:5]) + (", ..." if len(which) > 5 else "")
        yield f"mend or remove the {'sample' if len(which) == 1 else 'samples'} {shown}"
        yield leave_out(folder)
        return
    if finding.kind == "state":
        return  # the step that made it so is looked at, too
    if look.in_fp32:
        yield (
            "in fp32 the same step is finite: use trainer.precision=fp32, or compute this part in "
            "fp32: with torch.autocast(x.device.type, enabled=False): ... x.float()"
        )
    large = explodes(look, finding)
    if large:
        rate = look.rows[-1]["lr"]
        yield f"the numbers explode: try a lower rate than {rate:.3g} (fivestep lr-find finds one)"
        if not trainer.get("clip_norm"):
            yield "bound the gradients: trainer.clip_norm=1"
        if not (config.get("scheduler") or {}).get("warmup"):
            yield "let the rate grow slowly at first: scheduler=cosine scheduler.warmup=0.1"
    name = operation_name(finding.operation)
    yield from (advice for names, advice in BY_OPERATION if name in names)
    if finding.kind == "buffer":
        yield "running statistics take in whatever comes: bound what goes into this module"
    if finding.kind == "update":
        eps = config["optimizer"].get("eps")
        larger = f", or a larger optimizer.eps than {eps:g}" if isinstance(eps, float) else ""
        yield f"use a lower rate than {finding.facts['lr']:.3g}{larger}"
    if trainer.get("precision") == "fp16" and finding.kind == "backward":
        yield (
            "a gradient that overflows in fp16 now and then is no fault: the step is skipped and "
            "the scale lowered; if it goes on, use trainer.precision=bf16"
        )
    # It doesn't apply to a step with finite loss and gradients, and an explosion goes on anyway.
    if finding.kind not in ("buffer", "update") and not large:
        yield leave_out(folder)


def leave_out(folder: Path) -> str:
    """The last resort."""
    command = pasteable("train", f"resume={nearest(folder)}", "trainer.on_nonfinite=skip")
    return f"or leave such steps out: {command}"


def explodes(look: Look, finding: Finding) -> bool:
    """Whether what went wrong was large, and had grown."""
    losses = [[v for n, v in row.items() if n.startswith("loss")] for row in look.rows]
    norms = [[v for n, v in row.items() if n.startswith("grad_norm")] for row in look.rows]
    for series in (losses, norms):
        largest = [max(row) for row in series if row and all(map(math.isfinite, row))]
        if (
            largest
            and largest[-1] >= LARGE
            and (len(largest) == 1 or largest[-1] >= GROWTH * min(largest))
        ):
            return True
    return finding.largest >= LARGE * LARGE


def operation_name(operation: str) -> str:
    """`torch.log`, `torch.Tensor.log_` and `LogBackward0` as `log`."""
    name = operation.rpartition(".")[2].rstrip("_")
    plain, backward, _ = name.partition("Backward")
    return plain.lower() if backward else name

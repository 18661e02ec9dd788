"""Numbers: autocast and gradient scaling for one precision on one device.

Source: https://pytorch.org/docs/stable/amp.html
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from trainer.errors import Refused

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose(precision: str, device: torch.device) -> str:
    """The precision that `auto` means on a device; others are checked against it.

    bf16 where the device computes it natively, else fp16 on cuda and mps, else fp32.
    Raises Refused for what the device can't do.
    """
    if precision == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        if device.type == "mps":
            return "fp16"
        return "bf16" if native_bf16_cpu() else "fp32"
    if precision == "fp16" and device.type == "cpu":
        raise Refused(
            "trainer.precision is fp16 on cpu, where it is 3 to 10 times slower than fp32; "
            "use trainer.precision=bf16 or fp32"
        )
    if precision not in ("fp32", *DTYPES):
        raise Refused(f"trainer.precision is {precision!r}; it has to be fp32, bf16, fp16 or auto")
    return precision


def native_bf16_cpu() -> bool:
    """Whether this processor multiplies bf16 in hardware (AVX-512 BF16, AMX, Arm BF16)."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "_is_arm_bf16_supported")
    return any(getattr(torch.cpu, check, bool)() for check in checks)


class Precision:
    """Forward, backward and the optimizer's step in fp32, bf16 or fp16.

    `clip_norm` and `clip_value` bound the gradients before the step, after unscaling. fp16 scales
    the loss, so that small gradients don't vanish; a step whose gradients overflowed is skipped.
    """

    def __init__(
        self,
        name: str,
        device: torch.device,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        self.name = choose(name, device)
        self.device = device
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.clips = clip_norm is not None or clip_value is not None
        dtype = DTYPES.get(self.name)
        self.context: AbstractContextManager[object] = (
            nullcontext() if dtype is None else torch.autocast(device.type, dtype)
        )
        self.scaler = torch.amp.GradScaler(device.type) if self.name == "fp16" else None

    def backward(self, loss: Tensor) -> None:
        """Gradients of the loss, scaled where the precision needs it."""
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    def step(
        self, optimizer: Optimizer, parameters: list[nn.Parameter], measure: bool
    ) -> Tensor | None:
        """Clip and step; returns the gradient norm before clipping where it was taken.

        It is taken when clipping by norm needs it or when `measure` asks for it.
        """
        norm = None
        if self.clips or measure:
            if self.scaler is not None:
                self.scaler.unscale_(optimizer)
            norm = self.clip(parameters, measure)
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
        return norm

    def clip(self, parameters: list[nn.Parameter], measure: bool) -> Tensor | None:
        """Bound the gradients in place; the norm is that before."""
        norm = None
        if self.clip_norm is not None:
            norm = nn.utils.clip_grad_norm_(parameters, self.clip_norm)
        elif measure:
            norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if self.clip_value is not None:
            nn.utils.clip_grad_value_(parameters, self.clip_value)
        return norm

    def end_step(self) -> bool:
        """Once a step, after every turn: adapt the scale. False when fp16 skipped the step.

        Reading the scale waits for the device; bf16 and fp32 never do.
        """
        if self.scaler is None:
            return True
        before = self.scaler.get_scale()
        self.scaler.update()
        return self.scaler.get_scale() >= before

    def state_dict(self) -> dict[str, object]:
        """The scale and its history; empty without a scaler."""
        return {} if self.scaler is None else self.scaler.state_dict()

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on with a scale that was saved."""
        if self.scaler is not None and state:
            self.scaler.load_state_dict(state)

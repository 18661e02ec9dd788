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
    In fp32 and bf16 a loss or a gradient that isn't finite is found before the step. With `waits`
    the step is then not taken, which reads one number back: free on the CPU, elsewhere a wait for
    the device in each step. Without it the step is taken, and what was found tells later.
    """

    def __init__(
        self,
        name: str,
        device: torch.device,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        *,
        waits: bool = False,
    ) -> None:
        self.name = choose(name, device)
        self.device = device
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.clips = clip_norm is not None or clip_value is not None
        self.waits = waits or device.type == "cpu"
        self.held = False  # whether a turn of this step was not taken
        self.unscaled = torch.ones((), device=device)
        self.clear = torch.zeros(1, device=device)
        dtype = DTYPES.get(self.name)
        self.context: AbstractContextManager[object] = (
            nullcontext() if dtype is None else torch.autocast(device.type, dtype)
        )
        self.scaler = torch.amp.GradScaler(device.type) if self.name == "fp16" else None

    def backward(self, loss: Tensor) -> None:
        """Gradients of the loss, scaled where the precision needs it."""
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    def step(
        self, optimizer: Optimizer, parameters: list[nn.Parameter], loss: Tensor, measure: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        """Check, clip and step; returns the gradient norm and whether something was not finite.

        The norm is that before clipping; it is taken when clipping by norm needs it or when
        `measure` asks for it. The second is None where all is known to be finite, else a number on
        the device that is 1 where it is not. fp16 leaves that to its scale.
        """
        found = None
        if self.scaler is None:
            found = self.nonfinite(parameters, loss)
            if self.waits:
                if found.item():
                    self.held, self.clear = True, torch.zeros_like(found)
                    return None, found
                found = None
        norm = None
        if self.clips or measure:
            if self.scaler is not None:
                self.scaler.unscale_(optimizer)
            norm = self.clip(parameters, measure)
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
        return norm, found

    def nonfinite(self, parameters: list[nn.Parameter], loss: Tensor) -> Tensor:
        """A number on the device: 1 where the loss or a gradient is not finite, else 0."""
        # What was found to be 0 can be used again; what is read later has to be a new one.
        found = self.clear if self.waits else torch.zeros_like(self.clear)
        values = [grad for p in parameters if (grad := p.grad) is not None]
        values.append(loss)
        try:
            # What GradScaler asks: one pass, 3 us for a small model. Times one changes no bit.
            torch._amp_foreach_non_finite_check_and_unscale_(values, found, self.unscaled)
        except (RuntimeError, NotImplementedError):  # sparse, complex, or on several devices
            dense = [value._values() if value.is_sparse else value for value in values]
            finite = [value.isfinite().all().to(self.device) for value in dense]
            found = 1.0 - torch.stack(finite).all().float().view(1)
        return found

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
        """Once a step, after every turn: adapt the scale. False when the step was not taken.

        Reading the scale of fp16 waits for the device.
        """
        if self.scaler is None:
            taken, self.held = not self.held, False
            return taken
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

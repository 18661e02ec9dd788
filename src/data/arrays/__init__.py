"""Arrays: .npy, .npz, .pt and .safetensors files, or tensors from Python."""

from data.arrays.arrays import arrays
from data.arrays.look import look_arrays

__all__ = ["arrays", "look_arrays"]

"""Pixels of images, in memory or in files, and the way from them to model input."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.images.files import Files
from data.splits import Indices


class Pictures:
    """Images of one size without labels, as the datasets of masks and boxes hold them.

    Args:
        samples: uint8 pixels [N, C, H, W], or files that are decoded on demand.
        mean: mean of pixels / 255 per channel, for normalisation.
        std: standard deviation of pixels / 255 per channel.
    """

    def __init__(
        self, samples: Tensor | Files, *, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        self.samples = samples
        self._mean = torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1)
        self._std = torch.tensor(std, dtype=torch.float32).view(-1, 1, 1)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of each image."""
        if isinstance(self.samples, Files):
            return self.samples.channels, self.samples.height, self.samples.width
        channels, height, width = self.samples.shape[1:]
        return channels, height, width

    @property
    def nbytes(self) -> int | None:
        """Bytes of all pixels, None where they are read from files."""
        return None if isinstance(self.samples, Files) else self.samples.nbytes

    def pixels(self, indices: Indices) -> Tensor:
        """Return uint8 [B, C, H, W]; SampleError names the first file that can't be read."""
        if isinstance(self.samples, Files):
            return self.samples.read(indices)
        return self.samples[torch.from_numpy(indices)]

    def stored(self, index: int) -> NDArray[np.uint8]:
        """Return one image as a reader gives it, uint8 [H, W, C]."""
        pixels: NDArray[np.uint8] = self.pixels(np.array([index]))[0].permute(1, 2, 0).numpy()
        return pixels

    def normalised(self, images: Tensor) -> Tensor:
        """Return float images (0..1) less the mean, by the standard deviation; in place."""
        device = images.device
        return images.sub_(self._mean.to(device)).div_(self._std.to(device))

    def shown(self, images: Tensor) -> NDArray[np.uint8]:
        """Return model input as it can be looked at, uint8 [B, H, W, C]."""
        plain = images.detach().float().cpu() * self._std + self._mean
        pixels = (plain * 255).round().clamp(0, 255).to(torch.uint8)
        found: NDArray[np.uint8] = pixels.permute(0, 2, 3, 1).numpy()
        return found


def shape_problem(here: Sequence[int], known: Sequence[int]) -> str:
    """Return the line about images of another size than the model was trained on."""
    sizes = ["x".join(map(str, shape)) for shape in (here, known)]
    return (
        f"images of {sizes[0]} in the data, and the model was trained on {sizes[1]}; set data.size "
        "and data.channels"
    )


def unknown_problem(present: Sequence[str], known: dict[str, int]) -> list[str]:
    """Return the line about classes that a model doesn't know, if there are any."""
    unknown = [repr(name) for name in present if name not in known]
    if not unknown:
        return []
    shown = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")
    among = ", ".join(map(repr, list(known)[:5])) + (", ..." if len(known) > 5 else "")
    many = "class" if len(unknown) == 1 else "classes"
    return [
        f"{len(unknown)} {many} ({shown}) of the data unknown to the model, which knows {among}; "
        "rename or remove them"
    ]

"""Tokens as a dataset that is fetched a batch at a time: labelled texts, blocks, pairs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from data.splits import Indices

IGNORED = -100
SeenAs = Callable[[Any, Sequence[str]], "Tokens"]


class Tokens(Dataset[tuple[Tensor, Any]]):
    """Rows of token ids with their targets, held in memory as int32.

    Args:
        inputs: int32 [N, I] ids; 0 is padding.
        targets: int64 [N] classes, float32 [N, T] numbers or labels, or int32 [N, T] ids where
            `IGNORED` doesn't count.
        names: what to call each sample: "reviews.csv:17".
        shown: the text of the i-th sample, to be read.
        seen_as: the same samples as a model sees them that was trained on other data.
    """

    is_augmented = False
    is_costly = False

    def __init__(
        self,
        inputs: NDArray[np.int32],
        targets: NDArray[Any],
        *,
        names: Sequence[str],
        shown: Callable[[int], str],
        seen_as: SeenAs,
    ) -> None:
        assert len(inputs) == len(targets) == len(names)
        self._inputs = torch.from_numpy(np.ascontiguousarray(inputs))
        self._answers = torch.from_numpy(np.ascontiguousarray(targets))
        self.names = names
        self._shown, self._seen_as = shown, seen_as
        if self._answers.dtype == torch.int64:
            self.labels = self._answers

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        """Return one sample as evaluation sees it: int64 [I], and its class or targets."""
        answer = self._answers[index]
        if answer.dim() == 0:
            return self._inputs[index].long(), int(answer)
        return self._inputs[index].long(), _wide(answer)

    def seen_as(self, info: Any, classes: Sequence[str]) -> "Tokens":
        """Return these samples as a model sees them that was trained on other data.

        Its tokenizer, lengths, scales and order of classes are taken from `info`; `classes` are the
        names of this data's own.

        Raises:
            DataError: all that the model can't know.
        """
        return self._seen_as(info, classes)

    def sample_text(self, index: int) -> str:
        """Return the text of one sample."""
        return self._shown(index)

    def raw(self, index: int) -> NDArray[np.int64]:
        """Return one sample as the reader gives it: int64 [I]."""
        ids: NDArray[np.int64] = self._inputs[index].numpy().astype(np.int64)
        return ids

    @property
    def resident_bytes(self) -> int | None:
        """Bytes of all ids and targets."""
        return self._inputs.nbytes + self._answers.nbytes

    def fetch(self, indices: Indices, epoch: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return ids, int32 [B, I], and targets."""
        rows = torch.from_numpy(indices)
        return self._inputs.index_select(0, rows), self._answers.index_select(0, rows)

    def finish(
        self, batch: tuple[Tensor, Tensor], indices: Indices, epoch: int, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Turn what `fetch` gave into model input: int64 [B, I], and int64 or float32 targets."""
        inputs, targets = batch
        return inputs.long(), _wide(targets)


def _wide(targets: Tensor) -> Tensor:
    return targets.long() if targets.dtype == torch.int32 else targets

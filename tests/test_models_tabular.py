"""The network for tables: what it makes of its input, its limits, its export."""

import warnings

import pytest
import torch
from torch import nn

from models.tabular import Tabular, embedding_size


def rows(count: int) -> torch.Tensor:
    numbers = torch.randn(count, 3, generator=torch.Generator().manual_seed(count))
    codes = torch.randint(0, 4, (count, 2), generator=torch.Generator().manual_seed(count)).float()
    return torch.cat([numbers, codes], dim=1)


def test_categories_are_looked_up_and_unknown_is_nothing() -> None:
    model = Tabular(3, (4, 9), 2, hidden=(), dropout=0).eval()
    assert [table.embedding_dim for table in model.embeddings] == [embedding_size(4), 5]
    inputs = rows(7)
    last = model.layers[-1]
    assert isinstance(last, nn.Linear)
    tables = [each for each in model.embeddings if isinstance(each, nn.Embedding)]
    parts = [
        inputs[:, :3],
        *(t.weight[inputs[:, 3 + k].long()] for k, t in enumerate(tables)),
    ]
    assert torch.equal(model(inputs), last(torch.cat(parts, dim=1)))
    for table in tables:
        assert (table.weight[0] == 0).all() and (table.weight[1:] != 0).all()


def test_sizes() -> None:
    assert Tabular(5, (), 3)(torch.zeros(2, 5)).shape == (2, 3)
    assert Tabular(0, (4,), 1, embedding=6)(torch.ones(2, 1)).shape == (2, 1)
    assert [embedding_size(n) for n in (1, 3, 100, 100_000)] == [2, 3, 21, 50]
    plain = Tabular(2, (), 1, hidden=(8, 4), dropout=0.5)
    kinds = [type(each).__name__ for each in plain.layers]
    assert kinds == ["Linear", "LayerNorm", "ReLU", "Dropout"] * 2 + ["Linear"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"num_numeric": 0, "cardinalities": ()}, "neither numbers nor categories"),
        ({"num_numeric": 2, "cardinalities": (), "hidden": (0,)}, "1 or more"),
        ({"num_numeric": 2, "cardinalities": (0,)}, "1 or more"),
        ({"num_numeric": 2, "cardinalities": (3,), "embedding": 0}, "embedding is 0"),
    ],
)
def test_what_makes_no_network(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Tabular(num_outputs=2, **arguments)  # type: ignore[arg-type]


def test_it_exports_with_any_number_of_rows() -> None:
    model = Tabular(3, (4, 9), 2).eval()
    batch = torch.export.Dim("batch", min=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(model, (rows(4),), dynamic_shapes=({0: batch},))
        script = torch.jit.trace(model, (rows(4),), check_trace=False)
    for count in (1, 5):
        assert torch.allclose(program.module()(rows(count)), model(rows(count)), atol=1e-6)
        assert torch.allclose(script(rows(count)), model(rows(count)), atol=1e-6)

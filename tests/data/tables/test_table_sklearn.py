"""scikit-learn's own tables: the data as scikit-learn has it, and learned well in a moment."""

import numpy as np
import pytest
import torch
from sklearn import datasets

from data.errors import DataError
from data.sklearn_look import look_sklearn
from data.sklearn_sets import sklearn
from data.splits import Splits
from data.tables.info import TableInfo
from data.tables.reader import TableReader
from models.tabular import Tabular


@pytest.mark.parametrize("name", ["wine", "breast_cancer", "iris", "diabetes"])
def test_rows_and_targets_are_those_of_scikit_learn(name: str) -> None:
    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name}")(**options)
    splits = sklearn(name)
    info = splits.info
    assert info.num_numeric == bunch.data.shape[1] and info.cardinalities == ()
    values = np.stack(splits.test.source.values, 1)
    assert np.array_equal(values, bunch.data)
    targets = bunch.target[splits.test.rows]
    if name == "diabetes":
        back = splits.test.targets.numpy()[:, 0] * info.target_std[0] + info.target_mean[0]
        assert info.problem == "regression" and np.allclose(back, targets, rtol=1e-5)
    else:
        assert sorted(info.classes) == sorted(map(str, bunch.target_names))
        named = [str(bunch.target_names[place]) for place in targets]
        assert [info.classes[place] for place in splits.test.labels] == named
    assert splits.test.names[0] == f"{name}[{splits.test.rows[0]}]"
    seen = look_sklearn(None, {"name": name})
    assert (seen.kind, seen.problem, seen.data["target"]) == ("sklearn", info.problem, "target")


def test_a_row_goes_the_same_way_through_the_reader() -> None:
    splits = sklearn("wine")
    node = {k: v for k, v in splits.info.reader.items() if k != "_target_"}
    reader = TableReader(**node)
    bunch = datasets.load_wine()
    names = [each["name"] for each in node["columns"]]
    row = dict(zip(names, bunch.data[splits.test.rows[0]].tolist(), strict=True))
    assert np.array_equal(reader.batch([reader.read(row)])[0], splits.test[0][0].numpy())


def fitted(splits: Splits[TableInfo]) -> float:
    """Accuracy on the test of a short training with the defaults of conf/."""
    info, train = splits.info, splits.train
    torch.manual_seed(0)
    model = Tabular(info.num_numeric, info.cardinalities, info.num_outputs)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003, weight_decay=0.05)
    steps = 20 * -(-len(train) // 32)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.003, total_steps=steps)
    for _ in range(20):
        for rows in torch.randperm(len(train)).split(32):
            loss = torch.nn.functional.cross_entropy(model(train.inputs[rows]), train.labels[rows])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    model.eval()
    with torch.no_grad():
        return float((model(splits.test.inputs).argmax(1) == splits.test.labels).float().mean())


@pytest.mark.parametrize("name", ["wine", "breast_cancer"])
def test_the_model_learns_them(name: str) -> None:
    assert fitted(sklearn(name)) >= 0.95


def test_what_is_wrong_is_told_together() -> None:
    with pytest.raises(DataError, match="choose data=digits"):
        sklearn("digits")
    with pytest.raises(DataError) as error:
        sklearn("wines", validation=2, split="luck")
    assert len(error.value.problems) == 3
    with pytest.raises(DataError, match="no column 'alcool'"):
        sklearn("wine", ignore=["alcool"])
    assert look_sklearn(None, {"name": "digits"}).certainty == 0

"""From cells to inputs: by the training split alone, compared with scikit-learn."""

from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler
from table_files import shop, written

from data.errors import DataError
from data.splits import Splits
from data.tables import table
from data.tables.encoding import Encoding
from data.tables.features import Feature, parts_of
from data.tables.info import TableInfo


def everything(splits: Splits[TableInfo]) -> np.ndarray:
    """The inputs of all rows in the order of the file."""
    parts = [each for each in (splits.train, splits.validation, splits.test) if each is not None]
    rows = np.concatenate([part.rows for part in parts])
    inputs = np.concatenate([part.inputs.numpy() for part in parts])
    return np.asarray(inputs[np.argsort(rows)])


def test_numbers_are_standardised_as_scikit_learn_does_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(rng.normal(50, [1, 1000, 1e-6], (120, 3)), columns=list("abc"))
    frame["y"] = rng.normal(-7, 3, 120)
    frame.to_csv(tmp_path / "t.csv", index=False)
    splits = table(tmp_path / "t.csv")
    train = splits.train.rows
    scaler = StandardScaler().fit(frame[["a", "b", "c"]].to_numpy()[train])
    expected = scaler.transform(frame[["a", "b", "c"]].to_numpy())
    np.testing.assert_allclose(everything(splits), expected, rtol=1e-5, atol=1e-5)
    target = StandardScaler().fit(frame[["y"]].to_numpy()[train])
    assert splits.info.target_mean == pytest.approx(target.mean_)
    assert splits.info.target_std == pytest.approx(target.scale_)
    np.testing.assert_allclose(
        splits.test.targets.numpy(),
        target.transform(frame[["y"]].to_numpy()[splits.test.rows]),
        rtol=1e-5,
        atol=1e-6,
    )
    assert splits.train.targets.dtype == splits.train.inputs.dtype and splits.info.num_outputs == 1


def test_nothing_but_the_training_rows_counts(tmp_path: Path) -> None:
    """Other values in validation and test change neither statistics nor categories."""
    path = written(tmp_path, shop())
    first = table(path)
    held = {*first.validation.rows.tolist(), *first.test.rows.tolist()}
    lines = shop().splitlines()
    for row in held:
        cells = lines[row + 1].split(";")
        cells[1:4] = ["9999", "77.777,77", "Atlantis"]
        lines[row + 1] = ";".join(cells)
    second = table(written(tmp_path, "\n".join(lines) + "\n", "other.csv"))
    assert second.info.reader == first.info.reader
    assert np.array_equal(second.train.inputs, first.train.inputs)
    assert second.info.fingerprint != first.info.fingerprint
    city = second.info.columns.index("Stadt")
    assert set(second.test.inputs[:, city].tolist()) == {0.0}


def test_missing_values_and_categories(tmp_path: Path) -> None:
    text = "n,c,y\n" + "".join(f"{n},{c},{n % 2}\n" for n, c in enumerate("aab" * 20, 1))
    text += ",,0\n,zz,1\n" * 10
    splits = table(written(tmp_path, text), max_levels=2)
    info = splits.info
    assert info.columns == ("n", "n (missing)", "c") and info.num_numeric == 2
    number, category = info.reader["columns"]
    assert number["indicator"] and category["levels"] == ["a", "b"] and info.cardinalities == (4,)
    train = [n for n in splits.train.source.values[0][splits.train.rows].tolist() if n == n]
    assert number["fill"] == np.median(train)
    inputs = everything(splits)
    assert inputs[60, 2] == 1 and inputs[61, 2] == 0 and inputs[0, 2] == 2 and inputs[2, 2] == 3
    filled = np.float32((number["fill"] - number["mean"][0]) / number["std"][0])
    assert inputs[60, 0] == filled and inputs[60, 1] == 1 and inputs[0, 1] == 0


def test_dates_become_numbers(tmp_path: Path) -> None:
    moments = pandas.date_range("1967-02-27", periods=300, freq="37h")
    values = (moments - pandas.Timestamp(0)).total_seconds().to_numpy()
    found = parts_of(values, ("days", "year", "month", "day", "weekday", "hour"))
    for name in ("year", "month", "day", "hour"):
        assert found[name].tolist() == getattr(moments, name).tolist(), name
    assert found["weekday"].tolist() == [each.weekday() for each in moments]
    assert found["days"].tolist() == np.floor(values / 86400).tolist()
    text = "d,y\n" + "".join(f"2024-03-{n:02d},{n % 2}\n" for n in range(1, 29))
    assert table(written(tmp_path, text)).info.columns == ("d (days)", "d (day)", "d (weekday)")


def test_a_column_that_never_changes_in_training_is_zero(tmp_path: Path) -> None:
    text = "split,x,n,y\n" + "".join(f"train,{n},5,{n % 2}\n" for n in range(20))
    given = table(written(tmp_path, text + "test,3,8,0\ntest,4,9,1\n"))
    place = given.info.columns.index("n")
    assert set(given.train.inputs[:, place].tolist()) == {0.0}
    assert given.test.inputs[:, place].tolist() == [3.0, 4.0]


@given(
    st.lists(
        st.tuples(st.floats(allow_infinity=False), st.floats(allow_infinity=False)),
        min_size=1,
        max_size=9,
    ),
    st.floats(-1e300, 1e300),
    st.floats(1e-300, 1e300),
)
@settings(max_examples=50)
def test_each_row_is_encoded_by_itself_and_stays_finite(
    rows: list[tuple[float, float]], mean: float, std: float
) -> None:
    number = Feature("a", "number", fill=1.5, mean=(mean,), std=(std,), indicator=True)
    other = Feature("b", "number", mean=(0.0,), std=(1.0,))
    encoding = Encoding([number, other])
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    whole = encoding.encode(columns)
    assert whole.dtype == np.float32 and whole.shape == (len(rows), 3) and np.isfinite(whole).all()
    for place in range(len(rows)):
        alone = encoding.encode([column[place : place + 1] for column in columns])
        assert np.array_equal(alone[0], whole[place])


def test_an_encoding_is_written_down_and_read_again() -> None:
    features = [
        Feature("n", "number", fill=2.0, mean=(1.0,), std=(3.0,), indicator=True),
        Feature("d", "date", parts=("days", "year"), mean=(1.0, 2.0), std=(3.0, 4.0)),
        Feature("c", "category", levels=("x", "y")),
    ]
    encoding = Encoding(features)
    again = Encoding.of_nodes(encoding.nodes)
    assert again.features == encoding.features
    assert again.columns == ("n", "d (days)", "d (year)", "n (missing)", "c")
    with pytest.raises(DataError, match="not complete"):
        Encoding.of_nodes([{"name": "n", "kind": "number"}])
    with pytest.raises(DataError, match="can't be read"):
        Encoding.of_nodes([{"name": "n", "sort": "number"}])

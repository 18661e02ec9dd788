"""Tables as the builder of data=table makes them, scikit-learn's own among them."""

from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from fake_data import said

from data.audit import audit, brief
from data.audit.figures import Bars, Histogram
from data.tables.table import table


def written(folder: Path, columns: dict[str, list[str]]) -> Path:
    """A CSV file with a space in its path."""
    file = folder / "my table.csv"
    rows = [",".join(row) for row in zip(*columns.values(), strict=True)]
    file.write_text("\n".join([",".join(columns), *rows]) + "\n")
    return file


def loans(count: int = 400) -> dict[str, list[str]]:
    random = np.random.default_rng(0)
    label = np.arange(count) % 2
    return {
        "income": [f"{value:.4f}" for value in random.normal(size=count) + label],
        "city": random.choice(["Ulm", "Köln", "Bonn"], count).tolist(),
        "day": [str(np.datetime64("2024-01-01") + int(k)) for k in random.permutation(count)],
        "paid": ["yes" if value else "no" for value in label],
    }


@pytest.mark.parametrize("name", ["wine", "breast_cancer", "iris", "diabetes"])
def test_the_sets_of_scikit_learn_are_sound(name: str, tmp_path: Path) -> None:
    found = getattr(sklearn.datasets, f"load_{name}")()
    columns = {f"c{k}": list(map(str, found.data[:, k])) for k in range(found.data.shape[1])}
    names = getattr(found, "target_names", None)
    columns["target"] = [str(each) if names is None else f"t{each}" for each in found.target]
    splits = table(written(tmp_path, columns))
    assert said(splits) == [] and brief(splits) == []
    # Two flowers are alike (rows 102 and 143 of the original), which is no more than chance.
    assert len(said(splits, "note")) == (name == "iris")


def test_a_sound_table_is_left_in_peace_and_drawn(tmp_path: Path) -> None:
    splits = table(written(tmp_path, loans()), target="paid")
    found = audit(splits)
    assert found.findings == () and found.facts["kind"] == "table"
    assert found.facts["columns"] == ["income", "city", "day"]
    kinds = {figure.title: type(figure) for figure in found.figures}
    assert kinds == {
        "Samples of each class": Bars, "income": Histogram, "city": Bars, "day": Histogram
    }  # fmt: skip


def test_faults_of_a_table_are_named_as_in_its_file(tmp_path: Path) -> None:
    columns = loans()
    columns["reason"] = ["in time" if paid == "yes" else "late" for paid in columns["paid"]]
    columns["fax"] = [""] * 400
    for cells in columns.values():
        cells[20:40] = cells[:20]
    splits = table(written(tmp_path, columns), target="paid")
    found = said(splits, "error", "warning", "note")
    for line in (
        "error: 1 column that gives the target away, alone ('reason' is right 100 % of the time)",
        "note: 1 column left out, since nothing can be learned from them ('fax': empty)",
    ):
        assert [each for each in found if each.startswith(line)], found
    across = [each for each in found if "split too, equal (my table.csv:" in each]
    assert across and all(each.startswith("error") for each in across)
    assert brief(splits) != []


def test_a_category_that_only_the_test_has_is_not_taken_for_another(tmp_path: Path) -> None:
    columns = loans()
    columns["split"] = ["test" if k % 5 == 4 else "train" for k in range(400)]
    columns["city"] = ["Rom" if k % 5 == 4 else city for k, city in enumerate(columns["city"])]
    splits = table(written(tmp_path, columns), target="paid", split_column="split", validation=0)
    assert any("1 column spread otherwise in the test split than in train ('city': 1.00" in each
               for each in said(splits))  # fmt: skip

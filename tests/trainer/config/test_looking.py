"""What suits the data is chosen by a look at it, said, and never put over what the user chose."""

from pathlib import Path

import pytest

from trainer.config.catalogue import conf_folder
from trainer.config.compose import compose, judge
from trainer.config.looking import literal
from trainer.errors import Refused


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    folder = tmp_path / "with a space"
    folder.mkdir()
    rows = "".join(f"{k}.5,{k % 3},{'abc'[k % 3]},{k * 1.25}\n" for k in range(40))
    (folder / "houses.csv").write_text("size,rooms,area of town,price\n" + rows)
    return folder / "houses.csv"


def test_the_sets_of_images_are_learnt_as_ever_and_nothing_is_said() -> None:
    told: list[str] = []
    config = compose([], tell=told.append)
    assert config.model._target_ == "models.cnn.CNN" and told == []
    assert config.loss._target_ == "torch.nn.CrossEntropyLoss"
    assert config.evaluation._target_ == "trainer.evaluation.Classification"
    assert config.run.name == "digits-cnn"


@pytest.mark.parametrize("words", [[], ["data=mnist"], ["debug=overfit"], ["trainer.epochs=3"]])
def test_a_choice_typed_out_is_the_one_that_would_be_made(words: list[str]) -> None:
    """Known before anything is composed, or only afterwards."""
    typed = ["model=cnn", "loss=cross_entropy", "evaluation=classification"]
    assert compose(words) == compose([*words, *typed])


def test_what_an_experiment_or_a_folder_chooses_stays(tmp_path: Path) -> None:
    assert compose(["experiment=cifar10_resnet18"]).model._target_ != "models.cnn.CNN"
    main = (conf_folder() / "train.yaml").read_text().replace("model: auto", "model: mlp")
    (tmp_path / "train.yaml").write_text(main)
    assert compose([], [tmp_path]).model._target_ == "models.mlp.MLP"


def test_a_table_of_prices(houses: Path) -> None:
    told: list[str] = []
    config = compose(["data=table", f"data.path={houses}"], tell=told.append)
    assert config.model._target_ == "models.tabular.Tabular"
    assert config.loss._target_ == "torch.nn.MSELoss"
    assert config.evaluation._target_ == "trainer.evaluation.Regression"
    assert (config.data.target, config.data.problem) == ("price", "regression")
    assert any("model=tabular loss=mse evaluation=regression" in line for line in told)


def test_a_column_of_weights_is_bound_to_the_loss(houses: Path) -> None:
    words = ["data=table", f"data.path={houses}", "data.weight=rooms"]
    assert compose(words).task.sample_weight == 2
    assert compose([*words, "task.sample_weight=null"]).task.sample_weight is None
    assert compose(words[:2]).task.sample_weight is None


def test_what_the_user_chose_stays(houses: Path) -> None:
    words = ["data=table", f"data.path={houses}", "data.target=area of town", "model=mlp"]
    config = compose([*words, "loss=focal", "model.hidden=[7]", "evaluation.select=f1"])
    assert config.data.target == "area of town" and config.data.problem == "classification"
    assert config.model._target_ == "models.mlp.MLP" and config.model.hidden == [7]
    assert config.loss._target_ == "models.losses.FocalLoss"
    assert config.evaluation._target_ == "trainer.evaluation.Classification"


def test_a_path_alone_tells_what_kind_it_is(houses: Path, tmp_path: Path) -> None:
    judged = judge([f"data.path={houses}"])
    assert judged.loaded.choices["data"] == "table" and judged.notes[0].startswith("data=table")
    assert judged.loaded.config.data.path == str(houses)
    with pytest.raises(Refused, match=r"data.path=.*nothing does not exist"):
        judge([f"data.path={tmp_path / 'nothing'}"])
    (tmp_path / "odd").mkdir()
    with pytest.raises(Refused, match="can't be told what it holds; say it with data=table"):
        judge([f"data.path={tmp_path / 'odd'}"])


def test_a_key_of_the_model_that_suits_is_judged(houses: Path) -> None:
    words = ["data=table", f"data.path={houses}"]
    with pytest.raises(Refused, match=r"model\.hiden"):
        compose([*words, "model.hiden=[3]"])


@pytest.mark.parametrize(
    "value", [None, True, 3, 1.5, 'a "b" \\ c', "x=1, {y}", ["a b", "c"], {"k": [1, "v"]}]
)
def test_a_value_is_written_as_it_is_read(value: object) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import QuotedString

    parsed = OverridesParser.create().parse_override(f"key={literal(value)}").value()

    def plain(found: object) -> object:
        if isinstance(found, QuotedString):
            return found.text
        if isinstance(found, list):
            return [plain(each) for each in found]
        if isinstance(found, dict):
            return {str(key): plain(each) for key, each in found.items()}
        return found

    assert plain(parsed) == value

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.config.catalogue import conf_folder, did_you_mean, groups, nearest, summary


def test_every_group_has_a_purpose_and_every_choice_a_sentence() -> None:
    found = groups()
    assert list(found)[:3] == ["data", "loader", "model"]
    for name, group in found.items():
        assert group.purpose and group.listed, name
        assert group.default is None or group.default in group.choices, name
        for choice, sentence in group.choices.items():
            assert sentence.endswith((".", "?")), f"{name}/{choice}: {sentence!r}"
            assert not sentence.startswith("@package")


def test_our_folder_is_the_one_of_the_checkout_or_of_the_package() -> None:
    assert (conf_folder() / "train.yaml").is_file()


def test_a_users_folder_adds_groups_and_stands_in_for_ours(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(
        "# My own network. It has two layers.\n_target_: a.B\n"
    )
    (tmp_path / "model" / "cnn.yaml").write_text("# My CNN.\n")
    (tmp_path / "teacher").mkdir()
    (tmp_path / "teacher" / "big.yaml").write_text("x: 1\n")
    found = groups([tmp_path])
    assert found["model"].choices["mine"] == "My own network."
    assert found["model"].choices["cnn"] == "My CNN."
    assert found["model"].default == "auto" and "mlp" in found["model"].choices
    assert found["teacher"].choices == {"big": ""} and not found["teacher"].listed


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("# One. Two.\n", "One."),
        ("# @package _global_\n# Why? Because.\n", "Why?"),
        ("# By Lin et al. 2017, on\n# two lines. More.\n", "By Lin et al. 2017, on two lines."),
        ("# No stop\n# Command: train\n", "No stop"),
        ("x: 1\n", ""),
        ("", ""),
    ],
)
def test_the_summary_is_the_first_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    assert summary(tmp_path / "x.yaml") == sentence


def test_the_nearest_name_counts_whole_paths_and_last_parts() -> None:
    paths = ["optimizer.lr", "trainer.epochs", "loader.batch_size", "trainer.ema"]
    assert nearest("trainer.lrr", paths, 3) == ["optimizer.lr"]
    assert nearest("batch_size", paths) == ["loader.batch_size"]
    assert nearest("trianer.epochs", paths) == ["trainer.epochs"]
    assert nearest("Batch-Size", ["batch_size"]) == ["batch_size"]
    assert nearest("typo", paths) == []
    assert did_you_mean("modle", ["model"], "{}=cnn") == "; did you mean model=cnn?"
    assert did_you_mean("zzz", ["model"]) == ""


@given(st.text(max_size=12), st.lists(st.text(min_size=1, max_size=8), max_size=6))
def test_what_is_proposed_exists_and_an_exact_name_comes_first(name: str, names: list[str]) -> None:
    assert set(nearest(name, names, 3)) <= set(names)
    if name and name in names and name.strip("-_") != "":
        assert name in nearest(name, names, 9)

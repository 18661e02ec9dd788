import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError

from trainer.config.catalogue import conf_folder, groups
from trainer.config.compose import compose
from trainer.config.schema import SECTIONS
from trainer.errors import Refused


def problems(*overrides: str, config_dirs: tuple[Path, ...] = ()) -> list[str]:
    with pytest.raises(Refused) as caught:
        compose(overrides, config_dirs)
    assert not any("Traceback" in text or "\n" in text for text in caught.value.problems)
    return list(caught.value.problems)


EVERY_CHOICE = [f"{name}={choice}" for name, group in groups().items() for choice in group.choices]


@pytest.mark.parametrize("choice", EVERY_CHOICE)
def test_every_file_composes(choice: str) -> None:
    own = ["data._target_=mine.data"] if choice == "data=own" else []  # it names nothing itself
    config = compose([choice, *own])
    assert not {"experiment", "debug", "hydra", "defaults"} & set(config)
    assert set(config) == set(SECTIONS) | (set(groups()) - {"experiment", "debug"})


def test_a_wrong_key_of_the_result_raises_and_interpolations_are_kept() -> None:
    config = compose(["trainer.epochs=3"])
    assert config.trainer.epochs == 3
    with pytest.raises(ConfigAttributeError):
        config.trainer.epoch  # noqa: B018
    model = OmegaConf.to_container(config.model, resolve=False)
    assert isinstance(model, dict) and model["num_classes"] == "${info.num_outputs}"


def test_the_run_is_named_after_its_choices() -> None:
    assert compose().run.name == "digits-cnn"
    assert compose(["model=mlp", "data=images"]).run.name == "images-mlp"
    assert compose(["experiment=cifar10_resnet18"]).run.name == "cifar10-resnet18"
    assert compose(["run.name=mine"]).run.name == "mine"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trainer.epochs=null", "would never end"),
        ("run=5", "run is 5; it has to be a mapping of keys to values"),
        (
            "parameters.groups=[{match: x, lrscale: 3}]",
            "did you mean parameters.groups[0].lr_scale?",
        ),
        ("model.width=${nope.x}", "${nope.x}, which does not exist"),
        ("model.width=${model.stage}", "did you mean ${model.stages}?"),
        ("model.width=${model.width}", "in a circle: model.width"),
        ("model.width=???", "model.width is missing"),
        ("model.width=${oc.env:FIVESTEP_NO_SUCH}", "FIVESTEP_NO_SUCH"),
        ("model.width=${foo:1}", "Unsupported interpolation type foo"),
    ],
)
def test_what_only_the_whole_config_shows_is_one_line(override: str, words: str) -> None:
    found = problems(override)
    assert len(found) == 1, found
    assert words in found[0]


@pytest.mark.parametrize(
    "overrides",
    [
        ["+optimizer.foreach=true"],
        ["++model.width=abc"],  # ++ skips the file's type; the signature judges later
        ["~optimizer.weight_decay"],
        ["~experiment"],
        ["experiment=null"],
        ["scheduler.schedule=null"],
        ["scheduler=cosine", "scheduler.schedule.T_max=10"],
        ["optimizer.betas.0=0.8"],
        ["optimizer=sgd", "optimizer={lr: 0.01, momentum: 0}"],
        ["optimizer._target_=torch.optim.NAdam", "~optimizer.betas"],
        ["model.width=${model.stages}"],
        ["model.width=${info.width}"],  # which names there are is known with the data's class
        ["parameters.groups=[{match: 'head.*', betas: [0.5, 0.9]}, {match: x, lr_scale: 10}]"],
        ["+evaluation.metrics.top5={_target_: mypkg.top5, _partial_: true}"],
        ["loader.num_workers=2"],
        ["trainer.epochs=null", "trainer.steps=7"],
        ["trainer.epochs=1", "trainer.epochs=2"],
        ["trainer.device=cuda:1"],
        ["run.dir=/tmp/müll (1)=[x]"],
        ["resume='a b'"],
        ["data=images", "data.path=2024"],
        ["loss=focal", "trainer=fast", "debug=fast"],
    ],
    ids=str,
)
def test_fine(overrides: list[str]) -> None:
    compose(overrides)


def test_a_path_needs_no_quotes() -> None:
    assert compose(['run.dir=/tmp/ü (1)=[x],"y"']).run.dir == '/tmp/ü (1)=[x],"y"'
    assert compose(["data=images", "data.path=2024"]).data.path == "2024"
    assert compose(["run.dir=null"]).run.dir is None
    assert compose(["run.dir='a b'"]).run.dir == "a b"


def test_all_problems_are_told_at_once() -> None:
    found = problems(
        "cnn",
        "a=[",
        "model=nope",
        "lr=1",
        "seed=-1",
        "trainer.epochs=abc",
        "loss.label_smoothing=2",
    )
    assert len(found) == 7
    with pytest.raises(Refused, match=r"7 problems; nothing was started:\n  1\. 'cnn' is"):
        compose(
            [
                "cnn",
                "a=[",
                "model=nope",
                "lr=1",
                "seed=-1",
                "trainer.epochs=abc",
                "loss.label_smoothing=2",
            ]
        )


def test_keys_of_a_choice_that_there_is_not_are_not_judged() -> None:
    assert len(problems("model=nope", "model.depth=3")) == 1
    assert len(problems("experiment=nope", "model.depth=3")) == 1


def test_half_precision_on_the_cpu_and_schedules_without_an_end() -> None:
    assert "bf16" in problems("trainer.precision=fp16", "trainer.device=cpu")[0]
    told = problems("trainer.epochs=null", "trainer.max_minutes=5")
    assert len(told) == 1 and "scheduler=none" in told[0]
    compose(["trainer.epochs=null", "trainer.max_minutes=5", "scheduler=none"])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    for name in ("model", "experiment", "teacher"):
        (tmp_path / name).mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(
        "# Mine.\n_target_: mynet.Net\nnum_classes: ${info.num_classes}\nwidth: 3\n"
    )
    (tmp_path / "teacher" / "big.yaml").write_text("# Big.\nsize: 3\n")
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.yaml").write_text(text)


def test_a_users_folder_adds_choices_groups_and_experiments(own: Path) -> None:
    write(
        own,
        "experiment/e1",
        "# @package _global_\ndefaults:\n  - override /model: mine\nmodel: {width: 7}\nseed: 3\n",
    )
    config = compose(["experiment=e1", "+teacher=big"], [own])
    assert (config.model._target_, config.model.width, config.seed) == ("mynet.Net", 7, 3)
    assert config.teacher.size == 3 and config.run.name == "digits-mine"
    assert compose(["model=mlp"], [own]).model._target_ == "models.mlp.MLP"
    assert "write +teacher=big" in problems("teacher=big", config_dirs=(own,))[0]
    assert "did you mean model=mine?" in problems("model=mien", config_dirs=(own,))[0]
    assert (
        "model.widht is not listed"
        in problems("model=mine", "model.widht=3", config_dirs=(own,))[0]
    )


def test_a_users_choice_stands_in_for_ours_and_so_does_their_train_yaml(own: Path) -> None:
    write(own, "model/cnn", "# Mine.\n_target_: mynet.Net\n")
    assert compose([], [own]).model._target_ == "mynet.Net"
    main = (conf_folder() / "train.yaml").read_text().replace("model: auto", "model: mine")
    write(own, "train", main)
    assert compose([], [own]).run.name == "digits-mine"
    second = own / "second"
    (second / "model").mkdir(parents=True)
    write(second, "model/mine", "# Nearer.\n_target_: other.Net\n")
    assert compose([], [second, own]).model._target_ == "other.Net"
    assert compose([], [own, second]).model._target_ == "mynet.Net"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x: [1\ny: 2\n", "bad.yaml:2:2:"),
        ("x: 1\nx: 2\n", "found duplicate key x"),
        ("x:\n\ty: 1\n", "indent with spaces"),
        ("- 1\n", "model does not say what to build"),
        ("hello\n", "model does not say what to build"),
        ("", "model does not say what to build"),
        ("_target_: a.B\nx: ${\n", "an interpolation is written ${section.key}"),
        ("defaults: [nope]\n_target_: a.B\n", "model=nope is not to be had"),
        ("_target_: a.B\nx: ???\n", "model.x is missing; give it: model.x=..."),
        ("_target_: a.B\nx: ${a.b}\n", "which does not exist"),
        ("defaults: 3\n_target_: a.B\n", "the config can't be composed"),
    ],
)
def test_a_broken_file_of_the_user_is_one_line(text: str, words: str, own: Path) -> None:
    write(own, "model/bad", text)
    found = problems("model=bad", config_dirs=(own,))
    assert len(found) == 1 and words in found[0], found


def test_a_file_that_is_no_text_is_one_line(own: Path) -> None:
    (own / "model" / "bad.yaml").write_bytes(b"\xff\xfe\x00x: 1")
    assert len(problems("model=bad", config_dirs=(own,))) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# @package _global_\ntrainer: {epoch: 3}\n", "did you mean trainer.epochs?"),
        ("# @package _global_\noptimizr: {lr: 3}\n", "optimizr: there is no such section"),
        ("trainer: {epochs: 3}\n", "has to begin with the line '# @package _global_'"),
        ("# @package _global_\ndefaults:\n  - override /modle: cnn\n", "did you mean model?"),
        ("# @package _global_\ndefaults:\n  - override /model: cnnn\n", "did you mean cnn?"),
        ("# @package _global_\noptimizer: {lr: -1}\n", "optimizer.lr is -1"),
        ("# @package _global_\nmodel: 3\n", "model does not say what to build"),
    ],
)
def test_a_wrong_experiment_of_the_user_is_one_line(text: str, words: str, own: Path) -> None:
    write(own, "experiment/bad", text)
    found = problems("experiment=bad", config_dirs=(own,))
    assert len(found) == 1 and words in found[0], found


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    found = problems(config_dirs=(tmp_path / "cofn",))
    assert "is not a folder; did you mean conf?" in found[0]


def test_an_override_of_several_optimizers_composes(own: Path) -> None:
    (own / "optimizer").mkdir()
    write(
        own,
        "optimizer/two",
        "# Two.\na: {_target_: torch.optim.SGD, lr: 1}\nb: {_target_: torch.optim.SGD, lr: 2}\n",
    )
    write(own, "scheduler", "")
    config = compose(["optimizer=two", "scheduler=none", "optimizer.a.lr=3"], [own])
    assert config.optimizer.a.lr == 3


def test_it_works_from_anywhere_without_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from trainer.config.compose import compose\n"
        "from trainer.errors import Refused\n"
        "compose(['model=mlp'])\n"
        "try: compose(['modle=mlp', 'optimizer.lr=-1'])\n"
        "except Refused as error: assert len(error.problems) == 2\n"
        "assert 'torch' not in sys.modules and 'torchvision' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)


def test_a_python_that_hydra_does_not_start_on_is_told_before_hydra_is_imported() -> None:
    program = (
        "import sys; sys.version_info = (3, 14, 0); from trainer.errors import Refused\n"
        "try: import trainer.config.compose\n"
        "except Refused as error: print(error)\n"
        "assert 'hydra' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert "this is Python 3.14" in done.stdout and "use Python 3.11 to 3.13" in done.stdout

"""What users do wrong before a run, and what they get: the line, exit code 2, nothing left."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mistakes import DATA, LINEAR, NET, folder_of_a_user, refused, train

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder of a user's, in which every test stands."""
    with folder_of_a_user(tmp_path):
        yield tmp_path


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["optimizer.lrr=1"], "did you mean optimizer.lr=1?"),
        (["modle=cnn"], "did you mean model=cnn?"),
        (["model=cn"], "model=cn is not to be had; did you mean model=cnn?"),
        (["+typo=1"], "+typo: there is no such key"),
        (["+trainer.typo=1"], "+trainer.typo: there is no such key; trainer has device"),
        (["+optimizer.typo=1"], "optimizer.typo is no argument of torch.optim.AdamW; it takes"),
        (["+data.typo=1"], "data.typo is no argument of data.digits.digits"),
        (["+loader.batch=1"], "did you mean loader.batch_size?"),
        (["+checkpoint.evry=1"], "did you mean checkpoint.every?"),
        (["+model.depht=3"], "model.depht is no argument of models.cnn.CNN; it takes input_shape"),
        (["trainer.epochs=abc"], "trainer.epochs is 'abc'; it has to be a whole number, 1 or more"),
        (["trainer.epochs=0"], "trainer.epochs is 0; it has to be a whole number, 1 or more"),
        (["optimizer.lr=-1"], "optimizer.lr is -1; it has to be a number, more than 0"),
        (["optimizer.lr=nan"], "optimizer.lr is nan"),
        (["seed=-1"], "seed is -1; it has to be a whole number, 0 or more"),
        (["data.validation=2"], "validation (2) in data.validation; give a fraction"),
        (["data.validation=0.5", "data.test=0.5"], "leaves nothing to train on"),
        (["loader.batch_size=0"], "loader.batch_size is 0"),
        (["loader.timeout=0"], "timeout (0) in loader.timeout; give seconds above 0"),
        (["loader.batch_size=9999", "loader.drop_last=true"], "set loader.drop_last=false or"),
        (["evaluation.select=acuracy"], "which is no metric; did you mean accuracy?"),
        (["evaluation.select=test/accuracy"], "never on test; say accuracy"),
        (["data.validation=0", "evaluation.patience=2"], "there is no validation split"),
        (["data.validation=0", "scheduler=plateau"], "there is no validation split"),
        (["model._target_=modles.cnn.CNN"], "no module modles; did you mean models?"),
        (["model._target_=models.cnn.CNNN"], "did you mean models.cnn.CNN?"),
        (["model._target_=models.cnn"], "a module and can't be called"),
        (["model._target_=usernet.plain"], "leave them out: ~model.input_shape ~model.num_classes"),
        (["model.width=0"], "width is 0 and stages is 2; each has to be 1 or more"),
        (["model=mlp", "model.hidden=[0]"], "each layer has to have 1 feature or more"),
        (["model=resnet18"], "to have 3 channels, but got 1 channels"),
        (["trainer.precision=fp16"], "use trainer.precision=bf16 or fp32"),
        (["optimizer=rmsprop", "trainer.fused=true"], "use trainer.fused=auto"),
        (["parameters.freeze=['*']"], "parameters.freeze leaves nothing to train"),
        (["parameters.freeze=['x.*']"], "'x.*' matches none of the 14 parameters"),
        (["resume="], "resume= names no folder"),
        (["run.dir="], "run.dir is ''; it has to be the path of a folder"),
        (["run.name=a/b"], "a folder name without /"),
        (["--config-dir", "nowhere"], "--config-dir nowhere is not a folder"),
        (["data=mnist", "data.path=none", "data.download=false"], "MNIST (none/MNIST/raw) was not"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_command_line(words: list[str], told: str, capsys: Capture) -> None:
    assert told in refused(capsys, *words)


def test_all_is_told_at_once(capsys: Capture) -> None:
    words = ("optimizer.lrr=1", "modle=cnn", "model=cn", "+typo=1", "trainer.epochs=abc", "seed=-1")
    told = refused(capsys, *words, quick=())
    assert told.startswith("error: 6 problems; nothing was started:\n")
    assert len(told.splitlines()) == 7


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there(device: str, capsys: Capture) -> None:
    import torch

    if getattr(torch, device).is_available():
        pytest.skip(f"{device} is there")
    assert "use trainer.device=auto" in refused(capsys, f"trainer.device={device}")


def test_an_optimizer_that_needs_a_closure(capsys: Capture) -> None:
    keys = ("~optimizer.betas", "~optimizer.eps", "~optimizer.weight_decay")
    told = refused(capsys, "optimizer._target_=torch.optim.LBFGS", *keys)
    assert "LBFGS evaluates the loss several times a step" in told


@pytest.mark.parametrize(
    ("mode", "words", "told"),
    [
        ("", ["+model.outputs=8"], "the model gives 8 outputs, but the data has 10 classes"),
        ("", ["+model.outputs=12"], "the model gives 12 outputs, but the data has 10 classes"),
        ("", ["task.inputs=[image]"], "don't fit a batch, which is a tuple of 2; write positions"),
        ("", ["task.target=7"], "task.target=7 don't fit a batch"),
        ("", ["model._target_=usernet.Pair"], "missing 1 required positional argument: 'other'"),
        ("", ["model._target_=usernet.text"], "the model is a str, not an object of a torch.nn"),
        ("constructor", [], "usernet.Net can't be built: KeyError: 'no such thing' (raised in"),
        ("raises", [], "the model fails on a batch of float32[32, 1, 8, 8], int64[32]: Runtime"),
        ("eval", [], "check that the model works after eval()"),
        ("lazy", [], "has parameters without a shape (body.weight, body.bias)"),
        ("unused", [], "2 parameters of model without a gradient (extra.weight, extra.bias)"),
        ("frozen", [], "the model has only frozen parameters"),
        ("object", [], "with logits, hidden, not a tensor; say which part of it is compared"),
        ("object", ["task.output=logit"], "task.output is 'logit', but the model's output is"),
        ("dict", [], "task.output=logits"),
        ("tuple", [], "task.output=0"),
        ("nothing", [], "the model's forward returns nothing (None)"),
        ("numpy", [], "a ndarray, not a tensor"),
        ("detached", [], "the loss doesn't depend on the weights"),
        ("spatial", [], "the loss fails on outputs float32[32, 10, 1, 1]"),
        ("batchnorm", ["loader.batch_size=419"], "the last batch of an epoch has 1 sample"),
        ("batchnorm", ["loader.batch_size=1"], "raise loader.batch_size"),
    ],
    ids=str,
)
def test_a_model_of_ones_own(mode: str, words: list[str], told: str, capsys: Capture) -> None:
    given = [f"+model.mode={mode}"] if mode else []
    assert told in refused(capsys, *NET, *given, *words)


def test_unused_parameters_can_be_frozen_as_it_is_said(capsys: Capture) -> None:
    words = (*NET, "+model.mode=unused")
    told = refused(capsys, *words)
    remedy = told.partition("freeze them: '")[2].rpartition("'")[0]
    assert train(capsys, *words, remedy).code == 0


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("vector", [], "the loss returns [32], not one number"),
        ("number", [], "the loss returns float; it has to return a tensor of one number"),
        ("plain", ["trainer.accumulate=2"], "the loss doesn't say what its mean counts"),
        ("halves", ["trainer.accumulate=2"], "so accumulation would change what is trained"),
    ],
)
def test_a_loss_of_ones_own(name: str, words: list[str], told: str, capsys: Capture) -> None:
    loss = (f"loss._target_=usernet.{name}", "~loss.label_smoothing")
    assert told in refused(capsys, *loss, "+loss._partial_=true", *words)
    assert "write +loss._partial_=true" in refused(capsys, *loss)


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("dict", "write task.inputs=[input] task.target=label"),
        ("float_labels", "labels are float64[4]; give each sample a whole number (int)"),
        ("text_labels", "labels come as a tuple, not as numbers"),
        ("columns", "labels are int64[4, 1], one dimension too many"),
        ("one_based", "label 3 is out of range; labels have to be 0 to 2 for 3 classes"),
        ("tensors", "15 labels of the train split out of range (3 at row 3, 3 at row 7"),
        ("all_nan", "the loss of the first batch is nan; look for missing or huge values"),
        ("bytes", "models take float32, but the data gives uint8[4, 1, 8, 8]"),
        (
            "alone",
            "a batch, which is one tensor [4, 1, 8, 8]; let the dataset give (input, target)",
        ),
        ("no_train", "the data has no training split"),
        ("empty", "the validation split of the data is empty (0 samples)"),
        ("one_class", "info.num_classes of the data is 1; classification needs two or more"),
        ("few_names", "info.classes of the data names 2 classes, but info.num_classes is 3"),
        ("nameless", "the data's info, a Nameless, has no classes and no num_classes"),
        ("dict_info", "the data's info, a dict, has no classes"),
        ("pair", "the data is a tuple without train, validation, test, info"),
        ("missing_file", "FileNotFoundError: no such file: x.csv (raised in userdata.py"),
    ],
)
def test_data_of_ones_own(mode: str, told: str, capsys: Capture) -> None:
    assert told in refused(capsys, *DATA, f"+data.mode={mode}")


def test_info_that_a_model_asks_for_in_vain(capsys: Capture) -> None:
    words = [word for word in DATA if word not in LINEAR]
    model = ("model._target_=usernet.linear", "~model.input_shape", *NET[3:])
    told = refused(capsys, *words, *model, "model.num_classes=${info.num_clases}")
    assert "there is no ${info.num_clases}; did you mean ${info.num_classes}?" in told


def test_a_package_of_ones_own_that_is_hidden_by_ours(place: Path, capsys: Capture) -> None:
    (place / "models").mkdir()
    (place / "models" / "net.py").write_text("class Net: pass\n")
    told = refused(capsys, *NET, "model._target_=models.net.Net")
    assert "your own models is hidden by it; rename your folder, such as my_models" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def f(:\n", "SyntaxError: invalid syntax"),
        ("import not_there\n", "No module named 'not_there'"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_can_not_be_imported(
    text: str, told: str, place: Path, capsys: Capture
) -> None:
    (place / "brokennet.py").write_text(text)
    said = refused(capsys, *NET, "model._target_=brokennet.Net")
    assert "importing brokennet failed" in said and told in said and "brokennet.py:1" in said


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"_target_: a.b\n  x: [1\n", "own/model/mine.yaml:2:4"),
        (b"_target_: a.b\nx:\n\ty: 1\n", "indent with spaces"),
        (b"_target_: a.b\nx: 1\nx: 2\n", "found duplicate key x"),
        (b"", "model does not say what to build"),
        (b"\xff\xfe\x00", "mine.yaml can't be read (it is no UTF-8 text)"),
        (b"_target_: !!python/object/apply:os.system ['echo']\n", "mine.yaml:1:11"),
    ],
)
def test_a_config_file_of_ones_own(content: bytes, told: str, place: Path, capsys: Capture) -> None:
    (place / "own" / "model").mkdir(parents=True)
    (place / "own" / "model" / "mine.yaml").write_bytes(content)
    assert told in refused(capsys, "--config-dir", "own", "model=mine")

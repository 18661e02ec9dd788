"""A stranger's config names nothing but what fivestep ships, however a name is dressed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.config.trust import refuse_untrusted, shipped_targets
from trainer.errors import Refused

HERE = Path("run")
# Hydra's own list of forbidden names lets those of the second paragraph pass (hydra-core 1.3.8).
LISTED = """
os.system posix.system builtins.eval builtins.exec pickle.loads timeit.timeit code.interact
code.InteractiveInterpreter subprocess.run subprocess.Popen subprocess.check_output os.execv
os.popen pty.spawn runpy.run_path runpy.run_module marshal.loads shelve.open

builtins.open builtins.getattr builtins.setattr builtins.__import__ builtins.compile builtins.vars
operator.attrgetter operator.methodcaller functools.partial functools.reduce
importlib.import_module importlib.util.spec_from_file_location pathlib.Path pathlib.Path.write_text
shutil.rmtree os.remove os.mkdir os.environ.get urllib.request.urlopen urllib.request.urlretrieve
socket.create_connection ctypes.CDLL zipfile.ZipFile.extractall tarfile.open
logging.config.dictConfig
numpy.load numpy.fromfile joblib.load yaml.load yaml.unsafe_load pandas.read_pickle
torch.load torch.save torch.serialization.load torch.hub.load torch.hub.load_state_dict_from_url
torch.jit.load torch.export.load torch.package.PackageImporter torch.ops.load_library
torch.classes.load_library torch.utils.cpp_extension.load_inline torch.utils.cpp_extension.load
torch.distributed.checkpoint.load torch.utils.data.DataLoader torch.nn.Module torch.optim
safetensors.torch.load_file onnxruntime.InferenceSession tensorboard.program.TensorBoard
transformers.AutoModel.from_pretrained transformers.pipeline timm.create_model.__globals__
hydra.utils.instantiate hydra.utils.get_method hydra._internal.utils._locate
omegaconf.OmegaConf.load omegaconf.OmegaConf.register_new_resolver

models.cnn.torch.load models.cnn.nn.Module models.mlp.math.prod models.cnn.CNN.__init__.__globals__
models.cnn models.cnn.CNN.forward models.cnn.CNN.__class__ data.digits.gzip.open
data.loading.loaders.torch.hub.load data.pixels.decoding.Image.open
data.torchvision.sets.pickle.loads
trainer.schedule.Schedule.__init__ trainer.task.torch.load trainer.cli.main
trainer.export.Artefacts.write trainer.storage.atomic.write_bytes
trainer.storage.checkpoint.shutil.rmtree
"""
NAMES = LISTED.split()
# Much like names that are shipped, or that lead to them.
DRESSED = [
    "models.cnn.CNN ",
    " models.cnn.CNN",
    "models.cnn.CNN\n",
    "models..cnn.CNN",
    "models.cnn.CNN.",
    "Models.cnn.CNN",
    "models.cnn.CNN\u200b",
    "models.cnn.\uff23NN",  # Python takes it for CNN
    "models/cnn.CNN",
    "models.cnn:CNN",
    "",
    ".",
    None,
    0,
    True,
    ["models.cnn.CNN"],
    ["os", "system"],
    {"_target_": "models.cnn.CNN", "a": {"_target_": "os.system"}},
]
PLACES: dict[str, Callable[[Any], Any]] = {
    "a section": lambda node: {"model": node},
    "an argument": lambda node: {"model": {"_target_": "models.cnn.CNN", "width": node}},
    "_args_": lambda node: {"model": {"_target_": "models.cnn.CNN", "_args_": [1, node]}},
    "a list of lists": lambda node: {"evaluation": {"metrics": [[1, [node]]]}},
    "a tuple": lambda node: {"evaluation": {"metrics": (("a", node),)}},
    "a node that is built later": lambda node: {
        "optimizer": {"_target_": "torch.optim.SGD", "_partial_": True, "lr": node}
    },
    "a node that is not built": lambda node: {
        "model": {"_target_": "models.cnn.CNN", "_recursive_": False, "width": {"a": node}}
    },
    "a key that is a number": lambda node: {"model": {1: {2: node}}},
}


@pytest.mark.parametrize("place", PLACES)
def test_a_name_is_refused_wherever_it_stands(place: str) -> None:
    for name in [*NAMES, *DRESSED]:
        config = PLACES[place]({"_target_": name, "_partial_": True})
        with pytest.raises(Refused, match="--trust"):
            refuse_untrusted(config, [], HERE)


def test_what_is_shipped_passes_in_each_of_these_places() -> None:
    """Else they would be refused for something else."""
    for place in PLACES.values():
        refuse_untrusted(place({"_target_": "models.cnn.CNN"}), [], HERE)


@pytest.mark.parametrize(
    "text",
    [
        "${oc.env:SECRET}",
        "${oc.env:SECRET,none}",
        "a${seed}b",
        "${oc.create:{_target_: os.system}}",
        "${oc.decode:${oc.env:X}}",
        "${oc.select:seed}",
        "${oc.dict.values:model}",
        "${hydra:runtime.cwd}",
        "${now:%Y}",
        "\\${seed}",
        "\\\\${seed}",
        "${${seed}}",
        "${",
    ],
)
@pytest.mark.parametrize("place", PLACES)
def test_an_interpolation_is_refused_wherever_it_stands(text: str, place: str) -> None:
    for node in (text, {"a": text}, {text: 1}, [text]):
        with pytest.raises(Refused, match="interpolation"):
            refuse_untrusted(PLACES[place](node), ["os.system"], HERE)


def test_every_name_that_is_shipped_is_a_class_or_a_function_of_its_own_module() -> None:
    """None of them leads on to something else: what it is called is where it is defined."""
    from trainer.config.targets import locate

    names = shipped_targets()
    assert len(names) > 30 and not names & set(NAMES)
    for name in names:
        found = locate(name, "x")
        assert not found.problem, found.problem
        defined = f"{found.thing.__module__}.{found.thing.__qualname__}"
        top = name.partition(".")[0]
        assert defined.partition(".")[0] == top and callable(found.thing), (name, defined)


def test_trust_is_for_exactly_the_names_that_are_given() -> None:
    config = {"a": {"_target_": "mine.one"}, "b": [{"_target_": "mine.two"}]}
    refuse_untrusted(config, ["mine.one", "mine.two"], HERE)
    for trusted in ([], ["mine.one"], ["mine"], ["mine.*"], ["mine.on"], ["mine.one "], ["*"]):
        with pytest.raises(Refused) as caught:
            refuse_untrusted(config, trusted, HERE)
        asked = str(caught.value).split("--trust ")[1:]
        assert [word.strip() for word in asked] == [
            name for name in ("mine.one", "mine.two") if name not in trusted
        ]

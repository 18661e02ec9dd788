"""No line of the source loads what could run: each that might is named here with its reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
# What is never called, by the end of its dotted name.
NEVER = (
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "cPickle.load",
    "dill.load",
    "dill.loads",
    "cloudpickle.load",
    "cloudpickle.loads",
    "joblib.load",
    "marshal.load",
    "marshal.loads",
    "shelve.open",
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "yaml.unsafe_load",
    "yaml.full_load",
    "yaml.load_all",
    "torch.hub.load",
    "torch.hub.load_state_dict_from_url",
    "hub.load",
    "cpp_extension.load",
    "cpp_extension.load_inline",
    "read_pickle",
    "extractall",
    "unpack_archive",
    "distributed.checkpoint.load",
    "dcp.load",
    "PackageImporter",
    "set_default_load_weights_only",
    "add_safe_globals",
    "safe_globals",
    "OmegaConf.register_new_resolver",
    "OmegaConf.unsafe_merge",
    "spec_from_file_location",
    "runpy.run_path",
    "tempfile.mktemp",
)
# What is called only here, and why that is safe.
ALLOWED = {
    "torch.load": {
        "trainer/storage/restore.py": "weights only, after the archive was looked at",
        "data/arrays/files.py": "weights only, of one's own data",
    },
    "torch.jit.load": {"trainer/export/torchscript.py": "one's own, or with --trust torchscript"},
    "torch.export.load": {"trainer/export/torch_export.py": "the same, --trust torch_export"},
    "onnx.load": {"trainer/export/onnx.py": "protobuf; what it refers to is not followed"},
    "numpy.load": {
        "data/arrays/files.py": "arrays only: allow_pickle=False, and objects are refused",
        "data/arrays/stack.py": "the same, where a worker maps a file again",
    },
    "load_library": {"data/pixels/originals.py": "torchvision's own, beside its package"},
    "yaml.load": {
        "trainer/storage/stored_config.py": "CSafeLoader or SafeLoader",
    },
    "instantiate": {
        "trainer/config/assembly.py": "of a config that is one's own, or was looked through",
    },
    "import_module": {
        "data/looks.py": "fixed names",
        "trainer/__init__.py": "fixed names",
        "trainer/commands/audit.py": "fixed names",
        "trainer/commands/init.py": "a fixed name",
        "trainer/config/looking.py": "a fixed name",
        "trainer/preflight.py": "a fixed name",
        "trainer/cli.py": "a command, of a fixed list",
        "trainer/config/targets.py": "a target of a config that was looked through",
        "trainer/doctor/probes.py": "fixed names",
        "trainer/evaluation/__init__.py": "fixed names",
        "trainer/export/child.py": "fixed names",
        "trainer/export/formats.py": "fixed names",
        "trainer/inference/predictors.py": "one of OWN_READERS",
    },
}


def files() -> list[Path]:
    found = sorted(SRC.rglob("*.py"))
    assert len(found) > 150
    return found


def name_of(node: ast.AST) -> str:
    """`torch.load` of a call to it; a question mark for what isn't called by a name."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the name by which it is imported, whatever it is called in the file."""
    tree = ast.parse(source)
    meant = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                meant[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                meant[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            head, dot, rest = name_of(node.func).partition(".")
            yield f"{meant.get(head, head)}{dot}{rest}", node


def ends(name: str, with_: str) -> bool:
    """Whether a dotted name is another, or leads to it; `model.eval()` is no `eval()`."""
    if with_ in ("eval", "exec"):
        return name in (with_, f"builtins.{with_}")
    return name == with_ or name.endswith(f".{with_}")


def faults(source: str, file: str) -> list[str]:
    """What a source does that none may do, or not here."""
    found = []
    for name, call in calls(source):
        where = f"{file}:{call.lineno}: {name}"
        keywords = {k.arg: k.value for k in call.keywords}

        def is_true(key: str, keywords: dict[str | None, ast.expr] = keywords) -> bool:
            value = keywords.get(key)
            return value is not None and not (
                isinstance(value, ast.Constant) and value.value is False
            )

        if any(ends(name, each) for each in NEVER):
            found.append(where)
        for each, places in ALLOWED.items():
            if ends(name, each) and file not in places:
                found.append(where)
        if ends(name, "torch.load"):
            value = keywords.get("weights_only")
            if not (isinstance(value, ast.Constant) and value.value is True):
                found.append(f"{where} without weights_only=True")
        if ends(name, "numpy.load"):
            value = keywords.get("allow_pickle")
            if not (isinstance(value, ast.Constant) and value.value is False):
                found.append(f"{where} without allow_pickle=False")
        if any(is_true(key) for key in ("shell", "allow_pickle", "trust_remote_code")):
            found.append(f"{where} with shell, allow_pickle or trust_remote_code")
    return found


def test_no_source_loads_what_could_run() -> None:
    found = []
    for path in files():
        found += faults(path.read_text(encoding="utf-8"), path.relative_to(SRC).as_posix())
    assert not found, "\n".join(found)


def test_every_place_that_is_allowed_is_needed() -> None:
    """So that the list above stays short."""
    used = {
        (each, path.relative_to(SRC).as_posix())
        for path in files()
        for name, _ in calls(path.read_text(encoding="utf-8"))
        for each in ALLOWED
        if ends(name, each)
    }
    unused = {(each, place) for each, places in ALLOWED.items() for place in places} - used
    assert not unused


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load(f)",
        "import torch\ntorch.load(f, weights_only=False)",
        "import torch\ntorch.load(f, weights_only=flag)",
        "from torch import load\nload(f)",
        "import torch as t\nt.load(f)",
        "import torch.serialization\ntorch.serialization.load(f); torch.hub.load('a', 'b')",
        "from pickle import loads as read\nread(b)",
        "import yaml\nyaml.load(t, Loader=yaml.Loader)",
        "import subprocess\nsubprocess.run(x, shell=True)",
        "import numpy as np\nnp.load(f)",
        "from numpy import load\nload(f, allow_pickle=True)",
        "eval('1')",
        "import builtins\nbuiltins.exec('1')",
        "import tarfile\ntarfile.open(f).extractall()",
        "import joblib\njoblib.load(f)",
    ],
)
def test_each_of_these_is_found(source: str) -> None:
    assert faults(source, "trainer/somewhere.py")


def test_what_is_harmless_is_not_found() -> None:
    for source in ("model.eval()", "import json\njson.loads(t)", "task.load_state_dict(s)"):
        assert not faults(source, "trainer/somewhere.py")
    assert not faults(
        "import torch\ntorch.load(f, weights_only=True)", "trainer/storage/restore.py"
    )
    assert not faults("import numpy\nnumpy.load(f, allow_pickle=False)", "data/arrays/files.py")

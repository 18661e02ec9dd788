"""Who may import whom (DESIGN section 2), read from the sources."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"
FILES = sorted(SOURCE.rglob("*.py"))
PACKAGES = ("trainer", "models", "data")
# The front door; nothing behind it has seen a DictConfig.
DOOR = (Path("trainer/config"), Path("hydra_plugins"))
# The command imports these before it knows whether torch is needed.
LIGHT = (
    "cli",
    "faults",
    "errors",
    "installation",
    "config/usage",
    "config/catalogue",
    "config/compose",
    "config/overrides",
    "config/schema",
    "config/values",
    "config/targets",
    "config/check",
    "storage/folder",
    # These answer, or start others, without torch.
    "commands/runs",
    "commands/doctor",
    "config/multirun",
    "config/swept",
    "config/sweep_rules",
    "evaluation/style",
    "sweep/sweep",
    "sweep/runner",
    "sweep/leaderboard",
)
HEAVY = {"torch", "torchvision", "torchaudio", "sklearn", "matplotlib", "tensorboard", "PIL"}
NEVER_AT_TOP = {"torchvision", "torchaudio", "sklearn", "matplotlib", "timm", "transformers"}
NEVER_AT_TOP |= {"onnx", "onnxruntime", "onnxscript", "optuna"}


def imports(tree: ast.AST, *, deep: bool) -> Iterator[str]:
    """The modules that a file imports: all of them, or only those that its own import imports."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if deep or not (later or checking):
            yield from imports(node, deep=deep)


def imported(file: Path, *, deep: bool = True) -> set[str]:
    return set(imports(ast.parse(file.read_text(encoding="utf-8")), deep=deep))


def tops(file: Path, *, deep: bool = True) -> set[str]:
    return {name.split(".")[0] for name in imported(file, deep=deep)}


def name_of(file: Path) -> str:
    return file.relative_to(SOURCE).as_posix()


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_the_packages_never_import_each_other(file: Path) -> None:
    own = file.relative_to(SOURCE).parts[0]
    if own in PACKAGES:
        assert not tops(file) & (set(PACKAGES) - {own})


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_hydra_stays_at_the_front_door_and_tensorboard_in_recording(file: Path) -> None:
    place = file.relative_to(SOURCE)
    if not any(map(place.is_relative_to, DOOR)) and place != Path("trainer/cli.py"):
        assert not tops(file) & {"hydra", "omegaconf"}
    if place.parts[:2] != ("trainer", "recording"):
        assert "tensorboard" not in tops(file)
        assert "torch.utils.tensorboard" not in imported(file)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_onnx_stays_in_export_and_optuna_in_sweep(file: Path) -> None:
    place = file.relative_to(SOURCE)
    if not place.is_relative_to("trainer/export"):
        # What stands alone in an export runs it; the doctor looks at versions, without an import.
        standing_alone = place == Path("data/images/standalone.py")
        allowed = {"onnxruntime"} if standing_alone else set()
        assert not (tops(file) & {"onnx", "onnxruntime", "onnxscript", "onnx_ir"}) - allowed
    if not place.is_relative_to("trainer/sweep"):
        assert "optuna" not in tops(file)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_what_is_optional_or_slow_is_not_imported_at_the_top(file: Path) -> None:
    assert not tops(file, deep=False) & NEVER_AT_TOP


@pytest.mark.parametrize("name", LIGHT)
def test_what_the_command_needs_at_once_imports_nothing_heavy(name: str) -> None:
    """Nor does anything of ours that it imports."""
    waiting = [SOURCE / "trainer" / f"{name}.py"]
    seen: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        assert not tops(file, deep=False) & HEAVY, name_of(file)
        for module in imported(file, deep=False):
            if module.split(".")[0] in PACKAGES:
                path = SOURCE.joinpath(*module.split("."))
                waiting += [path.with_suffix(".py"), path / "__init__.py"]
    assert seen


def test_imports_inside_trainer_point_one_way() -> None:
    """cli -> build, stages -> parts -> leaves; nothing imports the commands, nothing in a ring."""
    graph: dict[str, set[str]] = {}
    for file in (SOURCE / "trainer").rglob("*.py"):
        name = ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        if name != "trainer":  # its names are looked up when they are asked for
            graph[name] = imported(file)
    assert not [name for name, used in graph.items() if "trainer.cli" in used]
    door = {"trainer.cli", "trainer.commands", "trainer.config"}
    knowing = [name for name, used in graph.items() if "trainer.config.build" in used]
    assert {".".join(name.split(".")[:2]) for name in knowing} <= door
    # What a package's modules import of each other is a matter of the package.
    tops_of = {name: ".".join(name.split(".")[:2]) for name in graph}
    edges: dict[str, set[str]] = {}
    for name, used in graph.items():
        inner = {tops_of[other] for other in used if other in tops_of}
        edges.setdefault(tops_of[name], set()).update(inner - {tops_of[name]})
    while leaves := [name for name, used in edges.items() if not used & set(edges)]:
        for name in leaves:
            del edges[name]
    assert not edges, f"these import each other in a ring: {sorted(edges)}"


def test_the_rules_can_fail(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text(
        "from typing import TYPE_CHECKING\nimport torch.nn\nif TYPE_CHECKING:\n    import hydra\n"
        "def f():\n    from data.splits import Splits\n"
    )
    assert tops(file) == {"typing", "torch", "hydra", "data"}
    assert tops(file, deep=False) == {"typing", "torch"}

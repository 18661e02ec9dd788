"""The thing that a `_target_` names, found step by step, so the step that fails is told."""

import inspect
import os
import pkgutil
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from trainer.config.catalogue import did_you_mean

OURS = ("trainer", "models", "data")
# Installed under the name of their module, and named in our own config files.
OPTIONAL = ("timm", "transformers", "torchaudio", "torchvision", "torchmetrics")
LIKELY = (*OURS, *OPTIONAL, "torch", "sklearn")


@dataclass(frozen=True)
class Target:
    """What a name stands for, or the line that says why it stands for nothing."""

    thing: Any = None
    problem: str = ""


def locate(name: str, path: str) -> Target:
    """Import what `name` stands for; `path` is the node in whose problem it is told."""
    where = f"{path}._target_ is {name}"
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)+", name):
        return Target(problem=f"{where}; it has to be package.module.Name")
    thing: Any = None
    parts = name.split(".")
    for count, part in enumerate(parts, 1):
        dotted = ".".join(parts[:count])
        try:
            thing = import_module(part) if count == 1 else step(thing, part, dotted)
        except ModuleNotFoundError as error:
            if error.name != dotted:
                return Target(problem=f"{where}, but {failure(error, dotted)}")
            if count == 1:
                return Target(problem=f"{where}, but {unknown_package(part)}")
            return Target(problem=f"{where}, but {unknown_part(thing, parts, count)}")
        except AttributeError:
            return Target(problem=f"{where}, but {unknown_part(thing, parts, count)}")
        except (Exception, SystemExit) as error:  # what an import runs is foreign code
            return Target(problem=f"{where}, but {failure(error, dotted)}")
    if callable(thing):
        return Target(thing)
    kind = "a module" if isinstance(thing, ModuleType) else f"a {type(thing).__name__}"
    near = did_you_mean(parts[-1], public(thing), name + ".{}", least=0.5)
    return Target(problem=f"{where}, which is {kind} and can't be called{near or told(thing)}")


def told(thing: Any) -> str:
    """What can be named instead of a module: the classes and functions that it defines."""
    names = [
        name
        for name in public(thing)
        if getattr(getattr(thing, name, None), "__module__", None) == getattr(thing, "__name__", "")
    ]
    return f"; it has {', '.join(names[:10])}" if names else "; name a class or a function"


def step(thing: Any, part: str, dotted: str) -> Any:
    """The attribute of a thing, or the submodule of a package."""
    missing = object()
    found = getattr(thing, part, missing)
    if found is not missing:
        return found
    if not hasattr(thing, "__path__"):
        raise AttributeError(part)
    return import_module(dotted)


def unknown_package(name: str) -> str:
    """Why the first part of a target can't be imported."""
    if name in OPTIONAL:
        return f"{name} is not installed; pip install {name}"
    here = Path.cwd()
    own = [file.stem for file in here.glob("*.py")]
    own += [folder.name for folder in here.glob("*/") if next(folder.glob("*.py"), None)]
    near = did_you_mean(name, [*own, *LIKELY], least=0.7)
    return (
        f"there is no module {name}{near}"
        f"{' Or' if near else ';'} put {name}.py into the current folder ({here}), or install it"
    )


def unknown_part(thing: Any, parts: list[str], count: int) -> str:
    """Why a part of a target is not in the one before it."""
    before, part, rest = ".".join(parts[: count - 1]), parts[count - 1], parts[count:]
    names = public(thing)
    pattern = ".".join([before, "{}", *rest])
    if parts[0] in OURS and (own := own_package(parts)):
        return (
            f"fivestep's package {before} has no {part}, and your own {own} is hidden by it; "
            f"rename your folder, such as my_{parts[0]}, and write my_{'.'.join(parts)}"
        )
    return f"{before} has no {part}{did_you_mean(part, names, pattern) or listing(names)}"


def listing(names: Iterable[str]) -> str:
    """The names where they are few enough to be read."""
    found = list(names)
    return f"; it has {', '.join(found)}" if 0 < len(found) <= 12 else ""


def own_package(parts: list[str]) -> str:
    """The user's package or module in the current folder that a target of our name may mean."""
    module = sys.modules.get(parts[0])
    ours = Path(getattr(module, "__file__", None) or ".").resolve().parent
    package = Path.cwd() / parts[0]
    if package.resolve() == ours:
        return ""
    inside = package.joinpath(*parts[1:2])
    files = (inside, inside.with_suffix(".py"))
    if len(parts) > 2 and any(file.exists() for file in files):
        return os.path.relpath(package)
    for file in (package / "__init__.py", package.with_suffix(".py")):
        if file.is_file() and parts[-1] in file.read_text(encoding="utf-8", errors="replace"):
            return os.path.relpath(file if file.parent != package else package)
    return ""


def public(thing: Any) -> list[str]:
    """The public names of a thing, with the submodules of a package."""
    names = [name for name in dir(thing) if not name.startswith("_")]
    if inspect.ismodule(thing) and hasattr(thing, "__path__"):
        names += [module.name for module in pkgutil.iter_modules(thing.__path__)]
    return sorted({name for name in names if not name.startswith("_")})


def failure(error: BaseException, module: str) -> str:
    """What went wrong in the import of a module: the error's last line and its place."""
    first = next(iter(str(error).splitlines()), "")
    what = f"{type(error).__name__}: {first}"
    if isinstance(error, SyntaxError) and error.filename:
        what = f"{type(error).__name__}: {error.msg}"
        place = f"{error.filename}:{error.lineno}"
    else:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "importlib" not in frame.filename]
        place = f"{own[-1].filename}:{own[-1].lineno}" if own else module
    return f"importing {module} failed: {what} ({place})"

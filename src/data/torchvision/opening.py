"""A dataset of torchvision in each of its own splits, whatever arguments its class takes."""

import contextlib
import inspect
import re
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import DataError

ROLES = {
    "train": ("train", "training", "train-standard", "trainval"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
OWN = ("transform", "target_transform", "transforms", "root", "download", "loader")


def own_splits(make: Any, root: Path, download: bool, options: dict[str, Any]) -> dict[str, Any]:
    """Open every split of a dataset; "" for one that has none of its own."""
    known = _parameters(make)
    unknown = [key for key in options if key not in known or key in OWN]
    if unknown:
        choices = ", ".join(key for key in known if key not in OWN) or "none"
        raise DataError(
            *(
                f"option {key!r} in data.options is none of {make.__name__} that can be set there; "
                f"it has {choices}"
                for key in unknown
            )
        )
    fixed = dict(options)
    if "root" in known:
        fixed["root"] = str(root)
    if "download" in known:
        fixed["download"] = download
    needed = [
        key
        for key, parameter in known.items()
        if parameter.default is parameter.empty and key not in {*fixed, *OWN, "train"}
    ]
    if needed and not (needed == ["split"] and "train" not in known):
        valid = _valid(make, needed[0], fixed)
        shown = f", one of {', '.join(valid)}" if valid else ""
        raise DataError(
            f"{make.__name__} needs {needed[0]!r}{shown}; give it in data.options: "
            f"data.options={{{needed[0]}: ...}}"
        )
    if "train" in known and "train" not in options:
        chosen: dict[str, Any] = {"train": True, "test": False}
        return {
            role: _opened(make, root, {**fixed, "train": value}) for role, value in chosen.items()
        }
    if "split" in known and "split" not in options:
        valid = _valid(make, "split", fixed)
        chosen = {
            role: next((value for value in values if value in valid), None)
            for role, values in ROLES.items()
        }
        if chosen["train"] is None:
            raise DataError(
                f"the splits of {make.__name__} ({', '.join(valid)}) are none to train on; choose "
                "one in data.options: data.options={split: ...}"
            )
        return {
            role: _opened(make, root, {**fixed, "split": value})
            for role, value in chosen.items()
            if value is not None
        }
    return {"": _opened(make, root, fixed)}


def _parameters(make: Any) -> dict[str, inspect.Parameter]:
    """Return what a class takes; through **kwargs, what the class that it is made from takes."""
    found: dict[str, inspect.Parameter] = {}
    for each in make.__mro__:
        if "__init__" not in vars(each):
            continue
        own = list(inspect.signature(each.__init__).parameters.values())[1:]
        for parameter in own:
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                found.setdefault(parameter.name, parameter)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own):
            break
    return found


def _valid(make: Any, key: str, fixed: Mapping[str, Any]) -> list[str]:
    """Return the values that an argument can have: torchvision lists them for a wrong one."""
    try:
        with _quiet():
            make(**{**fixed, "download": False} if "download" in fixed else fixed, **{key: "?"})
    except ValueError as error:
        _, _, told = str(error).partition("Valid values are")
        return re.findall(r"'([^']*)'", told)
    except Exception:
        # What else a class does with a value that it doesn't know tells nothing.
        return ["train", "test"] if key == "split" else []
    return []


def _opened(make: Any, root: Path, arguments: Mapping[str, Any]) -> Any:
    """Open a dataset; what goes wrong becomes one line that says what to do."""
    name = make.__name__
    absent = [path for path in (root, *root.parents) if not path.exists()]
    try:
        with _quiet():
            return make(**arguments)
    except (ImportError, ModuleNotFoundError) as error:
        raise DataError(f"{name} needs a package ({error}); install it with pip") from error
    except (RuntimeError, OSError) as error:
        with contextlib.suppress(OSError):  # torchvision makes folders before it looks
            for path in absent:
                path.rmdir()
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[0] if lines else type(error).__name__
        reason = reason.replace("You can use download=True to download it", "").strip(" .")
        way = (
            f"put its files into {root}, as torchvision.datasets.{name} has them"
            if "root" in arguments
            else "check data.options"
        )
        if "download" in arguments:
            online = (
                "connect to the internet" if arguments["download"] else "set data.download=true"
            )
            way = f"{online}, or {way}"
        raise DataError(f"{name} in {root} can't be opened ({reason}); {way}") from error
    except Exception as error:
        # A damaged file makes whatever reads it raise anything.
        told = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{name} in {root} can't be opened ({told}); check data.options and the files"
        ) from error


@contextlib.contextmanager
def _quiet() -> Any:
    """Keep notes of progress out of the command's result."""
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"dtype\(\): align")
        yield

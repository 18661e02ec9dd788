"""Arrays in .npy, .npz, .pt and .safetensors files, by name; nothing in them is executed."""

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.inputs import nearest

Named = Mapping[str, NDArray[Any]]
SINGLE = ".npy"
SEVERAL = (".npz", ".pt", ".pth", ".safetensors")
ENDINGS = (SINGLE, *SEVERAL)
INPUTS = ("x", "inputs", "input", "features", "data", "images", "image", "samples", "xs", "arr_0")
TARGETS = ("y", "labels", "label", "targets", "target", "classes", "class", "ys", "arr_1")
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
NO_PICKLE = (
    "holds Python objects, which can run code when they are read; save plain numbers or strings: "
    "numpy.save(file, numpy.array(values, dtype=...))"
)

# What numpy and torch say of files that hold objects.
NO_PICKLE_TORCH = (
    "holds other things than tensors, which can run code when they are read; save tensors by name: "
    "torch.save({'x': x, 'y': y}, file), with torch.as_tensor(...) of what is none yet"
)
PICKLED = ("allow_pickle", "Python objects", "Weights only load failed")


class Pair(NamedTuple):
    """Inputs and targets of one split, or of all samples."""

    split: str
    """"train", "validation", "test", or "" for what is to be split."""
    inputs: NDArray[Any]
    targets: NDArray[Any] | None
    name: str
    """What the inputs are called, for messages and samples."""
    target_name: str


def open_arrays(path: str | Path | None) -> Named:
    """Return all arrays of a file, of a folder, or of the .npy files beside one, by name.

    .npy files are mapped, not read.

    Raises:
        DataError: no path, nothing there, or files that can't be read or hold Python objects.
    """
    if path is None or not str(path).strip():
        raise DataError(
            "data.path is needed: data.path=FOLDER with x.npy and y.npy, or one .npz, .pt or "
            ".safetensors file"
        )
    place = Path(path).expanduser()
    if place.is_dir():
        files = sorted(file for file in place.iterdir() if file.suffix.lower() in ENDINGS)
        if not files:
            raise DataError(f"{place} in data.path holds no {', '.join(ENDINGS)}; give another")
        single = [file for file in files if file.suffix.lower() == SINGLE]
        if single:
            return {file.stem: open_file(file)[file.stem] for file in single}
        found: dict[str, NDArray[Any]] = {}
        for file in files:
            more = open_file(file)
            named = {f"{file.stem}_{key}": value for key, value in more.items()}
            found |= dict(more) if len(files) == 1 else named
        return found
    if not place.exists():
        raise DataError(f"{place} in data.path does not exist{nearest(place, '; check data.path')}")
    if place.suffix.lower() == SINGLE:
        return open_arrays(place.parent)
    return open_file(place)


def open_file(place: Path) -> Named:
    """Return the arrays of one file by name; raises DataError where it can't be read."""
    ending = place.suffix.lower()
    if ending not in ENDINGS:
        raise DataError(f"{place} is no {', '.join(ENDINGS)}; give one of these")
    try:
        if ending == SINGLE:
            return {place.stem: _sound(np.load(place, mmap_mode="r", allow_pickle=False), place)}
        if ending == ".npz":
            # Opened here: numpy leaves the file of a damaged archive open.
            with place.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return {key: _sound(archive[key], place) for key in archive.files}
        if ending == ".safetensors":
            from safetensors.numpy import load_file

            return dict(load_file(place))
        return _tensors(place)
    except DataError:
        raise
    except Exception as error:  # a damaged file makes each format raise kinds of its own
        text = " ".join(str(error).split())
        if ending in (".npy", ".npz") and not _is_numpy(place):
            raise DataError(f"{place} is no {ending} file inside; write it again") from error
        if any(mark in text for mark in PICKLED):
            why = NO_PICKLE_TORCH if ending in (".pt", ".pth") else NO_PICKLE
            raise DataError(f"{place} {why}") from error
        raise DataError(f"{place} can't be read ({text[:200]}); write it again") from error


def _is_numpy(place: Path) -> bool:
    """Whether a file begins as what numpy writes: an array, or a zip archive of arrays."""
    with place.open("rb") as file:
        return file.read(6).startswith((b"\x93NUMPY", b"PK"))


def from_bytes(content: bytes) -> NDArray[Any]:
    """Return the array that the content of a .npy file holds; raises DataError."""
    try:
        return _sound(np.load(io.BytesIO(content), allow_pickle=False), "the input")
    except DataError:
        raise
    except Exception as error:
        raise DataError("the input is no .npy file; give one written by numpy.save") from error


def pairs_in(arrays: Named, inputs: str | None, targets: str | None) -> list[Pair]:
    """Return inputs and targets of each split, told apart by their names.

    Args:
        arrays: all that there are.
        inputs: name of the inputs; None: x, inputs, features, data, images ...
        targets: name of the targets; None: y, labels, targets ...

    Raises:
        DataError: a name that isn't there, or none that is known.
    """
    found: dict[str, dict[str, str]] = {}
    for name in arrays:
        split, kind = _split_and_kind(name, inputs, targets)
        if kind:
            found.setdefault(split, {})[kind] = name
    names = ", ".join(f"{key} {list(value.shape)}" for key, value in list(arrays.items())[:10])
    problems = [
        f"data.{key} is {wanted!r}, but there are {names}"
        for key, wanted in (("inputs", inputs), ("targets", targets))
        if wanted is not None and not any(key in kinds for kinds in found.values())
    ]
    if not problems and not any("inputs" in kinds for kinds in found.values()):
        problems.append(
            f"no inputs among {names}; call them x (or x_train ...), or name them: data.inputs=..."
        )
    if problems:
        raise DataError(*problems)
    splits = [
        split for split in ("train", "validation", "test") if "inputs" in found.get(split, {})
    ]
    if "train" not in splits:
        splits = [""] if "inputs" in found.get("", {}) else splits
    return [
        Pair(
            split,
            arrays[found[split]["inputs"]],
            arrays[found[split]["targets"]] if "targets" in found[split] else None,
            found[split]["inputs"],
            found[split].get("targets", ""),
        )
        for split in splits
    ]


def _split_and_kind(name: str, inputs: str | None, targets: str | None) -> tuple[str, str]:
    """Return the split of an array and whether it holds "inputs", "targets" or ("") neither."""
    words = [word for word in re.split(r"[_\-./ ]+", name.lower()) if word]
    split = next((SPLITS[word] for word in words if word in SPLITS), "")
    rest = "_".join(word for word in words if word not in SPLITS)
    plain = re.fullmatch(r"(x|y)(train|val|valid|test)", name.lower())
    if plain:
        rest, split = plain[1], SPLITS[plain[2]]
    for kind, wanted, usual in (("inputs", inputs, INPUTS), ("targets", targets, TARGETS)):
        if wanted is None and rest in usual:
            return split, kind
        if wanted is not None and name == wanted:
            return split, kind
        if wanted is not None and rest == wanted.lower():
            return split, kind
    return split, ""


def _sound(array: NDArray[Any], place: Path | str) -> NDArray[Any]:
    if array.dtype.hasobject:
        raise DataError(f"{place} {NO_PICKLE}")
    return array


def _tensors(place: Path) -> Named:
    import torch

    content = torch.load(place, weights_only=True, map_location="cpu")
    if isinstance(content, torch.Tensor):
        content = {place.stem: content}
    if isinstance(content, tuple | list):
        content = dict(zip(("x", "y"), content, strict=False)) if len(content) == 2 else {}
    tensors = {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise DataError(
            f"{place} holds no tensors by name; save them as torch.save({{'x': x, 'y': y}}, file)"
        )
    return {key: as_array(value) for key, value in tensors.items()}


def as_array(values: Any) -> NDArray[Any]:
    """Return a tensor, or anything that numpy takes, as an array; of a CPU tensor no copy."""
    if hasattr(values, "detach"):
        tensor = values.detach().cpu()
        if str(tensor.dtype) in ("torch.bfloat16", "torch.float8_e4m3fn", "torch.float8_e5m2"):
            tensor = tensor.float()
        array: NDArray[Any] = tensor.numpy()
        return array
    array = np.asarray(values)
    return _sound(array, "the array")

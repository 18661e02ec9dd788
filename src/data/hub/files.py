"""Opening a dataset with the `datasets` library: from the Hub or from local files."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.inputs import nearest

ROLES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
FORMS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".txt": "text",
}
SAVED = ("dataset_dict.json", "state.json")
logger = logging.getLogger(__name__)


def opened(
    name: str | None, path: str | Path | None, config: str | None, revision: str | None
) -> Mapping[str, Any]:
    """Return the splits of a dataset by role: "train", "validation", "test"; "" for all in one.

    Nothing is told to the Hub but what a download has to; nothing at all for local files.

    Raises:
        DataError: it can't be had, in one line; the library is missing.
    """
    if (name is None) == (path is None):
        raise DataError(
            "data.name or data.path is needed, one of them: data.name=ylecun/mnist for a dataset "
            "of the Hugging Face Hub, data.path=FOLDER for local files"
        )
    place = None if path is None else Path(path).expanduser()
    if place is not None and not place.exists():
        raise DataError(f"{place} in data.path does not exist{nearest(place, '; check data.path')}")
    datasets = _library()
    try:
        found = _local(datasets, place) if place else None
        if found is None:
            logger.warning("looking for %s on the Hugging Face Hub", name)
            found = datasets.load_dataset(name, config, revision=revision)
    except DataError:
        raise
    except Exception as error:
        # Files, caches, servers and the library's own checks each have errors of their own.
        told = (" ".join(str(error).split()) or type(error).__name__)[:300]
        if place is not None:
            raise DataError(
                f"{place} in data.path can't be opened by datasets {datasets.__version__} "
                f"({type(error).__name__}: {told}); mend the files, or use another kind of data"
            ) from error
        raise DataError(
            f"{name} in data.name can't be had from the Hugging Face Hub ({type(error).__name__}: "
            f"{told}); check the name (data.config, data.revision) and the connection, or give "
            "local files in data.path"
        ) from error
    return _by_role(found, str(place or name))


def _library() -> Any:
    """Import the library, told to keep to itself."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when it is imported
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            f"data=hub needs the datasets library ({error}); pip install 'fivestep[hub]'"
        ) from error
    # It counts how often a form is used, with a request to a server, for local files too.
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    datasets.disable_progress_bars()
    # Each of its tries would be a line, and the last of them is the error anyway.
    logging.getLogger("huggingface_hub.utils._http").setLevel(logging.ERROR)
    return datasets


def _local(datasets: Any, place: Path) -> Any:
    """Open a folder or a file; the library finds out what it is."""
    if place.is_dir():
        if any((place / name).exists() for name in SAVED):
            return datasets.load_from_disk(str(place))
        return datasets.load_dataset(str(place))
    form = FORMS.get(place.suffix.lower())
    if form is None:
        raise DataError(
            f"{place} in data.path is a file of no kind that is read here; give a folder, or one "
            f"of {', '.join(FORMS)}"
        )
    more = {"sep": "\t"} if place.suffix.lower() == ".tsv" else {}
    return datasets.load_dataset(form, data_files=str(place), **more)


def _by_role(found: Any, name: str) -> Mapping[str, Any]:
    parts = dict(found) if isinstance(found, Mapping) else {"": found}
    if len(parts) == 1:
        return {"": next(iter(parts.values()))}
    chosen = {}
    for role, names in ROLES.items():
        given = next((each for each in names if each in parts), None)
        if given is not None:
            chosen[role] = parts.pop(given)
    if "train" not in chosen:
        raise DataError(
            f"{name} has no split to train on among {', '.join([*chosen, *parts])}; choose another "
            "configuration in data.config"
        )
    if parts:
        logger.warning("%s: splits that are not used: %s", name, ", ".join(parts))
    return chosen

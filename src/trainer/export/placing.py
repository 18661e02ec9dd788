"""Where an export is built, and how it takes the place of an earlier one."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from trainer.errors import Refused
from trainer.export.formats import FILES
from trainer.export.manifest import Manifest, changed, files_of, read_manifest, write_manifest
from trainer.export.preprocessing import PREDICT
from trainer.storage import atomic


class Placing:
    """A folder beside `folder` in which an export is built; what isn't placed is gone at the end.

    For the holder of the run's lock. Raises CannotWrite.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.building = atomic.temporary(folder)

    def __enter__(self) -> Self:
        with atomic.writing(self.building):
            self.building.mkdir(parents=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.building, ignore_errors=True)

    def place(
        self, content: Mapping[str, Any], failed: Mapping[str, str], tried: Collection[str]
    ) -> None:
        """Put the artefacts of `content` in place, and write the manifest, which comes last.

        Earlier ones of other forms than those that were `tried` stay, where they are intact and of
        the very same weights; all others go. A crash in between leaves files that no manifest
        vouches for.
        """
        older = self._older()
        kept = {} if older is None else standing(self.folder, older, content, tried)
        reasons = dict(failed)
        if older is not None and older.run.get("weights") == content["run"].get("weights"):
            reasons |= {form: why for form, why in older.failed.items() if form not in tried}
        new = content["artefacts"]
        with atomic.writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in self._superseded(older, kept):
                (self.folder / name).unlink(missing_ok=True)
            names = [name for entry in new.values() for name in files_of(entry)]
            if "onnx" in new and (self.building / PREDICT).exists():
                names.append(PREDICT)
            for name in names:
                atomic.sync_file(self.building / name)
                (self.building / name).replace(self.folder / name)
            atomic.sync_folder(self.folder)
        artefacts = {form: (kept | new)[form] for form in FILES if form in kept | new}
        write_manifest(self.folder, {**content, "artefacts": artefacts, "failed": reasons})

    def _older(self) -> Manifest | None:
        try:
            return read_manifest(self.folder)
        except Refused:
            return None  # none, or one that can't be believed: its files go

    def _superseded(self, older: Manifest | None, kept: Collection[str]) -> list[str]:
        """The files of earlier artefacts that don't stay, known or not to a manifest."""
        names = [name for form, name in FILES.items() if form not in kept]
        for form, entry in {} if older is None else older.artefacts.items():
            names += [] if form in kept else [*files_of(entry)]
        return names if "onnx" in kept else [*names, PREDICT]


def standing(
    folder: Path, older: Manifest, content: Mapping[str, Any], tried: Collection[str]
) -> dict[str, dict[str, Any]]:
    """The earlier artefacts that stay: of the same model, and as they were proven."""
    same = (
        older.origin == "own"
        and older.run.get("weights") == content["run"].get("weights")
        and (older.inputs, older.classes) == (content["inputs"], content["classes"])
        and (older.output, older.reader) == (content["output"], content["reader"])
    )
    return {
        form: entry
        for form, entry in older.artefacts.items()
        if same and form not in tried and changed(folder, entry) is None
    }

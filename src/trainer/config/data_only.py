"""The data of a config and nothing else: composed, checked and built as `train` does it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from trainer.config.check import check
from trainer.config.compose import judge
from trainer.errors import Refused


@dataclass(frozen=True)
class DataOnly:
    """The section `data` of a config, checked and not yet built."""

    choice: str
    """The choice of the group, such as "images"."""
    path: Path | None
    """What `data.path` names, where there is such a key."""
    config: DictConfig
    notes: Sequence[str] = ()
    """What was chosen by a first look at the data, and why."""

    @property
    def title(self) -> str:
        """What to call it: the name of its file or folder, its own, or that of the choice."""
        if self.path is not None:
            return self.path.resolve().name
        return str(self.config.data.get("name") or self.choice)

    @property
    def folder(self) -> Path | None:
        """The folder that the names of its files are relative to, as far as that is known."""
        return self.path if self.path is None or self.path.is_dir() else self.path.parent

    def build(self) -> Any:
        """Build it; raises what the data raise, and Refused for what can't be called."""
        from trainer.config.assembly import make
        from trainer.splits import FIELDS

        splits = make(self.config, "data")
        missing = [name for name in FIELDS if not hasattr(splits, name)]
        if missing or splits.train is None:
            raise Refused(
                f"the data is a {type(splits).__name__} without {', '.join(missing) or 'train'}; "
                "return an object with train, validation, test and info, such as data.splits.Splits"
            )
        return splits


def data_only(words: Sequence[str], folders: Sequence[Path] = ()) -> DataOnly:
    """Compose and check as for `train`, but for what the model and the rest would need.

    Raises Refused with every problem.
    """
    judged = judge(words, folders)
    if judged.problems:
        raise Refused(*dict.fromkeys(judged.problems))
    section = judged.plain["data"]
    config = OmegaConf.create({"data": section})
    check(config)
    path = section.get("path")
    place = Path(path).expanduser() if isinstance(path, str) and path else None
    return DataOnly(str(judged.loaded.choices["data"]), place, config, judged.notes)

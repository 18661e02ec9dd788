"""The file of a study: opened, compared with what is asked for, and its errors in our words."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from trainer.errors import CannotWrite, Refused, UserError
from trainer.storage.atomic import open_regular
from trainer.sweep.space import shown

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

# The key of a study under which its choices are kept; of the study itself, of which there is one.
_CHOSEN, _STUDY = "fivestep", "sweep"
# How a journal ends that names a second one (https://sqlite.org/fileformat.html#the_rollback_journal,
# pager.c: aJournalMagic).
_SECOND_JOURNAL = bytes.fromhex("d9d505f920a163d7")
_WAIT = 30  # seconds for which another program may hold the file


def load_optuna() -> None:
    """Import Optuna, told to speak only of warnings; raises Refused where there is none."""
    try:
        import optuna
    except ImportError as error:
        raise Refused(
            "sweep.method=random and bayes need Optuna, which is not installed; "
            "pip install 'fivestep[sweep]'"
        ) from error
    if int(optuna.__version__.split(".")[0]) < 4:
        raise Refused(
            f"sweep.method=random and bayes need Optuna 4, but {optuna.__version__} is installed; "
            "pip install 'fivestep[sweep]'"
        )
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_study(
    path: Path, chosen: Mapping[str, Any], rules: Mapping[str, int]
) -> "tuple[optuna.Study, BaseStorage, dict[str, int]]":
    """The study in `path`, new or as it was left, its storage, and the rules it began with.

    Raises Refused, with all that differs, for a study that was begun with other choices.
    """
    import optuna
    from sqlalchemy import URL
    from sqlalchemy.pool import NullPool

    refuse_odd_files(path)
    with storing(path), doubting(path):
        # Connections are closed after each use: there is nothing to close at the end, and a forked
        # child gets none.
        options = {"poolclass": NullPool, "connect_args": {"timeout": _WAIT}}
        url = URL.create("sqlite", database=str(path.absolute())).render_as_string()
        storage = optuna.storages.get_storage(optuna.storages.RDBStorage(url, options))
        study = optuna.create_study(
            storage=storage,
            study_name=_STUDY,
            direction="maximize" if chosen["direction"] == "max" else "minimize",
            load_if_exists=True,
        )
        before, trials = study.user_attrs.get(_CHOSEN), study.get_trials(deepcopy=False)
        if before is None and trials:
            raise Refused(f"{path} holds a study that is not of fivestep; choose another folder")
        if before is None:
            before = {"chosen": chosen, "rules": rules}
            study.set_user_attr(_CHOSEN, before)
        elif not well_formed(before, chosen, rules, trials):
            raise Refused(damaged(path, "it is not as fivestep writes it"))
    if differences := list(_differences(before["chosen"], plain(chosen))):
        raise Refused(
            *(f"{path.parent} can't go on: {line}" for line in differences),
        )
    return study, storage, dict(before["rules"])


def refuse_odd_files(path: Path) -> None:
    """Raise Refused where SQLite, opening a database from elsewhere, would touch other files.

    It follows links. And it finishes what a process that died has left in the journal: where that
    names a second journal, which ours never does, the file of that name is deleted.
    """
    for file in (
        path,
        *(path.with_name(f"{path.name}-{kind}") for kind in ("journal", "wal", "shm")),
    ):
        try:
            with open_regular(file) as opened:
                size = opened.seek(0, os.SEEK_END)
                opened.seek(max(0, size - len(_SECOND_JOURNAL)))
                end = opened.read()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise Refused(damaged(file, error.strerror or str(error))) from error
        if file.name.endswith("-journal") and end == _SECOND_JOURNAL:
            raise Refused(damaged(file, "it names other files, which a journal of ours never does"))


@contextmanager
def doubting(path: Path) -> Iterator[None]:
    """Turn what reading an old file ends in within the block into Refused.

    Optuna takes what stands in its tables at its word, and raises anything.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    old = path.exists()
    try:
        yield
    except (UserError, StorageInternalError, SQLAlchemyError, RuntimeError):
        raise
    except Exception as error:
        if not old:
            raise
        told = next(iter(str(error).splitlines()), type(error).__name__)
        raise Refused(damaged(path, told)) from error


def well_formed(
    before: object,
    chosen: Mapping[str, Any],
    rules: Mapping[str, int],
    trials: "Sequence[FrozenTrial]",
) -> TypeGuard[dict[str, Any]]:
    """Whether stored choices and rules, and the trials that come again, have the form of ours."""
    if not isinstance(before, dict):
        return False
    then, kept = before.get("chosen"), before.get("rules")
    if not isinstance(then, dict) or not isinstance(kept, dict) or not chosen.keys() <= then.keys():
        return False
    space = then["space"]
    return (
        isinstance(space, dict)
        and all(map(is_axis, space.values()))
        and all(type(kept.get(name)) is int for name in rules)
        and all(t.params.keys() == space.keys() for t in trials if t.state.name == "RUNNING")
    )


def is_axis(told: object) -> bool:
    """Whether something is an axis as `space.told` writes it."""
    if not isinstance(told, dict):
        return False
    if "values" in told:
        return isinstance(told["values"], list) and all(isinstance(v, str) for v in told["values"])
    numbers, flags = (told.get("low"), told.get("high")), (told.get("log"), told.get("integer"))
    return all(isinstance(each, bool) for each in flags) and all(
        isinstance(each, int | float) and math.isfinite(each) for each in numbers
    )


def damaged(path: Path, why: str) -> str:
    """The line about a file of a study that can't be used."""
    return (
        f"{path} is damaged ({why}); delete it to lose what the search has learnt, or start a new "
        "sweep"
    )


def plain(value: object) -> Any:
    """The value as JSON gives it back."""
    return json.loads(json.dumps(value))


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """A line for each choice that is not what it was."""
    again = "use what the sweep began with, or start a new one without sweep.resume"
    for name in ("method", "direction", "prune", "seed"):
        if before[name] != now[name]:
            key = "evaluation.direction" if name == "direction" else f"sweep.{name}"
            yield f"{key} was {before[name]} and is now {now[name]}; {again}"
    old, new = before["space"], now["space"]
    for key in [*old, *(key for key in new if key not in old)]:
        if key not in new:
            yield f"{key} was searched and is not any more; {again}"
        elif key not in old:
            yield f"{key} is searched now and was not before; {again}"
        elif old[key] != new[key]:
            yield f"{key} was {shown(old[key])} and is now {shown(new[key])}; {again}"


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn the database's refusal within the block into CannotWrite, or Refused for a bad file."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import DatabaseError

    try:
        yield
    except (StorageInternalError, DatabaseError) as error:
        inner = error if isinstance(error, DatabaseError) else error.__cause__
        reason = getattr(inner, "orig", None) or inner or error
        if type(reason).__name__ == "DatabaseError":
            raise Refused(damaged(path, str(reason))) from error
        raise CannotWrite(
            f"cannot write {path}: {reason}; free some space, close what else has it open, or "
            "choose another folder with run.dir=FOLDER"
        ) from error
    except RuntimeError as error:
        if "schema" not in str(error):
            raise
        raise Refused(
            f"{path} was written by another version of Optuna; install the one it was written by, "
            "or start a new sweep"
        ) from error

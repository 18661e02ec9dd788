"""A run built as `train` builds it, to be tried out: it makes no run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import Refused, nothing_started

if TYPE_CHECKING:
    from trainer.protocols import Loader, Loaders
    from trainer.run import Run

# Overrides that are about folders of runs, with what to say of them.
ELSEWHERE = {
    "resume": "is for train: a search begins with fresh weights",
    "run.dir": "is for runs: say with --output where the results go",
    "sweep": "is for train -m",
}


@dataclass(frozen=True)
class Rehearsal:
    """A run that is ready to be tried out, and the maker of its loaders."""

    run: Run
    loader: Callable[..., Loader]
    folder: Path  # where the results go
    title: str  # model, optimizer and device in a few words


@contextmanager
def rehearsal(
    kind: str, words: Sequence[str], folders: Sequence[Path], output: Path | None
) -> Iterator[Rehearsal]:
    """Compose, check and build what `train` with these overrides would train.

    Its folder is the one for the results of `kind` ("lr-find"), and holds nothing of a run. Within
    the block faults are explained as in a training; afterwards the loaders are closed. Raises
    Refused as `train` does, and for overrides that make no sense here.
    """
    from trainer.finding.results import refuse_output, results_folder
    from trainer.installation import check as check_installation

    check_installation()
    refuse_output(output, kind)
    if problems := [f"{w} {why}" for w in words if (why := ELSEWHERE.get(subject(w)))]:
        raise Refused(*problems)
    from trainer.config.compose import compose

    config = compose(words, folders)
    # Only now is torch imported: a wrong key has been told already.
    from trainer.config.check import check

    check(config)
    from trainer.config.build import assemble, partial_of, resolved
    from trainer.explanation import explained
    from trainer.storage.folder import RunFolder

    with results_folder(output, str(config.run.name), kind) as folder:
        with nothing_started():
            run = assemble(config, RunFolder(folder, "fresh", None))
            loader = partial_of(config, "loader")
        try:
            run = replace(run, config=resolved(config))
            with run.console, explained(run):
                yield Rehearsal(run, loader, folder, title(run))
        finally:
            close(run.loaders)


def close(loaders: Loaders) -> None:
    """End what the loaders have started."""
    for loader in loaders:
        if loader is not None:
            loader.close()


def subject(word: str) -> str:
    """What an override is about, as far as it matters here."""
    key = word.lstrip("+~").partition("=")[0]
    return key if key in ELSEWHERE else key.partition(".")[0]


def title(run: Run) -> str:
    """`MLP with AdamW on cpu (1 of 2 cores)`."""
    from trainer.device import describe

    model = type(getattr(run.task, "model", run.task)).__name__
    optimizers = {type(o).__name__: None for o in run.trainer.optimizers.values()}
    return f"{model} with {' and '.join(optimizers)} on {describe(run.device)}"


def paste(command: str, words: Sequence[str], folders: Sequence[Path], found: Sequence[str]) -> str:
    """The line of `train` or `fivestep lr-find` with these overrides and with what was found."""
    from trainer.pasting import pasteable

    known = {each.partition("=")[0] for each in found}
    others = [word for word in words if word.lstrip("+").partition("=")[0] not in known]
    dirs = [part for folder in folders for part in ("--config-dir", str(folder))]
    return pasteable(*command.split(), *dirs, *others, *found)

"""A run built again from its folder, to be gone through once more; the folder stays as it is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trainer.config.assembly import assemble, resolved
from trainer.config.check import check
from trainer.config.compose import resolved as as_far_as_known
from trainer.config.drift import Drift
from trainer.config.reopen import read_stored
from trainer.config.schema import problems as schema_problems
from trainer.errors import Refused, nothing_started
from trainer.run import Run
from trainer.storage.comparison import Difference


def rebuilt(path: Path, trusted: Sequence[str] = ()) -> tuple[Run, list[Difference]]:
    """Build what a run folder's config names, as it was before the first step.

    Beside it comes what is otherwise now than where it ran, as far as it can change its numbers.
    The folder is neither locked nor written to. What a stranger's config names is refused unless it
    is fivestep's own or `trusted`. Raises Refused for no run, for data or code that no longer
    builds, and for other data than those with which the run was started.
    """
    with nothing_started():
        stored = read_stored(path, trusted)
        plain_config, found = as_far_as_known(stored.config)
        if problems := [*found, *schema_problems(plain_config)]:
            raise Refused(*problems)
        check(stored.config)
        drift = Drift(path)
        run = assemble(stored.config, stored.folder, drift)
        return replace(run, config=resolved(stored.config)), drift.noted

"""Random and Bayesian search, with pruning, through Optuna; kept in the sweep's folder."""

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trainer.errors import Refused
from trainer.sweep import space as spaces
from trainer.sweep.axes import Space
from trainer.sweep.database import load_optuna, open_study, storing
from trainer.sweep.search import Candidate, Ending

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

NAME = "study.db"
# After so many proposals that were tried before, points are drawn at random instead.
_PROPOSALS = 20


class Study:
    """A search over a space of intervals and choices; a `Search`.

    `method` is `random`, or `bayes` (tree-structured Parzen estimators: Bergstra et al. 2011).
    `direction` is that of the evaluation. `prune` ends trials by what they report on their way:
    `median` (worse than half of the finished ones at that epoch) or `halving` (asynchronous
    successive halving: Li et al. 2020). A step that is reported is a number of epochs.

    A point is a pure function of `seed`, its number and what was told before: with one job at a
    time, two sweeps of the same seed ask for the same points, also when one of them was killed and
    went on. No point is asked for twice. A trial whose value is not finite has failed.

    Everything is in `folder/study.db` (SQLite, readable by optuna-dashboard meanwhile) before it is
    answered. Opening a folder that has one goes on with it. Raises Refused for a space that can't
    be searched and for a study that was begun differently, CannotWrite for a disk that refuses.
    """

    def __init__(
        self,
        folder: Path,
        space: Space,
        *,
        method: Literal["random", "bayes"],
        trials: int,
        direction: Literal["max", "min"],
        prune: Literal["none", "median", "halving"] = "none",
        seed: int = 0,
    ) -> None:
        if problems := [*spaces.problems(space), *_too_many(space, trials)]:
            raise Refused(*problems)
        load_optuna()
        self.space = dict(space)
        self.size = spaces.size(space)
        self.trials = trials
        self.seed = seed
        self.path = folder / NAME
        self.distributions = {key: spaces.distribution(axis) for key, axis in space.items()}
        chosen = {
            "space": {key: spaces.told(axis) for key, axis in space.items()},
            "method": method,
            "direction": direction,
            "prune": prune,
            "seed": seed,
        }
        # Kept from the first start on: a sweep that is made longer goes on with the same rules.
        rules = {"startup": min(10, max(3, trials // 4)), "spared": min(5, max(2, trials // 4))}
        self._study, self._storage, rules = open_study(self.path, chosen, rules)
        self._study.pruner = _pruner(prune, rules["spared"])
        self._startup = rules["startup"] if method == "bayes" else None
        self._again = [t.number for t in self._all() if t.state.name == "RUNNING"]

    def ask(self) -> Candidate | None:
        """The next trial: those that were under way when the sweep was stopped come first."""
        with storing(self.path):
            known = self._all()
            if self._again:
                number = self._again.pop(0)
                return Candidate(number, self._overrides(known[number].params))
            if len(known) >= self.trials:
                return None
            return self._new(known)

    def report(self, number: int, step: int, value: float) -> bool:
        """Hear the metric after `step` epochs; True when the trial should be stopped now.

        A step that was heard before is left as it is, as when a trial goes on after a kill; and so
        is a trial that has ended, as when one that failed is tried again.
        """
        with storing(self.path), warnings.catch_warnings():
            # Optuna takes the best of a trial's values, and there may be none that is finite.
            warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
            known = self._all()[number]
            if known.state.is_finished():
                return False
            trial = self._trial(number)
            if step not in known.intermediate_values:
                trial.report(value if math.isfinite(value) else math.nan, step)
            return trial.should_prune()

    def tell(self, number: int, state: Ending, value: float | None) -> None:
        """Hear how a trial ended; a second ending of the same trial changes nothing.

        A pruned trial keeps the last value that it reported. One that finished without a finite
        value has failed.
        """
        from optuna.trial import TrialState

        with storing(self.path):
            if state == "finished" and value is not None and math.isfinite(value):
                self._study.tell(number, value, skip_if_finished=True)
            else:
                pruned = state == "pruned"
                self._study.tell(
                    number,
                    state=TrialState.PRUNED if pruned else TrialState.FAIL,
                    skip_if_finished=True,
                )

    def _all(self) -> "list[FrozenTrial]":
        return self._study.get_trials(deepcopy=False)

    def _trial(self, number: int) -> "Trial":
        from optuna import Trial

        study = self._storage.get_study_id_from_name(self._study.study_name)
        return Trial(
            self._study, self._storage.get_trial_id_from_study_id_trial_number(study, number)
        )

    def _new(self, known: "list[FrozenTrial]") -> Candidate:
        """Draw a point that was not tried yet, and write it down at once as a running trial."""
        import optuna

        # Optuna's own `ask` writes a trial first and its parameters one by one: a kill in between
        # would leave a trial without a point. So it is asked of a copy in memory.
        copy = optuna.create_study(direction=self._study.direction)
        # What another program has queued up has no point yet; nobody runs it.
        copy.add_trials([trial for trial in known if trial.state.name != "WAITING"])
        tried = [trial.params for trial in known] if self.size is not None else []
        number, attempt = len(known), 0
        while True:
            copy.sampler = self._sampler(number, attempt)
            params = copy.ask(self.distributions).params
            if params not in tried:
                break
            attempt += 1
        running = optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING, params=params, distributions=self.distributions
        )
        self._study.add_trial(running)
        return Candidate(number, self._overrides(params))

    def _sampler(self, number: int, attempt: int) -> "BaseSampler":
        """A sampler with a seed of its own for each trial, so that a restart changes nothing."""
        import numpy as np
        from optuna.exceptions import ExperimentalWarning
        from optuna.samplers import RandomSampler, TPESampler

        seed = int(np.random.SeedSequence([self.seed, number, attempt]).generate_state(1)[0])
        if self._startup is None or attempt >= _PROPOSALS:
            return RandomSampler(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            # multivariate: all axes together. constant_liar: points that are still running count as
            # bad, so that trials that run at the same time are not all of one place.
            return TPESampler(
                n_startup_trials=self._startup, multivariate=True, constant_liar=True, seed=seed
            )

    def _overrides(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(spaces.override(key, params[key]) for key in self.space)


def _too_many(space: Space, trials: int) -> list[str]:
    size = spaces.size(space)
    if size is None or not size or trials <= size:
        return []
    return [
        f"sweep.trials is {trials}, but the space has only {size} points; set sweep.trials={size}, "
        "or widen it"
    ]


def _pruner(prune: str, spared: int) -> "BasePruner":
    from optuna.pruners import MedianPruner, NopPruner, SuccessiveHalvingPruner

    if prune == "median":
        return MedianPruner(n_startup_trials=spared)
    return SuccessiveHalvingPruner() if prune == "halving" else NopPruner()

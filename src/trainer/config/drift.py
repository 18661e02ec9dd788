"""What may differ when a run goes on, and what is said about the rest."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainer.config.schema import needs_steps
from trainer.config.values import is_open
from trainer.cpus import available_cpus
from trainer.errors import Refused
from trainer.pasting import nearest
from trainer.recording.flat import flat
from trainer.storage.atomic import read_regular
from trainer.storage.comparison import Difference, between, lines, shown
from trainer.storage.environment import MASK, is_secret, masked
from trainer.storage.stored_environment import ENVIRONMENT, read_environment, stored_threads

# What changes where and how fast a run goes on, and what becomes of it where it would have ended by
# accident, but not what it comes to. (Other threads or another device do, in the last digits: what
# is really used then is compared with what was, and told.)
FREE = (
    "loader.num_workers",
    "loader.resident",
    "loader.timeout",
    "loader.on_error",
    "loader.max_bad",
    "data.on_error",
    "data.max_bad",
    "trainer.device",
    "trainer.threads",
    "trainer.max_minutes",
    "trainer.record_every",
    "trainer.on_nonfinite",
    "trainer.max_nonfinite",
    "trainer.on_oom",
    "checkpoint.every",
    "checkpoint.keep",
    "checkpoint.background",
)
LENGTH = ("trainer.epochs", "trainer.steps")
# Schedules that don't depend on the length of the run: more epochs only append.
ENDLESS = ("StepLR", "MultiStepLR", "ExponentialLR", "ReduceLROnPlateau", "ConstantLR")
_INFO_LIMIT = 10_000_000


class Drift:
    """Gathers what is no longer as it was when the run in a folder was started.

    Settings and data that would make it another run are refused, all of them at once; what it runs
    on is only told. `threads` is how many CPU threads it was started with, where that is known.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings: list[Difference] = []  # that make it another run
        self.data: list[Difference] = []  # likewise
        self.noted: list[Difference] = []  # what may change the last digits
        self.unread = ""  # why there is nothing to compare with
        self.environment: dict[str, Any] = {}
        try:
            self.environment = read_environment(path)
        except ValueError as error:
            self.unread = str(error)
        self.threads = stored_threads(self.environment)

    def compare_data(self, info: Mapping[str, Any], samples: Mapping[str, int]) -> None:
        """Hold what the data says of itself now against the run's info.json, and the counts."""
        before, now = self._info(), json.loads(json.dumps(info))
        same = before.get("fingerprint") is not None
        same = same and before.get("fingerprint") == now.get("fingerprint")
        for key in now:
            if key in before and before[key] != now[key]:
                # Of the very same data, a mean may differ in the last bit on another machine.
                rounding = same and is_close(before[key], now[key])
                told = Difference(key, *(shown(brief(key, each[key])) for each in (before, now)))
                (self.noted if rounding else self.data).append(told)
        counts = self.environment.get("samples")
        if isinstance(counts, Mapping) and not self.data:
            self.data += [
                Difference(f"{split} samples", shown(counts.get(split, 0)), str(number))
                for split, number in samples.items()
                if counts.get(split, 0) != number
            ]

    def _info(self) -> dict[str, Any]:
        try:
            info = json.loads(read_regular(self.path / "info.json", _INFO_LIMIT))
        except (OSError, ValueError, RecursionError):
            return {}  # only what is there can differ
        return info if isinstance(info, dict) else {}

    def compare_environment(self, now: Mapping[str, Any]) -> None:
        """Hold what it runs on now against environment.json."""
        self.noted += between(self.environment, now)

    @property
    def data_settings_differ(self) -> bool:
        """Whether other data is asked for, so that there is no need to look at it."""
        return any(each.name.startswith("data.") for each in self.settings)

    def refuse(self, advice: str = "use another run.dir, or the same settings") -> None:
        """Raise Refused with all differences where one of them makes it another run."""
        if not self.settings and not self.data:
            return
        run, told = nearest(self.path), []
        if len(self.settings) == 1:
            key, was, now = self.settings[0]
            told.append(f"{key} was {was} when {run} was started and is now {now}; {advice}")
        elif self.settings:
            head = f"{len(self.settings)} settings are not those with which {run} was started"
            told += [f"{head}; {advice}:", *lines(self.settings)]
        if self.data:
            told.append(
                f"the data is no longer that with which {run} was started; bring it back, or start "
                "a new run:"
            )
            told += lines(self.data)
        if self.noted:
            told += ["also different, which alone would be a warning:", *lines(self.noted)]
        raise Refused("\n".join(told))

    def warnings(self) -> list[str]:
        """What has to be said before the run goes on."""
        run, found = nearest(self.path), []
        if self.unread:
            found.append(
                f"{run}/{ENVIRONMENT} can't be read ({self.unread}), so it is not known whether "
                "this is the machine on which it was started"
            )
        if self.noted:
            head = (
                f"not all is as it was when {run} was started, so the numbers may differ from "
                "those of a run left alone:"
            )
            found.append("\n".join([head, *lines(self.noted)]))
        cores, kept = available_cpus(), all(each.name != "threads" for each in self.noted)
        if kept and self.threads and self.threads > cores:
            found.append(
                f"{run} was started with {self.threads} CPU threads and keeps them, since another "
                f"number changes the last digits; here it may use {cores} cores, so that fewer "
                "threads may be faster (trainer.threads)"
            )
        return found


def brief(key: str, value: Any) -> Any:
    """A value for the table; of a fingerprint, as much as tells two apart."""
    return value[:10] if key == "fingerprint" and isinstance(value, str) else value


def in_words(value: Any) -> str:
    """A setting as it would be typed."""
    return shown(value if isinstance(value, str) else json.dumps(value, default=str))


def is_close(before: Any, now: Any) -> bool:
    """Whether numbers are the same but for rounding."""
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return all(map(is_close, before, now))
    if isinstance(before, float) and isinstance(now, float):
        return math.isclose(before, now, rel_tol=1e-6)
    return bool(before == now)


def changes(stored: Mapping[str, Any], chosen: Mapping[str, Any]) -> list[Difference]:
    """The keys with other values than a run was started with; the place of its folder apart.

    Values that only the data will know are not compared, nor are secrets, which are not stored.
    """
    before, now = flat(stored), flat(masked(chosen))
    return [
        Difference(key, in_words(before.get(key)), in_words(now.get(key)))
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
        and not key.startswith("run.")
        and not is_open(now.get(key))
    ]


def chosen_only(
    differences: Sequence[Difference], written: Mapping[str, Any]
) -> Sequence[Difference]:
    """Without what only follows other keys, by an interpolation in the config as it is written."""
    texts = flat(written)
    chosen = [each for each in differences if "${" not in str(texts.get(each.name))]
    return chosen or differences


def free_keys(scheduler: Any) -> tuple[str, ...]:
    """What may be changed when a run goes on; how long it is, only under a schedule without end."""
    schedule = scheduler.get("schedule") if isinstance(scheduler, Mapping) else None
    target = schedule.get("_target_") if isinstance(schedule, Mapping) else None
    endless = target is None or str(target).rpartition(".")[2] in ENDLESS
    return (*FREE, *LENGTH) if endless and not needs_steps(scheduler) else FREE


def changed_by(config: DictConfig, words: Sequence[str]) -> list[Difference]:
    """Change keys of a run that goes on; returns what was changed.

    Raises Refused for what would make it another run, and for what can't be read.
    """
    free = free_keys(OmegaConf.to_container(config.scheduler))
    changed: list[Difference] = []
    refused: list[Difference] = []
    unread: list[str] = []
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            unread.append(f"{word!r} is not an override; write key=value")
            continue
        try:
            value = yaml.safe_load(text)
            before = OmegaConf.select(config, key)
            if before == value:
                continue
            hidden = is_secret(key)
            told = Difference(shown(key), in_words(before), MASK if hidden else in_words(value))
            (changed if key in free else refused).append(told)
            if key in free:
                OmegaConf.update(config, key, value)
                follow(config, key, value)
        except (yaml.YAMLError, OmegaConfBaseException) as error:
            unread.append(f"{word!r} can't be read: {next(iter(str(error).splitlines()), '')}")
    if refused:
        advice = (
            "can't be changed when a run goes on: it would no longer be the same run; start a new "
            f"one, or change only {', '.join(free)}"
        )
        if len(refused) == 1:
            unread.append(f"{refused[0].name} {advice}")
        else:
            unread.append("\n".join([f"these {advice}:", *lines(refused)]))
    if unread:
        raise Refused(*unread)
    return changed


def follow(config: DictConfig, key: str, value: Any) -> None:
    """Let the data's own key follow the loader's, as it does by an interpolation before a start."""
    group, _, name = key.partition(".")
    if group == "loader" and name in ("on_error", "max_bad") and name in config.data:
        OmegaConf.update(config, f"data.{name}", value)


def is_longer(changed: Sequence[Difference], now: Mapping[str, Any]) -> bool:
    """Whether a finished run has something left to do with these changes."""
    for name in ("epochs", "steps", "max_minutes"):
        was = next((each.was for each in changed if each.name == f"trainer.{name}"), "null")
        new = now.get(name)
        if was != "null" and (new is None or new > float(was)):
            return True
    return False


def refuse_shorter(now: Mapping[str, Any], status: Mapping[str, Any]) -> None:
    """Raise Refused when a run is to end before the place that it has reached."""
    problems = [
        f"trainer.{name}={now[name]} is less than the {done} {name} that are done; leave it out, "
        "or start a new run"
        for name, done in (("epochs", status.get("epoch")), ("steps", status.get("step")))
        if now.get(name) is not None and isinstance(done, int) and now[name] < done
    ]
    if problems:
        raise Refused(*problems)

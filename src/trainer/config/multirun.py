"""`train -m`: the words of a sweep in, trials and a leaderboard out, through Hydra's multirun."""

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from trainer.config.catalogue import did_you_mean, groups, sources
from trainer.config.compose import is_choice
from trainer.config.loading import hydra_of, hydra_problem, texts_for
from trainer.config.overrides import Override, parse
from trainer.config.sweep_rules import folds_of, problems, with_folds
from trainer.config.swept import OWN, Asked, ask
from trainer.errors import Failed, Interrupted, Refused
from trainer.options import SweepOptions
from trainer.pasting import nearest, pasteable
from trainer.sweep.axes import Axis, Choices, key_of

if TYPE_CHECKING:
    from trainer.sweep.sweep import Sweep

__all__ = ["Task", "folds_of", "multirun"]

OURS = "fivestep"  # the name of our launcher and of our sweeper
PLUGIN = re.compile(
    r"hydra(?:/(launcher|sweeper)=(.*)|\.(?:launcher|sweeper)\.[^=]+=.*)", re.DOTALL
)
HYDRA = re.compile(r"[+~]{0,2}hydra[./]")


def multirun(words: Sequence[str], folders: Sequence[Path], trusted: Sequence[str] = ()) -> int:
    """Run a trial for each combination of the values given, and rank them; returns 0.

    `folders` are those of --config-dir; `trusted` is handed on to the trials. Everything is checked
    before anything starts, without importing torch. Raises Refused with every problem, FolderInUse,
    CannotWrite, Interrupted once the trials have saved, and when trials have failed, Failed: with
    the exit code of all of them where they have one in common.
    """
    began = time.monotonic()
    plugins = [word for word in words if HYDRA.match(word)]
    asked = with_folds(ask([w for w in words if w not in plugins], folders))
    found = [*asked.problems, *plugin_problems(plugins)]
    found += problems(asked, chosen(plugins, "sweeper"))
    if found:
        raise Refused(*dict.fromkeys(found))
    # Only now what runs and ranks trials: a wrong word has been told already.
    from trainer.config.planned import folder_of, plan
    from trainer.sweep.ending import conclude

    options = SweepOptions(**asked.judged.plain["sweep"])
    folder, fresh = folder_of(asked, options)
    try:
        sweep = plan(
            asked,
            options,
            folder,
            fresh=fresh,
            command=words,
            config_dirs=folders,
            trusted=trusted,
        )
        if fresh:
            sweep.request.write(folder.path)
        ours = chosen(plugins, "sweeper") is None
        go_on = going_on(words, folders, folder.path) if ours else ""
        try:
            run(sweep, asked, plugins, folders)
        except Refused:
            if fresh:
                folder.discard()
            raise
        except KeyboardInterrupt as error:  # a foreign launcher knows of no Interrupted
            code = getattr(error, "exit_code", 130)
            conclude(sweep, began, go_on, Interrupted("the sweep was stopped", code))
        except Interrupted as error:
            conclude(sweep, began, go_on, error)
        conclude(sweep, began, go_on)
        return 0
    finally:
        folder.release()


def chosen(plugins: Sequence[str], kind: str) -> str | None:
    """The launcher or sweeper that the words choose in the place of ours, if any."""
    found = [m[2] for word in plugins if (m := PLUGIN.fullmatch(word)) and m[1] == kind]
    return found[-1] if found and found[-1] != OURS else None


def plugin_problems(plugins: Sequence[str]) -> list[str]:
    """What is wrong with the words that are Hydra's own."""
    found = []
    for word in plugins:
        match = PLUGIN.fullmatch(word)
        if match is None:
            found.append(
                f"{word!r}: of Hydra's own settings only hydra/launcher=, hydra/sweeper= and the "
                "keys below hydra.launcher and hydra.sweeper are used here"
            )
        elif match[1]:
            # Plugins have registered themselves when the first config was composed.
            names = [
                n.removesuffix(".yaml") for n in ConfigStore.instance().list(f"hydra/{match[1]}")
            ]
            if match[2] not in names:
                near = did_you_mean(match[2], names, f"hydra/{match[1]}={{}}")
                found.append(f"{word} is not to be had{near or ';'} choices: {', '.join(names)}")
    return found


def going_on(words: Sequence[str], folders: Sequence[Path], path: Path) -> str:
    """The command that goes on with a sweep, as it can be pasted."""
    flags = [part for folder in folders for part in ("--config-dir", str(folder))]
    kept = [word for word in words if key_of(word) != "sweep.resume"]
    return pasteable("train", "-m", *flags, *kept, f"sweep.resume={nearest(path)}")


def run(sweep: "Sweep", asked: Asked, plugins: Sequence[str], folders: Sequence[Path]) -> None:
    """Hand the sweep to Hydra: its sweeper chooses the trials, its launcher runs them.

    Raises Refused for what Hydra or a plugin refuses.
    """
    # What suits the data is known by now; each trial finds the same by itself.
    fixed = (*asked.judged.filled, *texts(asked, folders))
    task = Task(sweep, fixed)
    overrides = [*fixed, *(f"{key}={hydra_text(axis)}" for key, axis in asked.space.items())]
    overrides += [
        f"hydra/{kind}={OURS}" for kind in ("launcher", "sweeper") if not chosen(plugins, kind)
    ]
    overrides += [word for word in plugins if not word.endswith(f"={OURS}")]
    # Folders, logs and the current folder are ours: Hydra leaves them alone.
    overrides += ["hydra/job_logging=none", "hydra/hydra_logging=none", "hydra.output_subdir=null"]
    overrides += ["hydra.job.chdir=false", "hydra.mode=MULTIRUN", "hydra.sweep.subdir='.'"]
    overrides.append(f"hydra.sweep.dir={quoted(str(sweep.plan.folder))}")
    every = sources(folders)
    try:
        with hydra_of(every) as more:
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            hydra.multirun("train", task, [*overrides, *more], with_log_configuration=False)
    except (HydraException, OmegaConfBaseException) as error:
        raise Refused(hydra_problem(error, every)) from error
    except Failed:
        pass  # Hydra's own sweepers raise the first failure; the book has them all


def texts(asked: Asked, folders: Sequence[Path]) -> list[str]:
    """The words with one value as Hydra gets them; choices of nothing are left out."""
    catalogue, places = groups(folders), sources(folders)
    read = [parse(word, catalogue) for word in asked.fixed]
    overrides = [each for each in read if isinstance(each, Override)]
    return [
        text
        for each in overrides
        if each.value is not None or each.kind == "delete" or not is_choice(each, places)
        for text in texts_for(each)
    ]


def hydra_text(axis: Axis) -> str:
    """An axis in Hydra's grammar."""
    if isinstance(axis, Choices):
        return f"choice({','.join(axis.values)})"
    low, high = (int(n) if axis.integer else float(n) for n in (axis.low, axis.high))
    text = f"interval({low!r},{high!r})"
    text = f"int({text})" if axis.integer else text
    return f"tag(log,{text})" if axis.log else text


def quoted(text: str) -> str:
    """A text that Hydra's grammar takes as it is."""
    return QuotedString(text, Quote.double).with_quotes()


@dataclass(frozen=True)
class Task:
    """What Hydra calls for a trial, where another launcher runs it: also in another process.

    Our own launcher and sweeper take the sweep out of it.
    """

    sweep: "Sweep"
    fixed: tuple[str, ...]  # what all trials have in common, as Hydra gets it

    def __call__(self, config: DictConfig) -> float:
        """Run the trial whose overrides Hydra has just composed; returns the selected metric.

        Raises Failed where the trial has failed.
        """
        hydra: Any = HydraConfig.get()
        overrides = [str(text) for text in hydra.overrides.task]
        folder = next((text for text in overrides if text.startswith("run.dir=")), None)
        # Our sweeper says which trial it is; of another one the jobs are counted.
        number = int(hydra.job.num)
        if folder is not None and folder not in self.fixed:
            number = int(re.findall(r"\d+", folder)[-1])
        trial = self.sweep.trial(number, self.own(overrides))
        if trial.state != "finished":
            raise Failed(f"trial {trial.name}: {trial.reason}")
        return trial.metrics[self.sweep.plan.metric]

    def own(self, overrides: Sequence[str]) -> list[str]:
        """Those of a job's overrides that make it this trial."""
        common = {key_of(text) for text in self.fixed}
        return [text for text in overrides if key_of(text) not in common and not OWN.match(text)]

    def run_elsewhere(self, launcher: Any) -> None:
        """Run the sweep by another launcher of Hydra's."""
        jobs = 0

        def launch(points: Sequence[Sequence[str]]) -> None:
            nonlocal jobs
            texts = [[*self.fixed, *map(hydra_word, point)] for point in points]
            with suppress(Failed):  # the book has it
                launcher.launch(texts, initial_job_idx=jobs)
            jobs += len(points)

        self.sweep.run_elsewhere(launch)


def hydra_word(word: str) -> str:
    """A word of a trial as Hydra gets it."""
    parsed = parse(word, {})
    return parsed.text if isinstance(parsed, Override) else word

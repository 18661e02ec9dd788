"""The commands `train` and `fivestep`: arguments in, exit code out."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path
from typing import NoReturn

from trainer.commands.arguments import Parser
from trainer.errors import Refused
from trainer.preemption import Terminated, leave, terminable

COMMANDS = ("train", "list", "show")
# Each is a module of trainer.commands, with underscores for dashes.
LATER_COMMANDS = (
    "export", "predict", "evaluate", "runs", "ensemble", "lr-find", "batch-find", "doctor",
    "diagnose", "reproduce", "init", "audit",
)  # fmt: skip


def train_command() -> NoReturn:
    """Entry point of `train`."""
    leave(main(["train", *sys.argv[1:]]))


def fivestep_command() -> NoReturn:
    """Entry point of `fivestep`."""
    leave(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run one command, such as `["train", "seed=1"]`, and return its exit code (DESIGN section 5).

    Nothing is raised: an error becomes one line on stderr, and with --verbose a traceback. Signals
    that ask for the end are heeded from here on.
    """
    code = Terminated.exit_code
    with suppress(Terminated), terminable():  # one that comes when all is told changes nothing
        code = told(argv)
    return code


def told(argv: Sequence[str]) -> int:
    """Run one command, and tell what ends it."""
    verbose = any(word in ("-v", "--verbose") for word in argv)
    if sys.stdout is None:  # closed by who started us
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  # for as long as we run
    try:
        code = run(argv)
        sys.stdout.flush()  # a closed pipe has to show itself here, not at exit
        return code
    except BrokenPipeError:
        # Python would flush stdout at exit and complain: it gets somewhere to put it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # the last from foreign code
        from trainer.errors import CannotWrite
        from trainer.faults import tell

        if isinstance(error, OSError) and error.errno == ENOSPC and error.filename is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # as above
            error = CannotWrite("what is to be printed can't be written: the disk is full")
        return tell(error, verbose)


def run(argv: Sequence[str]) -> int:
    """Find the command and carry it out; errors are raised."""
    command, *rest = argv or ["--help"]
    if command in ("--help", "-h", "help"):
        from trainer.config.usage import fivestep_help

        print(fivestep_help())
        return 0
    if command in ("--version", "version"):
        return version()
    if command in LATER_COMMANDS:
        return later_command(command, rest)
    if command not in COMMANDS:
        from trainer.config.catalogue import did_you_mean

        near = did_you_mean(command, (*COMMANDS, *LATER_COMMANDS), "fivestep {}")
        if "=" in command:
            near = f"; did you mean train {' '.join(argv)}?"
        raise Refused(f"there is no command {command}{near or '; see fivestep --help'}")
    arguments = parse(command, rest)
    if arguments.multirun and command != "train":
        raise Refused(f"-m is for train; {command} has one config")
    folders: list[Path] = arguments.config_dir
    words: list[str] = arguments.words
    if arguments.version:
        return version()
    if arguments.help or words == ["help"]:
        from trainer.config.usage import train_help

        print(train_help(existing(folders)))
        return 0
    if command == "list":
        return list_choices(words, existing(folders))
    if command == "show":
        return show(words, folders)
    from trainer.faults import plain_warnings

    with plain_warnings():
        if arguments.multirun:
            return sweep(words, folders, arguments.trust)
        return train(words, folders, arguments.trust)


def later_command(command: str, words: Sequence[str]) -> int:
    """Carry out a command that works on what `train` has left."""
    from importlib import import_module

    from trainer.faults import plain_warnings

    module = import_module(f"trainer.commands.{command.replace('-', '_')}")
    with plain_warnings():
        try:
            code: int = module.main([word for word in words if word not in ("-v", "--verbose")])
        except SystemExit as done:
            if done.code:
                raise
            return 0  # how argparse leaves after --help
    return code


def parse(command: str, words: Sequence[str]) -> argparse.Namespace:
    """Tell flags from overrides; raises Refused with the nearest flag for one there isn't."""
    parser = Parser(command, add_help=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--config-dir", action="append", type=Path, default=[], metavar="DIR")
    parser.add_argument("--trust", action="append", default=[], metavar="NAME")
    return parser.read(words)


def existing(folders: Sequence[Path]) -> Sequence[Path]:
    """The folders of --config-dir; raises Refused for one that isn't there."""
    from trainer.config.catalogue import folder_problems

    if problems := folder_problems(folders):
        raise Refused(*problems)
    return folders


def version() -> int:
    """Print the version."""
    from trainer import __version__

    print(f"fivestep {__version__}")
    return 0


def list_choices(words: Sequence[str], folders: Sequence[Path]) -> int:
    """Print the groups, or the choices of one."""
    from trainer.config.usage import listing

    if len(words) > 1:
        raise Refused(f"list takes one group, not {len(words)} ({' '.join(words)})")
    print(listing(words[0] if words else None, folders))
    return 0


def show(words: Sequence[str], folders: Sequence[Path]) -> int:
    """Print the composed config, interpolations as they are written."""
    from omegaconf import OmegaConf

    from trainer.config.compose import compose

    print(OmegaConf.to_yaml(compose(words, folders)), end="")
    return 0


def train(words: Sequence[str], folders: Sequence[Path], trusted: Sequence[str] = ()) -> int:
    """Train a new run, or go on with the one that `resume=` names."""
    from trainer.installation import check as check_installation

    check_installation()
    folder, others = resumed(words)
    if folder is not None:
        from trainer.config.build import resume
        from trainer.stages import execute

        run = resume(folder, others, trusted)
    else:
        from trainer.config.compose import compose

        config = compose(words, folders, tell=lambda note: print(f"chosen  {note}"))
        if config.data.get("folds") is not None and config.data.get("fold") is None:
            return sweep([*words, f"data.fold=range({config.data.folds})"], folders, trusted)
        refuse_sweep_keys(words)
        # Only now is torch imported: a wrong key has been told already.
        from trainer.config.check import check

        check(config)
        # The stages are imported first: nobody answers yet for the folder that `build` makes.
        from trainer.config.build import build
        from trainer.stages import execute

        run = build(config, overrides=list(words))
    if run is not None:  # None: there is nothing left to do
        execute(run)
    return 0


def sweep(words: Sequence[str], folders: Sequence[Path], trusted: Sequence[str]) -> int:
    """Train a run for each combination of the values that were given."""
    from trainer.installation import check as check_installation

    check_installation()
    if resumed(words)[0] is not None:
        raise Refused("resume= is for one run; a sweep goes on with sweep.resume=FOLDER")
    from trainer.config.multirun import multirun

    return multirun(words, existing(folders), trusted)


def refuse_sweep_keys(words: Sequence[str]) -> None:
    """A single run has nothing to do with them: to pass them over would be to ignore a wish."""
    found = [word for word in words if re.match(r"\+{0,2}sweep[.=]", word)]
    if found:
        raise Refused(*(f"{word} is for a sweep; add -m: train -m ..." for word in found))


def resumed(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The run folder that the last `resume=` names, if any, and the other overrides."""
    folder: Path | None = None
    for word in words:
        if not re.match(r"\+{0,2}resume=", word):
            continue
        from trainer.config.overrides import parse as parse_override

        override = parse_override(word, {})
        if isinstance(override, str):
            raise Refused(override)
        if override.value == "":
            raise Refused(f"{word} names no folder; write resume=FOLDER, or leave it out")
        folder = None if override.value is None else Path(str(override.value)).expanduser()
    return folder, [word for word in words if not re.match(r"\+{0,2}resume=", word)]

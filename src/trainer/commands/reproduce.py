"""`fivestep reproduce`: a run is run again, and both are compared bit by bit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainer.commands.arguments import Parser
from trainer.errors import Failed, Interrupted, Refused
from trainer.pasting import nearest, pasteable

ABOUT = """\
Run a finished run again, from its stored config, seeds, threads and device, in
a new folder (run.dir=NEW, by default under runs/), and compare both: recorded
and final metrics, and all tensors of the last and the best checkpoint. Nothing
is exported.

Exit code 0 says that all is identical, 7 that it is not: then it is shown where
they part first, and what differs in packages, machine and code. All of it is in
NEW/reproduction.json. The same command with run.dir=NEW goes on with one that
was stopped."""


def main(words: Sequence[str]) -> int:
    """Run again and compare; raises Refused where that can't be, and Failed when they differ."""
    run, place, trusted = arguments_of(words)
    from trainer.installation import check as check_installation

    check_installation()
    from trainer.config.reproducing import build_again
    from trainer.reproduction.report import compare, refuse_incomparable

    refuse_incomparable(run)
    again = build_again(run, place, trusted)
    if again is not None:
        from trainer.stages import execute

        place = again.folder.path
        try:
            execute(again)
        except Interrupted as error:
            then = pasteable("fivestep", "reproduce", nearest(run), f"run.dir={nearest(place)}")
            error.add_note(f"to compare it, too: {then}")
            raise
    assert place is not None  # only a folder that was named can be complete already
    report = compare(run, place)
    print("\n".join(report.told()))
    report.write()
    if not report.identical:
        raise Failed(f"{nearest(place)} is not {nearest(run)} again: {report.first}")
    return 0


def arguments_of(words: Sequence[str]) -> tuple[Path, Path | None, Sequence[str]]:
    """The run, where it is to be run again, and what is trusted; raises Refused."""
    parser = Parser("fivestep reproduce", ABOUT)
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="the folder of a run")
    add("overrides", nargs="*", metavar="run.dir=NEW", help="the folder of the new one")
    add("--trust", action="append", default=[], metavar="NAME", help="let a stranger's run use it")
    found = parser.read(words)
    return found.run.expanduser(), place_of(found.overrides), found.trust


def place_of(words: Sequence[str]) -> Path | None:
    """The folder that the last `run.dir=` names; raises Refused for any other override."""
    from trainer.config.overrides import parse

    place: Any = None
    for word in words:
        override = parse(word, {})
        if isinstance(override, str):
            raise Refused(override)
        if override.key != "run.dir":
            raise Refused(
                f"{word} can't be changed here: it would be another run; only run.dir can"
            )
        place = override.value
    return None if place in (None, "") else Path(str(place)).expanduser()

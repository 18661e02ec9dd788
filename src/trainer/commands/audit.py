"""`fivestep audit`: what is wrong with data, or may be, before anything is learned from it."""

import json
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from textwrap import wrap
from typing import Any

from trainer.commands import tables
from trainer.commands.arguments import Parser
from trainer.errors import CannotWrite, Refused
from trainer.pasting import nearest, pasteable

ABOUT = """\
Look for what is wrong with data, or may be: copies across splits, wrong labels,
columns that give the target away, blank images, and more. Nothing is trained.

Overrides are those of train: data=images data.path=FOLDER

Exit code 0; 2 where the data can't be used, and with --strict for any error."""
COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}
MARGIN = 9
WIDEST = 100
ELSEWHERE = ("resume", "run.dir", "sweep")


def main(words: Sequence[str]) -> int:
    """Look at the data and print what was found; raises Refused for a wrong config."""
    arguments = arguments_of(words)
    refuse_page(arguments.html)
    from trainer.config.data_only import data_only

    data = data_only(arguments.overrides, arguments.config_dir)
    for note in [] if arguments.json else about_data(data.notes):
        print(f"chosen  {tables.printable(note)}")
    began = time.perf_counter()
    package = import_module("data.audit")
    usable, about = True, "the data can't be built"
    try:
        splits = data.build()
        about = import_module("data.audit.examination").title_of(splits)
        found = package.audit(splits, limit=arguments.limit, folder=data.folder)
    except ValueError as error:
        if getattr(error, "exit_code", None) not in (2, 7):
            raise
        usable, found = False, failed(package, error)
    seconds = time.perf_counter() - began
    line = shlex.join(["fivestep", "audit", *words])
    if arguments.html is not None:
        text = import_module("data.audit.page").page(found, data.title, about, line)
        write(arguments.html, text)
    if arguments.json:
        print(json.dumps(report(found, usable), indent=2, ensure_ascii=False))
    else:
        print(tables.printable(f"{data.title}: {about}"))
        tables.show(sys.stdout, lines(found.findings, tables.width_of(sys.stdout)))
        conclude(found, arguments, words, seconds)
    wrong = arguments.strict and found.number_of("error") > 0
    return 0 if usable and not wrong else 2


def about_data(notes: Sequence[str]) -> Iterator[str]:
    """What a first look has chosen for the data, without what it would be trained with."""
    for note in notes:
        if note.startswith("model="):
            _, found, note = note.partition(" data.")
            note = f"data.{note}" if found else ""
        if note:
            yield note


def arguments_of(words: Sequence[str]) -> Any:
    """What was asked for; raises Refused for what can't be."""
    parser = Parser("fivestep audit", ABOUT)
    add = parser.add_argument
    add("overrides", nargs="*", metavar="OVERRIDE", help="as for train: data=images data.path=...")
    add("--html", type=Path, metavar="FILE", help="write a page with pictures: audit.html")
    add("--limit", type=int, metavar="N", help="look at N samples at most; 0 for all")
    add("--strict", action="store_true", help="exit code 2 where there is an error")
    add("--json", action="store_true", help="print all of it, for a program")
    add("--config-dir", type=Path, action="append", default=[], metavar="DIR", help="as for train")
    found = parser.read(words)
    problems = [
        f"{word} is for train; an audit starts no run"
        for word in found.overrides
        if word.lstrip("+~").partition("=")[0].startswith(ELSEWHERE)
    ]
    if found.limit is not None and found.limit < 0:
        problems.append(f"--limit {found.limit}: give a number of samples, or 0 for all")
    if problems:
        raise Refused(*problems)
    return found


def refuse_page(path: Path | None) -> None:
    """Raise Refused where the page can't be written; one of an earlier audit is replaced."""
    if path is None:
        return
    if path.suffix.lower() not in (".html", ".htm"):
        raise Refused(f"--html {path}: call it .html")
    if not path.absolute().parent.is_dir():
        raise Refused(f"--html {path}: there is no folder {path.parent}; make it first")
    if path.exists() and (not path.is_file() or b"<title>Audit of " not in beginning(path)):
        raise Refused(f"--html {path} exists and is no page of an audit; choose another name")


def beginning(path: Path) -> bytes:
    """The first bytes of a file, in which a page has its title."""
    with path.open("rb") as file:
        return file.read(1000)


def write(path: Path, text: str) -> None:
    """Write the page; raises CannotWrite."""
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CannotWrite(f"--html {path} can't be written: {reason}; choose another") from error


def failed(package: Any, error: Any) -> Any:
    """Why the data can't be built, as the findings of an audit."""
    findings = []
    for problem in getattr(error, "problems", None) or [str(error)]:
        what, _, remedy = str(problem).rpartition("; ")
        findings.append(package.Finding("error", what or remedy, "", remedy if what else ""))
    return package.Audit(tuple(findings), ())


def lines(findings: Sequence[Any], width: int) -> Iterator[tables.Styled]:
    """The findings: level and what was found, then where, then what to do after an arrow."""
    room = max(30, min(width, WIDEST) - MARGIN)
    space = " " * MARGIN
    for finding in findings:
        first, *rest = folded(finding.what, room)
        yield [(f"{finding.level:{MARGIN}}", COLOURS[finding.level]), (first, "bold")]
        yield from ([(space + line, "bold")] for line in rest)
        if finding.where:
            yield from ([(space + line, "dim")] for line in folded(finding.where, room))
        if finding.remedy:
            start, *rest = folded(finding.remedy, room - 3)
            yield [(f"{space}-> {start}", "")]
            yield from ([(f"{space}   {line}", "")] for line in rest)


def folded(text: str, width: int) -> list[str]:
    """A text in lines; words and paths stay whole, so that they can be copied."""
    plain = tables.printable(" ".join(text.split()))
    return wrap(plain, width, break_long_words=False, break_on_hyphens=False) or [""]


def conclude(found: Any, arguments: Any, words: Sequence[str], seconds: float) -> None:
    """How many findings there are, and where they can be seen."""
    if found.findings:
        counts = [(level, found.number_of(level)) for level in COLOURS]
        shown = [f"{count} {level}{'s' * (count > 1)}" for level, count in counts if count]
        print(f"\n{', '.join(shown)} in {seconds:.1f} s")
    else:
        print(f"nothing found that is wrong, or may be ({seconds:.1f} s)")
    if arguments.html is not None:
        print(f"page {nearest(arguments.html)}")
    elif found.figures:
        print(f"with pictures: {pasteable('fivestep', 'audit', *words, '--html', 'audit.html')}")


def report(found: Any, usable: bool) -> dict[str, Any]:
    """All of it as plain values."""
    keys = ("level", "what", "where", "remedy")
    return {
        "usable": usable,
        "findings": [{key: getattr(each, key) for key in keys} for each in found.findings],
        "facts": found.facts,
    }

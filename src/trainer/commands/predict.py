"""`fivestep predict`: what a trained model says of inputs that it has never seen."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from trainer.commands.arguments import Parser
from trainer.commands.overview import Overview
from trainer.commands.progress import Progress
from trainer.errors import Failed, Interrupted, Refused
from trainer.inference import output
from trainer.inference.predictors import FORMS, export_of, form_of, of_export, of_run
from trainer.inference.sources import STANDARD_INPUT, inputs
from trainer.inference.stream import Predictor, rows

ABOUT = """\
Say what the model makes of each input: its class and how probable that is,
its numbers, its boxes ...

RUN is the folder of a run, or an export folder copied anywhere. INPUTS are
what the data was made of: files, folders, globs; a CSV file for each of its
rows; for a model of texts the text itself; or - for standard input: a list of
these, one a line, or the content of one. A CSV file comes back with the
answers as new columns: --output FILE.csv. An input that can't be read is
told, and the others go on; the exit code is 7 then."""
NAMED = 20  # inputs that can't be read and are named on standard error


def main(words: Sequence[str]) -> int:
    """Predict; raises Refused before anything is read, Failed at the end if an input was bad."""
    arguments = arguments_of(words)
    with ExitStack() as stack:
        writer = writer_of(arguments)
        predictor = predictor_of(arguments)
        items = inputs(arguments.inputs, predictor.reader, binary_stdin())
        columns = predictor.answer.columns
        overview = Overview(columns)
        # Rows on the same terminal would run through the bar.
        shown = not (isinstance(writer, output.Stream) and sys.stdout.isatty())
        count = counter(arguments.inputs, predictor)
        progress = stack.enter_context(Progress(sys.stderr, count, shown=shown))
        if writer is not None:
            writer.begin(columns)
            stack.enter_context(writer)
        try:
            for row in rows(items, predictor, batch_size=arguments.batch_size, top=arguments.top):
                if writer is not None:
                    writer.write(row)
                overview.add(row)
                if row.error is not None and overview.errors <= NAMED:
                    progress.say(f"error: {row.error}")
                progress.advance()
        except KeyboardInterrupt as error:
            code = getattr(error, "exit_code", 130)
            raise Interrupted(f"stopped after {overview.number:,} inputs", code) from error
    if writer is None:
        overview.show(sys.stdout)
    elif isinstance(writer, output.File):
        overview.summarise(sys.stdout, writer.path)
    if overview.errors:
        raise Failed(told(overview, writer))
    return 0


def arguments_of(words: Sequence[str]) -> Any:
    """What was asked for; raises Refused for what can't be."""
    parser = Parser("fivestep predict", ABOUT)
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run, or an export folder")
    add("inputs", nargs="+", metavar="INPUTS", help="files, folders, globs, or -")
    add("--artefact", metavar="FORM", help=f"use the export: {', '.join(FORMS)}")
    add("--top", type=int, default=3, metavar="K", help="classes told of each input (default 3)")
    add("--output", metavar="FILE", help="write all rows to FILE.csv or FILE.jsonl, or to -")
    add("--format", choices=output.FORMATS, help="where the name of FILE doesn't tell it")
    add("--overwrite", action="store_true", help="let FILE replace one that is there")
    add("--batch-size", type=int, metavar="N", help="inputs at a time (default: as fits)")
    add("--device", default="auto", metavar="NAME", help="cpu, cuda, cuda:1, mps (default auto)")
    add("--trust", action="append", default=[], metavar="NAME", help="let a stranger's run use it")
    found = parser.read(words)
    problems = [
        f"{flag} {value}: give a number, 1 or more"
        for flag, value in (("--top", found.top), ("--batch-size", found.batch_size))
        if value is not None and value < 1
    ]
    if problems:
        raise Refused(*problems)
    found.artefact = form_of(found.artefact)
    return found


def writer_of(arguments: Any) -> output.File | output.Stream | None:
    """Where the rows go; None where they are only shown. Raises Refused."""
    name, form = arguments.output, arguments.format
    if name is None and form is None:
        return None
    if name in (None, "-"):
        return output.Stream(sys.stdout, form or "jsonl")
    path = Path(name).expanduser()
    form = form or path.suffix.removeprefix(".").lower()
    if form not in output.FORMATS:
        raise Refused(f"--output {name}: call it .csv or .jsonl, or say which: --format csv")
    return output.File(path, form, overwrite=arguments.overwrite)


def predictor_of(arguments: Any) -> Predictor:
    """The model that was asked for; raises Refused."""
    run = arguments.run.expanduser()
    export = export_of(run, arguments.artefact)
    if export is None:
        return of_run(run, arguments.device, arguments.trust)
    if arguments.device not in ("auto", "cpu"):
        raise Refused(f"--device {arguments.device}: an artefact runs on the CPU; leave it out")
    return of_export(export, arguments.artefact, arguments.trust)


def binary_stdin() -> Any:
    """Standard input as bytes; None where it is closed."""
    return None if sys.stdin is None else sys.stdin.buffer


def counter(words: Sequence[str], predictor: Predictor) -> Any:
    """What counts the inputs for the bar; None where standard input has them."""
    if STANDARD_INPUT in words:
        return None
    return lambda: sum(1 for word in words for _ in predictor.reader.expand(word))


def told(overview: Overview, writer: Any) -> str:
    """The last line where inputs could not be read."""
    more = overview.errors - NAMED
    rest = f", {more:,} of them not named here" if more > 0 else ""
    where = "; the column error has each reason" if writer is not None else ""
    return f"{overview.errors:,} of {overview.number:,} inputs could not be read{rest}{where}"

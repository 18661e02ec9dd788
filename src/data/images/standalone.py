"""Predicts images with the ONNX model in the same folder; needs neither torch nor fivestep.

`data.images.bundle` makes one file, predict.py, of this and the modules of ours that it imports.
"""

import argparse
import csv
import hashlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError, SampleError
from data.inputs import expand
from data.pixels.decoding import decode, normalise

MANIFEST = "manifest.json"
STANDARD_INPUT = "-"
BATCH_SIZE = 32
COLUMNS = ("input", "label", "probability", "top_k", "error")


@dataclass(frozen=True)
class Model:
    """What a manifest describes, ready to be used."""

    classes: Sequence[str]
    read: Callable[[str | bytes, str], NDArray[np.uint8]]
    logits: Callable[[Sequence[NDArray[np.uint8]]], NDArray[Any]]


@dataclass(frozen=True)
class Row:
    """What is said of one input: the likeliest classes, or why there are none."""

    input: str
    top: Sequence[tuple[str, float]] = ()
    error: str = ""


class Lines(NamedTuple):
    """A format: its first line, "" for none, and the line of a row, "" for none."""

    header: str
    line: Callable[[Row], str]


def main(words: Sequence[str] | None = None, folder: Path | None = None) -> int:
    """Run the command and return its exit code: 0, 2 for nothing started, 7 for unread images."""
    arguments = _arguments(words)
    code = 0
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name may hold what the terminal's encoding doesn't.
            stream.reconfigure(errors="backslashreplace")
    try:
        model = load(folder or Path(__file__).resolve().parent)
        # Each path is looked up before the first image is read.
        sources = [_sources(word) for word in arguments.images]
        header, line = FORMATS[arguments.format](model.classes, arguments.top)
        if header:
            print(header)
        for row in rows(model, chain.from_iterable(sources), arguments.top):
            if row.error:
                print(f"error: {row.error}", file=sys.stderr)
                code = SampleError.exit_code
            if text := line(row):
                print(text)
        sys.stdout.flush()
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Who read along has had enough; Python would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    return code


def load(folder: Path) -> Model:
    """Open the model of a folder as its manifest describes it; raises DataError."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        artefact, reader = manifest["artefacts"]["onnx"], manifest["reader"]
        # A large model has its weights in files beside it.
        expected = {artefact["file"]: artefact, **artefact.get("external", {})}
        changed = [n for n, told in expected.items() if _digest(folder / n) != told["sha256"]]
        name = manifest["inputs"][0]["name"]
        sizes = {key: reader[key] for key in ("height", "width", "channels", "fit")}
        mean, std = reader["mean"], reader["std"]
        classes = [str(each) for each in manifest["classes"]]
    except OSError as error:
        raise DataError(
            f"{error.filename} can't be read ({error.strerror}); keep predict.py in the folder "
            "that it was exported to"
        ) from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"{path} describes no ONNX model for images ({type(error).__name__}: {error}); "
            "export it again"
        ) from error
    if changed:
        raise DataError(
            f"{folder / changed[0]} is not the file that was exported (its SHA-256 differs); copy "
            "the folder again"
        )
    run = _session(folder / artefact["file"])
    return Model(
        classes,
        read=lambda source, name: decode(source, **sizes, name=name),
        logits=lambda samples: run({name: normalise(np.stack(samples), mean, std)}),
    )


def rows(model: Model, names: Iterator[str], top: int) -> Iterator[Row]:
    """Yield a row for each image, in order, a batch at a time."""
    while chunk := list(islice(names, BATCH_SIZE)):
        samples: list[NDArray[np.uint8]] = []
        errors: dict[int, str] = {}
        for place, name in enumerate(chunk):
            try:
                source = sys.stdin.buffer.read() if name == STANDARD_INPUT else name
                samples.append(model.read(source, name))
            except SampleError as error:
                errors[place] = str(error)
        found = iter(best(model.logits(samples), model.classes, top) if samples else ())
        for place, name in enumerate(chunk):
            likeliest = () if place in errors else next(found)
            unsound = "" if likeliest else f"{name}: the model's output is not finite"
            yield Row(name, likeliest, errors.get(place, unsound))


def best(
    logits: NDArray[Any], classes: Sequence[str], top: int
) -> Iterator[Sequence[tuple[str, float]]]:
    """Yield the likeliest classes of each row of logits [B, C] with their probability (softmax).

    Of equals the first class comes first; nothing for a row that isn't finite.
    """
    wide = logits.astype(np.float64)
    with np.errstate(all="ignore"):
        powers = np.exp(wide - wide.max(axis=1, keepdims=True))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
    order = np.argsort(-wide, axis=1, kind="stable")[:, :top]
    for numbers, values in zip(order.tolist(), probabilities, strict=True):
        sound = bool(np.isfinite(values).all())
        yield [(classes[number], float(values[number])) for number in numbers] if sound else ()


def table(classes: Sequence[str], top: int) -> Lines:
    """Lines for the eye: the input comes last, since nobody knows how long it is."""
    width = max(5, *map(len, classes))
    top = min(top, len(classes))
    others = (width + 9) * (top - 1)

    def line(row: Row) -> str:
        if not row.top:
            return ""
        (label, probability), *rest = row.top
        shown = ", ".join(f"{name} {value:.4f}" for name, value in rest)
        return f"{label:<{width}}  {probability:11.4f}  {shown:<{others}}{row.input}"

    return Lines(f"{'label':<{width}}  probability  {'others' * (top > 1):<{others}}input", line)


def csv_lines(classes: Sequence[str], top: int) -> Lines:
    """CSV; `top_k` is JSON."""
    return Lines(",".join(COLUMNS), _csv_line)


def json_lines(classes: Sequence[str], top: int) -> Lines:
    """An object of JSON in each line."""
    return Lines("", _json_line)


def _csv_line(row: Row) -> str:
    label, probability = (row.top[0][0], f"{row.top[0][1]:.6f}") if row.top else ("", "")
    top = json.dumps(_rounded(row), ensure_ascii=False) if row.top else ""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(
        [_harmless(row.input), _harmless(label), probability, top, _harmless(row.error)]
    )
    return text.getvalue()


def _json_line(row: Row) -> str:
    top = _rounded(row)
    label, probability = top[0] if top else (None, None)
    values = (row.input, label, probability, top, row.error or None)
    return json.dumps(dict(zip(COLUMNS, values, strict=True)), ensure_ascii=False)


def _rounded(row: Row) -> Sequence[tuple[str, float]]:
    return [(label, round(value, 6)) for label, value in row.top]


def _harmless(text: str) -> str:
    """Return a text in one line that no spreadsheet takes for a formula (OWASP, CSV Injection)."""
    text = text.replace("\r", "\\r").replace("\n", "\\n")
    if not text.startswith(("=", "+", "-", "@", "\t", "＝", "＋", "－", "＠")):
        return text
    return text if text == STANDARD_INPUT or text[1:].isdecimal() else f"'{text}"


FORMATS = {"table": table, "csv": csv_lines, "jsonl": json_lines}


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="predict.py",
        description="Says what is on images, with the ONNX model in this folder.",
        epilog="Exit codes: 0; 2 nothing was started; 7 some images could not be read.",
    )
    parser.add_argument(
        "images",
        nargs="+",
        help="files, folders (with all below them), patterns such as 'photos/**/*.jpg'; "
        "- for one image on standard input",
    )
    parser.add_argument("--top", type=_positive, default=3, metavar="K", help="classes shown (3)")
    parser.add_argument("--format", choices=tuple(FORMATS), default="table", help="table")
    return parser.parse_args(words)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return int(text)


def _sources(word: str) -> Iterator[str]:
    return iter([word]) if word == STANDARD_INPUT else expand(word)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _session(path: Path) -> Callable[[dict[str, Any]], NDArray[Any]]:
    """Load a model; what it computes for named inputs is its first output."""
    try:
        import onnxruntime
    except ImportError as error:
        raise DataError(
            f"onnxruntime can't be imported ({error}); pip install onnxruntime"
        ) from error
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:
        # onnxruntime has an exception class for each of its status codes, with no common parent.
        told = " ".join(str(error).split())
        raise DataError(
            f"onnxruntime {onnxruntime.__version__} can't load {path} ({told}); install a newer one"
        ) from error
    return lambda inputs: np.asarray(session.run(None, inputs)[0])


if __name__ == "__main__":
    sys.exit(main())

"""`fivestep init`: look at a file or a folder, and write a config for it."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainer.commands.arguments import Parser
from trainer.config.catalogue import conf_folder
from trainer.config.looking import GROUPS, LOOKS, USUAL, literal
from trainer.errors import CannotWrite, Refused
from trainer.pasting import nearest, pasteable

ABOUT = """\
Look at your data, say what it seems to be, and write a config that trains on
it, ready to be edited.

PATH is a file or a folder: pictures in a folder per class, a CSV file, sound
files, texts, arrays ... Nothing is trained, and PATH stays as it is."""
# Keys of the data that everybody looks for first; they are written with their comments.
SPLITTING = ("validation", "test", "split", "split_seed", "group", "time", "splits")


def main(words: Sequence[str]) -> int:
    """Look and write; raises Refused where nothing is found, or something would be overwritten."""
    parser = Parser("fivestep init", ABOUT)
    parser.add_argument("path", type=Path, metavar="PATH", help="your data")
    parser.add_argument("--data", metavar="KIND", help="what it is, where the look is wrong")
    parser.add_argument("--name", metavar="NAME", help="what to call it (default: as PATH)")
    parser.add_argument(
        "--output", type=Path, default=Path("conf"), metavar="DIR", help="where (default: conf)"
    )
    arguments = parser.read(words)
    path = arguments.path.expanduser()
    seen = look_at(path, arguments.data)
    name = re.sub(r"[^\w-]+", "-", arguments.name or path.resolve().stem).strip("-") or "mine"
    file = arguments.output.expanduser() / "experiment" / f"{name}.yaml"
    if file.exists():
        raise Refused(f"{nearest(file)} exists; choose another --name, or move it away")
    command = pasteable(
        "train", "--config-dir", str(nearest(file.parent.parent)), f"experiment={name}"
    )
    write(file, text_of(path, seen, command))
    for line in seen.about:
        print(line)
    print(f"written to {nearest(file)}; edit it, then: {command}")
    return 0


def look_at(path: Path, kind: str | None) -> Any:
    """What the data seems to be; raises Refused where nobody can tell."""
    from importlib import import_module

    if not path.exists():
        raise Refused(f"{path} does not exist; give a file or a folder with your data")
    looks = import_module(LOOKS)
    if kind is not None:
        seen = looks.look(kind, {"path": str(path)})
        if seen is None:
            raise Refused(f"--data {kind} has no look of its own; choose {', '.join(looks.LOOKS)}")
        return seen
    found = looks.looks(path)
    if not found:
        raise Refused(
            f"{path}: it can't be told what it holds; say it: --data table, images, text ..."
        )
    return found[0]


def text_of(path: Path, seen: Any, command: str) -> str:
    """The config as YAML with a comment on each line."""
    loss, evaluation = USUAL.get(seen.problem, USUAL["classification"])
    chosen = {
        "model": seen.model,
        "loss": seen.loss or loss,
        "evaluation": seen.evaluation or evaluation,
    }
    lines = [
        "# @package _global_",
        f"# {path.name}: {seen.problem}, as a first look has it.",
        f"# Command: {command}",
        *(f"# {line}" for line in seen.about),
        "defaults:",
        f"  - override /data: {seen.kind}  # what kind of data it is",
        *(f"  - override /{group}: {chosen[group]}  # {MEANING[group]}" for group in GROUPS),
        "",
        "data:",
        f"  path: {quoted(os.path.abspath(path))}  # your data",  # noqa: PTH100  # links stay
        *(f"  {key}: {quoted(v)}  # as the look has found it" for key, v in seen.data.items()),
        *(line for line in split_lines(seen.kind, set(seen.data))),
        "",
        "trainer:",
        "  epochs: 20  # times through the training data",
    ]
    return "\n".join(lines) + "\n"


MEANING = {
    "model": "what learns; fivestep list model has others",
    "loss": "what is minimised",
    "evaluation": "what is measured, and what chooses the best",
}


def split_lines(kind: str, known: set[str]) -> list[str]:
    """The keys that say how the data is split, as conf/data has them, with their comments."""
    file = conf_folder() / "data" / f"{kind}.yaml"
    if not file.is_file():
        return []
    wanted = [key for key in SPLITTING if key not in known]
    pattern = re.compile(rf"({'|'.join(wanted)}): [^\[{{]*$")
    return [f"  {line}" for line in file.read_text("utf-8").splitlines() if pattern.match(line)]


def quoted(value: Any) -> str:
    """A value as YAML has it."""
    return literal(value).replace(":", ": ") if isinstance(value, dict) else literal(value)


def write(file: Path, text: str) -> None:
    """Write the file; raises CannotWrite."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as place:
            place.write(text)
    except OSError as error:
        raise CannotWrite(
            f"{file} can't be written: {error.strerror}; choose another place with --output"
        ) from error

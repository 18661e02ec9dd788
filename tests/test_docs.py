"""The guides tell the truth: their commands run, their code runs, what they link to is there.

docs/README.md tells the reader how a command is written; here is what is made of it.
"""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from trainer.cli import main

REPO = Path(__file__).resolve().parent.parent
DOCS = REPO / "docs"
EXAMPLES = DOCS / "examples"
GUIDES = [REPO / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
PAGES = [*sorted(REPO.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
QUICK = ["trainer.threads=1", "loader.limit_batches=2"]
# An export takes longer than such a short training; these guides show what comes of it.
EXPORTING = ("export.md", "predict.md")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the comment on the line above, its lines."""

    language: str
    note: str
    lines: list[str]
    where: str

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    def commands(self) -> Iterator[tuple[str, list[str]]]:
        """Each command with the lines that are shown below it."""
        command, shown = "", list[str]()
        for line in [*self.lines, "$ "]:
            if not line.startswith("$ "):
                shown.append(line)
                continue
            if command:
                yield command, shown
            command, shown = line[2:], []


def blocks(page: Path) -> list[Block]:
    found, note = [], ""
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), 1))
    for number, line in lines:
        if line.startswith("```"):
            body = []
            for _, inner in lines:
                if inner == "```":
                    break
                body.append(inner)
            found.append(Block(line[3:], note, body, f"{page.name}:{number}"))
        comment = re.fullmatch(r"<!-- (.*) -->", line)
        note = comment[1] if comment else ""
    return found


def draw(folder: Path) -> None:
    """Ten pictures of a bird, a cat and a dog, as far as a computer without a network can."""
    generator = np.random.default_rng(0)
    for number, name in enumerate(("bird", "cat", "dog")):
        (folder / name).mkdir(parents=True)
        for index in range(10):
            pixels = generator.integers(0, 80, (40, 30 + index, 3), dtype=np.uint8)
            pixels[..., number] += 120
            Image.fromarray(pixels).save(folder / name / f"{index}.png")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the guides call my_pictures, my_split and my_broken_pictures."""
    place = tmp_path_factory.mktemp("pictures")
    draw(place / "my_pictures")
    draw(place / "my_broken_pictures")
    (place / "my_broken_pictures/cat/no_picture.jpg").write_text("a text")
    for split in ("train", "validation", "test"):
        draw(place / "my_split" / split)
    return place


@pytest.fixture
def project(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's folder: the example files, and links to the pictures."""
    place = tmp_path / "project"
    shutil.copytree(EXAMPLES, place, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in pictures.iterdir():
        (place / folder.name).symlink_to(folder)
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", [*sys.path, str(place)])
    return place


def carry_out(
    command: str, shown: list[str], capfd: pytest.CaptureFixture[str], quickly: list[str]
) -> tuple[int, str]:
    """Exit code and output of one command of the guides."""
    name, *words = shlex.split(command, comments=True)
    capfd.readouterr()
    if name in ("train", "fivestep"):
        wrong = any(line.startswith("error:") for line in shown)
        quick = [] if wrong or "--help" in words else [*quickly, *shorter(words)]
        if quick and ("-m" in words or any(word.startswith("data.folds=") for word in words)):
            quick.append("evaluation.baselines=false")  # each trial would import scikit-learn
        resumes = any(word.startswith("resume=") for word in words)
        argv = ["train", *words, *([] if resumes else quick)] if name == "train" else words
        code = main(argv)
        torch.use_deterministic_algorithms(False)
    elif name == "tensorboard":
        folder = words[words.index("--logdir") + 1]
        assert list(Path(folder).rglob("events.out.tfevents.*")), command
        code = 0
    else:
        program = [sys.executable, *words] if name == "python" else [name, *words]
        code = subprocess.run(program, check=False).returncode
    captured = capfd.readouterr()
    lines = (captured.out + captured.err).splitlines(keepends=True)
    if shown and shown[0].startswith("error:"):
        # A guide shows the error; what had been chosen by then is told elsewhere.
        lines = [line for line in lines if not line.startswith("chosen  ")]
    return code, "".join(lines)


def shorter(words: list[str]) -> list[str]:
    """One epoch, unless the command says itself how far it goes."""
    return [] if "trainer.epochs=null" in words else ["trainer.epochs=1"]


def matches(shown: list[str], told: str) -> bool:
    """Whether the output is what is shown; `...` stands for anything."""
    if not shown:
        return True
    pattern = "\n".join(line.rstrip() for line in map(narrow, shown))
    pattern = re.escape(pattern).replace(re.escape("..."), ".*?")
    text = "\n".join(narrow(line).rstrip() for line in told.strip("\n").splitlines())
    return re.fullmatch(pattern, text, re.DOTALL) is not None


def narrow(line: str) -> str:
    """A line whose columns are two spaces apart: how wide they are depends on the numbers."""
    return re.sub(r"(?<=\S) {2,}", "  ", line)


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of the packages whose models are shown
def test_what_a_guide_shows_can_be_done(
    page: Path, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, object] = {}
    quickly = [*QUICK, *([] if page.name in EXPORTING else ["export=none"])]
    for block in blocks(page):
        if block.language == "python" and not block.note:
            exec(compile(block.text, block.where, "exec"), names)  # noqa: S102  # our own text
        if block.language != "console":
            continue
        for command, shown in block.commands():
            if not block.note.startswith("not run: "):
                code, told = carry_out(command, shown, capfd, quickly)
            else:
                assert command.startswith("train ")
                code, told = main(["show", *shlex.split(command)[1:]]), ""
            expected = any(line.startswith("error:") for line in shown)
            assert (code != 0) == expected, f"{block.where}: {command}\n{told}"
            assert matches(shown, told), f"{block.where}: {command}\n{told}"


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_what_a_guide_shows_of_a_file_is_that_file(page: Path) -> None:
    for block in blocks(page):
        assert block.language in ("console", "text", "python", "yaml"), block.where
        if block.note.startswith("examples/"):
            assert block.text == (DOCS / block.note).read_text(), block.where
        else:
            assert block.language != "yaml", f"{block.where}: name the file above the block"


def test_every_example_is_shown_and_short() -> None:
    shown = {block.note for page in GUIDES for block in blocks(page)}
    files = [p for p in EXAMPLES.rglob("*") if p.suffix in (".py", ".yaml")]
    assert {path.relative_to(DOCS).as_posix() for path in files} <= shown
    for name in ("net", "rings", "brier", "mixup"):
        assert code_lines(EXAMPLES / f"{name}.py") < 20, name
    for path in files:
        if path.suffix == ".yaml":
            assert path.read_text().startswith("#") and yaml.safe_load(path.read_text())


def code_lines(path: Path) -> int:
    return sum(bool(line.strip()) for line in path.read_text().splitlines())


def test_python_takes_ten_lines_and_gives_the_run_of_the_command(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = (EXAMPLES / "from_python.py").read_text()
    lines = [line for line in text.splitlines()[1:] if line.strip()]
    assert sum(not re.match(r"(from|import) ", line) for line in lines) <= 10
    assert "schedule=cycle, " in text
    text = text.replace("schedule=cycle, ", "schedule=cycle, options=TrainerOptions(epochs=2), ")
    exec("from trainer import TrainerOptions\n" + text, {})  # noqa: S102  # our own text
    assert main(["train", "trainer.epochs=2", "export=none", "run.dir=runs/command"]) == 0
    (script,) = (project / "runs/run").iterdir()
    command = project / "runs/command"
    assert metrics(script) == metrics(command)
    for name in ("model", "ema"):
        weights = f"checkpoints/step_00000080/{name}.safetensors"
        assert (script / weights).read_bytes() == (command / weights).read_bytes()
    capfd.readouterr()


def metrics(run: Path) -> list[str]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [re.sub(r', "timing": \{.*?\}', "", line) for line in lines]


def anchors(page: Path) -> set[str]:
    """The names that headings get on a page."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_what_a_page_links_to_or_names_is_there(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        titled = not anchor or file.suffix != ".md"
        if not file.exists() or not (titled or anchor in anchors(file)):
            missing.append(target)
    if page.parent.name == "adr":  # a decision names what was not chosen, too
        text = ""
    for name in re.findall(r"`((?:src|tests|scripts|conf|docs)/[\w./-]*\w)`", text):
        if not (REPO / name).exists():
            missing.append(name)
    assert not missing, missing


def test_the_map_names_every_file() -> None:
    text = (REPO / "CONTRIBUTING.md").read_text()
    source = REPO / "src" / "trainer"
    files = {p.name for p in [*source.glob("*.py"), *(source / "config").glob("*.py")]}
    assert {name for name in files if f"{name}](" not in text} == {"__init__.py"}
    for folder in source.iterdir():
        assert folder.name == "__pycache__" or not folder.is_dir() or f"{folder.name}/](" in text


def test_the_checks_can_fail(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- a note -->\n```console\n$ one\nout\n$ two\n```\ntext\n```text\nx\n```\n")
    first, second = blocks(page)
    assert list(first.commands()) == [("one", ["out"]), ("two", [])]
    assert (first.note, second.note, second.language) == ("a note", "", "text")
    assert matches(["error: a ... c"], "error: a b c\n") and matches([], "anything")
    assert not matches(["error: a ... c"], "error: a b d")
    assert not matches(["one", "two"], "one\nthree\ntwo")
    assert anchors(REPO / "docs/run-folder.md") >= {"exit-codes", "stopping-and-going-on"}

"""A first look at a file or a folder: labelled texts, running text, or pairs for translation?"""

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from data.errors import DataError, SampleError
from data.look import Look
from data.text.columns import (
    NUMBER,
    Labels,
    labels_of,
    mean_letters,
    split_column,
    target_columns,
    text_columns,
)
from data.text.files import TEXTS, UNLABELLED, is_text, split_entries
from data.text.headings import TEXT_NAMES
from data.text.pairing import CODE, Pairs, couples, of_table, table_of_pairs
from data.text.rows import JSON, PARQUET, TABLES, Rows, rows_of

MOST_BYTES = 16 << 20
MOST_ROWS = 20_000
LISTED = 50
MODELS = {"text": "transformer", "language": "language_model", "translation": "seq2seq"}


def look_text(path: Path | None, options: Mapping[str, Any]) -> Look:
    """Return what there is to learn from labelled texts: the columns of a table, class folders.

    Args:
        path: a file or a folder.
        options: the keys of conf/data/text.yaml, with what the user has set.
    """
    nothing = Look("text", "classification", MODELS["text"], certainty=0.0)
    try:
        if path is None or not path.exists():
            return nothing
        table = _table_in(path)
        if table is not None:
            return _look_table(table, path, options, nothing)
        classes = _class_folders(path) if path.is_dir() else []
    except (DataError, OSError):
        return nothing
    if len(classes) < 2:
        return nothing
    shown = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
    problem = options.get("problem") or "classification"
    about = (f"{path.name}: a folder of text files for each of {len(classes)} classes: {shown}",)
    return Look("text", problem, MODELS["text"], about, {"problem": problem}, 0.9)


def look_language(path: Path | None, options: Mapping[str, Any]) -> Look:
    """Return whether it is running text: a text file, a folder of these, a table of texts alone.

    Args:
        path: a file or a folder.
        options: the keys of conf/data/language.yaml, with what the user has set.
    """

    def seen(certainty: float, *about: str, **data: Any) -> Look:
        return Look("language", "language", MODELS["language"], about, data, certainty, "tokens")

    try:
        if path is None or not path.exists():
            return seen(0.0)
        if path.is_file():
            if path.suffix.lower() in TABLES:
                rows = peeked(path, options)
                text = text_columns(rows, options.get("text"), [])
                alone = len(rows.columns) == len(text) and mean_letters(rows.columns[text[0]]) > 10
                told = f"{path.name}: a column of texts, {text[0]!r}, to be gone on with"
                return seen(0.8 if alone else 0.1, told, text=text[0] if len(text) == 1 else text)
            known = path.suffix.lower() in TEXTS and _is_prose(path)
            return seen(0.8 if known else 0.0, f"{path.name}: running text")
        files = [e.name for e in islice(_sorted(path), 1000) if e.is_file() and is_text(e.name)]
        if not any(Path(name).suffix.lower() in TEXTS for name in files):
            deep = len(_class_folders(path)) > 0
            return seen(0.3 if deep else 0.0, f"{path.name}: a folder with texts in it")
    except (DataError, OSError):
        return seen(0.0)
    # A description or a list of classes often lies beside data of another kind.
    others = sum(1 for e in islice(_sorted(path), 1000) if not is_text(e.name))
    certainty = 0.8 if len(files) > others else 0.2
    return seen(certainty, f"{path.name}: a folder of running text, {len(files)} files")


def look_translation(path: Path | None, options: Mapping[str, Any]) -> Look:
    """Return whether it is pairs of texts: a table of two columns, or two files of one stem.

    Args:
        path: a file or a folder.
        options: the keys of conf/data/translation.yaml, with what the user has set.
    """

    def seen(certainty: float, *about: str, **data: Any) -> Look:
        return Look(
            "translation", "translation", MODELS["translation"], about, data, certainty, "tokens"
        )

    source, target = options.get("source"), options.get("target")
    try:
        if path is None or not path.exists():
            return seen(0.0)
        other = options.get("target_path")
        if other is not None:
            return seen(0.9, f"{path.name} and {Path(str(other)).name}: pairs, line by line")
        if path.is_dir() and "train" not in split_entries(path, folders=False):
            _, first, second = couples(path, source, target, quiet=True)[0]
            ends = {"source": first.suffix[1:], "target": second.suffix[1:]}
            return seen(0.85, f"{first.name} and {second.name}: pairs, line by line", **ends)
        table = split_entries(path, folders=False)["train"] if path.is_dir() else path
        if table.suffix.lower() not in TABLES:
            return seen(0.0)
        rows = table_of_pairs(lambda header: peeked(table, options, header), table.suffix)
        pairs = of_table(rows, source, target, quiet=True)
    except (DataError, OSError):
        return seen(0.0)
    # Columns called en and de need no other sign; a teaching set may repeat its sentences.
    codes = not rows.headless and all(CODE.fullmatch(name.strip()) for name in pairs.columns)
    likely = len(rows.columns) <= 3 and _are_pairs(pairs, repeated=codes)
    ends = {} if rows.headless else {"source": pairs.columns[0], "target": pairs.columns[1]}
    told = f"{table.name}: pairs of texts, {pairs.about}"
    return seen(0.85 if likely else 0.1, told, **ends)


def _are_pairs(pairs: Pairs, *, repeated: bool) -> bool:
    """Whether both sides are texts of a like length, and none is a label or a number.

    Texts may be `repeated` where the columns' names say what they are.
    """
    sides = (pairs.sources[:1000], pairs.targets[:1000])
    for side in sides:
        numbers = sum(NUMBER.fullmatch(text.strip()) is not None for text in side)
        if 2 * numbers >= len(side) or (2 * len(set(side)) < len(side) and not repeated):
            return False
    letters = [sum(map(str.isalpha, "".join(side))) for side in sides]
    lengths = [sum(map(len, side)) for side in sides]
    return max(letters) > 0 and max(lengths) < 6 * min(lengths)


def peeked(path: Path, options: Mapping[str, Any], header: bool | None = None) -> Rows:
    """Return the first rows of a table; raises DataError where it is none."""
    ending = path.suffix.lower()
    how = {key: options.get(key) for key in ("separator", "encoding", "header")}
    if header is not None:
        how["header"] = header
    if ending in PARQUET:
        return _first_of_parquet(path)
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES and ending != ".json":
        content = content[: content.rindex(b"\n") + 1] if b"\n" in content else content
    if not content.strip() or (ending in JSON and content.lstrip()[:1] not in b"{["):
        raise DataError(f"{path} holds no rows")
    try:
        return rows_of(content, path.name, ending, **how)
    except SampleError as error:
        raise DataError(*error.problems) from error
    except DataError:
        # A line that is broken doesn't change what the others are.
        sound = b"\n".join([line for line in content.split(b"\n") if _is_object(line)])
        if ending not in JSON or not sound:
            raise
        return rows_of(sound, path.name, ending, **how)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _first_of_parquet(path: Path) -> Rows:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        batch = next(file.iter_batches(batch_size=MOST_ROWS), None)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} can't be read as Parquet ({error})") from error
    if batch is None:
        raise DataError(f"{path} holds no rows")
    columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
    return Rows(path.name, columns, [f"{path.name}:{n}" for n in range(1, batch.num_rows + 1)])


def _table_in(path: Path) -> Path | None:
    """Return the table itself, or the one to learn from in a folder of train.csv and the like."""
    if path.is_file():
        return path if path.suffix.lower() in TABLES else None
    return split_entries(path, folders=False).get("train")


def _look_table(table: Path, path: Path, options: Mapping[str, Any], nothing: Look) -> Look:
    rows = peeked(table, options)
    by_name = options.get("split_column") or (split_column(rows) if path.is_file() else None)
    serving = [by_name, options.get("group"), options.get("time")]
    others = [str(name) for name in serving if name is not None]
    asked = options.get("target")
    named = [asked] if isinstance(asked, str) else list(asked or ())
    text = text_columns(rows, options.get("text"), [*named, *others])
    target = target_columns(rows, asked, text, others)
    labels = labels_of(rows, target, options.get("problem"))
    if labels.problem == "classification" and len(labels.classes) < 2:
        return nothing
    goal = ", ".join(map(repr, target[:5])) + (", ..." if len(target) > 5 else "")
    about = (
        f"{table.name}: texts in column {', '.join(map(repr, text))}, target in {goal}",
        f"problem: {labels.problem} ({_said(labels)})",
    )
    data: dict[str, Any] = {
        "text": text[0] if len(text) == 1 else text,
        "target": target[0] if len(target) == 1 else target,
        "problem": labels.problem,
    }
    certainty = _certainty(rows, text, target)
    if labels.problem == "classification" and 2 * len(labels.classes) > len(rows):
        certainty = 0.1  # what is different in each row is no class
    return Look("text", labels.problem, MODELS["text"], about, data, certainty)


def _certainty(rows: Rows, text: list[str], target: list[str]) -> float:
    """Return how sure it is that the texts are what there is to learn from."""
    cells = rows.columns[text[0]]
    some = [str(cell) for cell in cells[:1000] if cell is not None]
    words = sum(len(each.split()) for each in some) / max(1, len(some))
    others = len(rows.columns) - len(text) - len(target)
    named = text[0].strip().lower() in TEXT_NAMES
    if words < 2 or len(set(some)) < len(some) / 2:
        return 0.1
    if (named and others <= 3) or (words >= 5 and others <= 2):
        return 0.85
    return 0.7 if words >= 20 and others <= 5 else 0.2


def _said(labels: Labels) -> str:
    names = labels.classes or labels.targets
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _class_folders(path: Path) -> list[str]:
    """Return the folders with text files, of a folder or of its training split."""
    root = split_entries(path, folders=True).get("train", path)
    found = []
    for folder in (e for e in _sorted(root) if e.is_dir() and not e.name.startswith(".")):
        files = [e for e in islice(folder.iterdir(), LISTED) if not e.name.startswith(".")]
        texts = [e for e in files if e.is_file() and is_text(e.name)]
        some = any(e.suffix.lower() in TEXTS or _is_prose(e) for e in texts[:1])
        if some and 2 * len(texts) >= len(files) and folder.name.lower() not in UNLABELLED:
            found.append(folder.name)
    return found


def _is_prose(path: Path) -> bool:
    """Whether a file begins like text."""
    with path.open("rb") as file:
        start = file.read(4096)
    utf16 = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    return bool(start.strip()) and (utf16 or b"\0" not in start)


def _sorted(path: Path) -> list[Path]:
    return sorted(path.iterdir())

"""What can be chosen in a config, read from the YAML files' comments without composing them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from trainer.errors import Refused

DEFAULT = re.compile(r"^\s+-\s+(?:optional\s+)?([\w/]+):\s*([^\s#]+)\s*(?:#\s*(.*))?$")


@dataclass(frozen=True)
class Group:
    """A config group: what it decides, which choice is the default, and its choices."""

    purpose: str  # the comment of its line in train.yaml
    default: str | None  # None where nothing is chosen unless asked for
    listed: bool  # whether train.yaml has a line for it
    choices: dict[str, str]  # each choice with the first sentence of its file


def conf_folder() -> Path:
    """Our own config tree: inside the package when installed, else at the top of the checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parents[1] / "conf"


def sources(config_dirs: Sequence[Path] = ()) -> list[Path]:
    """Every config folder in the order in which a choice is looked up: the user's, then ours."""
    return [*(folder.expanduser().resolve() for folder in config_dirs), conf_folder()]


def folder_problems(config_dirs: Iterable[Path]) -> list[str]:
    """A line for each folder of --config-dir that is none."""
    return [
        f"--config-dir {folder} is not a folder"
        + did_you_mean(folder.name, [p.name for p in folder.parent.glob("*/")], least=0.5)
        for folder in config_dirs
        if not folder.expanduser().is_dir()
    ]


def groups(config_dirs: Sequence[Path] = ()) -> dict[str, Group]:
    """Every group, those of train.yaml first and in its order.

    A choice of the user's own folder stands in for one of ours with the same name.
    """
    folders = sources(config_dirs)
    listed = defaults(config_dirs)
    found: dict[str, dict[str, str]] = {name: {} for name in listed}
    for folder in reversed(folders):
        # One level only: a user's folder may hold their data and runs beside the groups.
        for file in sorted(folder.glob("*/*.yaml")):
            found.setdefault(file.parent.name, {})[file.stem] = summary(file)
    result = {}
    for name, choices in found.items():
        default, purpose = listed.get(name, (None, ""))
        result[name] = Group(purpose, default, name in listed, dict(sorted(choices.items())))
    return result


def defaults(config_dirs: Sequence[Path] = ()) -> dict[str, tuple[str | None, str]]:
    """The choice of each group in train.yaml (None: no choice), with the comment of its line."""
    main = next(f for folder in sources(config_dirs) if (f := folder / "train.yaml").is_file())
    found: dict[str, tuple[str | None, str]] = {}
    for line in main.read_text(encoding="utf-8").splitlines():
        if match := DEFAULT.match(line):
            name, choice, purpose = match.groups()
            found[name] = (None if choice == "null" else choice, purpose or "")
        elif found and line and not line.startswith((" ", "#")):
            break
    return found


def summary(file: Path) -> str:
    """The first sentence of the comment that a config file begins with; "" where it has none."""
    words: list[str] = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise Refused(f"{file} can't be read ({reason}); mend it, or take it away") from error
    for line in lines:
        if not line.startswith("#"):
            break
        text = line.lstrip("#").strip()
        if not text.startswith("@package"):
            words.append(text)
    # Within a line a capital has to follow, so that "et al. 2017" ends no sentence.
    end = r"(?<=[.?!])(?:\n|\s(?=[A-Z]))|\s(?=Command:)"
    return re.split(end, "\n".join(words), maxsplit=1)[0].replace("\n", " ").strip()


def nearest(name: str, candidates: Iterable[str], limit: int = 1, least: float = 0.6) -> list[str]:
    """The candidates most like `name`, best first, as many as `limit`; only those alike enough.

    A dotted candidate also counts by its last part: `lr` and `trainer.lr` are near `optimizer.lr`.
    """
    scored = []
    for candidate in dict.fromkeys(candidates):
        score = alike(name, candidate)
        if "." in name or "." in candidate:
            # A whole path that is nearly right beats the same last part elsewhere, and a long
            # path in common is nothing without a last part that is alike.
            last = alike(name.rpartition(".")[2], candidate.rpartition(".")[2])
            score = max((score + last) / 2, 0.95 * last)
        if score >= least:
            scored.append((-score, candidate))
    scored.sort()
    # What is clearly worse than the best would only distract from it.
    return [name for score, name in scored[:limit] if score <= scored[0][0] + 0.15]


def alike(one: str, other: str) -> float:
    """How alike two names are, 0 to 1; case, dashes and underscores do not count."""
    one, other = (re.sub("[-_]", "", text.lower()) for text in (one, other))
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def did_you_mean(
    name: str, candidates: Iterable[str], pattern: str = "{}", limit: int = 1, least: float = 0.6
) -> str:
    """`; did you mean a or b?` for the nearest candidates, or "" where none is near.

    Each candidate is put into `pattern`, so that the answer can be typed as it stands.
    """
    names = [pattern.format(match) for match in nearest(name, candidates, limit, least)]
    return f"; did you mean {' or '.join(names)}?" if names else ""

"""What a search leaves: a folder of its own with a picture, a JSON file and a CSV file."""

import csv
import io
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import CannotWrite, Refused
from trainer.storage import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def refuse_output(output: Path | None, kind: str) -> None:
    """Raise Refused where `output` is a file or holds earlier results."""
    if output is None:
        return
    folder = output.expanduser()
    if folder.exists() and not folder.is_dir():
        raise Refused(f"--output {output} is a file; give a folder")
    earlier = sorted(path.name for path in folder.glob(f"{kind.replace('-', '_')}.*"))
    if earlier:
        raise Refused(f"--output {output} holds {', '.join(earlier)}; give another folder")


@contextmanager
def results_folder(output: Path | None, name: str, kind: str) -> Iterator[Path]:
    """Make `output`, else `runs/<name>/<kind>_<date>_<time>_<unique>`; CannotWrite, Refused.

    When the block fails, folders that were made for it and are still empty go again.
    """
    refuse_output(output, kind)
    now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    default = Path("runs") / name / f"{kind}_{now}_{secrets.token_hex(3)}"
    folder = (output.expanduser() if output else default).absolute()
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with told_of_output(folder):
            folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except BaseException:
        with suppress(OSError):  # not empty: there is something in it to be looked at
            for path in missing:
                path.rmdir()
        raise


@contextmanager
def told_of_output(folder: Path) -> Iterator[None]:
    """Raise CannotWrite with the remedy that these commands have."""
    try:
        with atomic.writing(folder):
            yield
    except CannotWrite as error:
        raise CannotWrite(str(error).replace("run.dir=FOLDER", "--output FOLDER")) from error


def write(
    folder: Path,
    stem: str,
    figure: "Figure",
    values: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Write `<stem>.png`, `<stem>.json` and `<stem>.csv` (`rows` have equal keys); CannotWrite."""
    from trainer.evaluation import style

    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    picture = style.encode(figure)
    with told_of_output(folder):
        atomic.write_bytes(folder / f"{stem}.png", picture)
        atomic.write_json(folder / f"{stem}.json", values)
        atomic.write_text(folder / f"{stem}.csv", table.getvalue())

"""What files of measurements seem to be, at a glance."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.look import Look
from data.series.files import BINARY, COMMA_NUMBER, Dialect, head
from data.series.listing import OF_A_FOLDER, Listed, has_classes, listed
from data.series.opening import problem_of
from data.series.roles import Wanted, as_names
from data.series.times import named_time, seems_time

ENOUGH_ROWS = 8
FEW_COLUMNS = 12
SOME, SOME_FOLDERS, MOST = 500, 20, 0.5


def look_series(path: Path | None, options: Mapping[str, Any]) -> Look:
    """Return what the file, or the first of a folder, seems to be; reads its first lines only.

    Certain is it of a file whose first column are times that rise and whose others are numbers;
    anything else with a column of times may as well be a table.
    """
    nothing = Look("series", "regression", "forecaster", certainty=0.0)
    share = _share(path) if path is not None and path.is_dir() else 1.0
    try:
        files = listed(path) if share else []
    except DataError:
        return nothing
    if not files:
        return nothing
    wanted = Wanted(
        time=options.get("time"),
        target=as_names(options.get("target")),
    )
    dialect = Dialect(options.get("separator"), options.get("decimal"), options.get("encoding"))
    problem = options.get("problem") or problem_of(files, wanted, dialect)
    certainty, times = _certainty(files[0], dialect)
    if share < MOST:  # files beside pictures or sounds rather describe those
        certainty *= share
    if problem == "classification":
        if not wanted.target and not has_classes(files):
            certainty = min(certainty, 0.3)
        number = len({file.folder for file in files})
        what = f"series of {number} classes" if has_classes(files) else "series with labels"
        return Look("series", problem, "series_cnn", (what,), {"problem": problem}, certainty)
    what = f"measurements over time ({times})" if times else "measurements, row after row"
    if files[0].path.suffix.lower() in BINARY:
        what = "measurements in Parquet files"
    return Look("series", problem, "forecaster", (what,), {"problem": problem}, certainty)


def _share(folder: Path) -> float:
    """Return which share of the files in a folder, and in those in it, may hold series."""
    try:
        places = [folder, *(each for each in islice(folder.iterdir(), SOME) if each.is_dir())]
        names = [
            each.suffix.lower()
            for place in places[:SOME_FOLDERS]
            for each in islice(place.iterdir(), SOME)
            if not each.name.startswith(".") and each.suffix
        ]
    except OSError:
        return 0.0
    return sum(name in OF_A_FOLDER for name in names) / max(1, len(names))


def _certainty(file: Listed, dialect: Dialect) -> tuple[float, str]:
    """Return how surely a file holds series, and the column of its times."""
    if file.path.suffix.lower() in BINARY:
        return 0.3, ""
    try:
        header = head(file.path, file.name, dialect)
    except (DataError, OSError, UnicodeError):
        return 0.0, ""
    columns = {
        name: [row[place] for row in header.rows if len(row) > place]
        for place, name in enumerate(header.names)
    }
    dated = [name for name, cells in columns.items() if seems_time(cells)]
    if not dated:
        counted = [name for name in list(columns)[:1] if named_time(name)]
        return (0.4 if counted else 0.1), "".join(counted)
    others = [cells for name, cells in columns.items() if name not in dated]
    numeric = [cells for cells in others if _are_numbers(cells)]
    if not numeric or len(header.rows) < ENOUGH_ROWS:
        return 0.2, dated[0]
    first = dated[0] == header.names[0]
    told_apart = len(set(columns[dated[0]])) > len(header.rows) / 2
    if first and told_apart and len(numeric) == len(others) <= FEW_COLUMNS:
        return 0.9, dated[0]
    return (0.6 if first else 0.4), dated[0]


def _are_numbers(cells: list[str]) -> bool:
    present = [cell.strip() for cell in cells if cell.strip()]
    return bool(present) and all(COMMA_NUMBER.fullmatch(c.replace(".", ",", 1)) for c in present)

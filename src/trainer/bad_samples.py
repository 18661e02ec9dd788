"""The samples that could not be read and were left out: `bad_samples.csv`."""

import csv
import io
from collections.abc import Iterator

from trainer.errors import CannotWrite
from trainer.run import Run
from trainer.storage import atomic

FILE = "bad_samples.csv"
COLUMNS = ["split", "sample", "name", "reason"]
LIMIT = 100_000_000
# A spreadsheet takes what begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


class BadSamples:
    """Keeps the list up to date; `told` is how many are in it.

    A run that goes on keeps what earlier starts have found.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.path = run, run.folder.path / FILE
        self.rows: dict[tuple[str, str], list[str]] = {}
        if run.resumed and self.path.exists():
            self.rows = {(row[0], row[2]): row for row in self.before() if row != COLUMNS}
        self.seen = 0
        self.waiting = self.warned = False

    def before(self) -> list[list[str]]:
        """What earlier starts have listed; CannotWrite where the file is none of ours."""
        try:
            text = atomic.read_regular(self.path, LIMIT).decode(errors="replace")
            rows = [row for row in csv.reader(io.StringIO(text)) if len(row) == len(COLUMNS)]
        except (OSError, csv.Error) as error:
            told = getattr(error, "strerror", None) or error
            raise CannotWrite(
                f"{self.path} can't be read ({told}); mend or remove it, then resume"
            ) from error
        return list(map(self.safe, rows))

    def tell(self) -> None:
        """Write down what was found since the last time, and say so at first.

        A disk that takes no more doesn't end the run: it is said once, and tried again each time.
        """
        number = sum(1 for _ in self.found())
        if self.seen == number and not self.waiting:
            return
        first, before = self.seen == 0, len(self.rows)
        self.seen = number
        for row in self.found():
            safe = self.safe(row)
            self.rows.setdefault((safe[0], safe[2]), safe)
        if len(self.rows) == before and not self.waiting:
            return
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerow(COLUMNS)
        writer.writerows(self.rows.values())
        try:
            atomic.write_text(self.path, buffer.getvalue())
            self.waiting = False
        except CannotWrite as error:
            self.waiting = True
            if not self.warned:
                self.warned = True
                self.run.console.warn(f"{error}; training goes on without that list")
        if first:
            split, _, name, reason = list(self.rows.values())[-1]
            self.run.console.warn(
                f"{name} of the {split} split is left out ({reason}); {FILE} lists all such samples"
            )

    @staticmethod
    def safe(row: list[str]) -> list[str]:
        """A row that no spreadsheet takes for a formula; a second call changes nothing."""
        return [f"'{text}" if text.startswith(FORMULA) else text for text in row]

    def found(self) -> Iterator[list[str]]:
        """What was left out when the data was built, and what the loaders have met since."""
        for bad in getattr(self.run.splits, "bad", ()):
            sample = "" if bad.sample is None else str(bad.sample)
            yield [bad.split, sample, bad.name, bad.reason]
        for split, loader in zip(self.run.loaders._fields, self.run.loaders, strict=True):
            for each in () if loader is None else loader.bad:
                yield [split, str(each.sample), each.name, each.reason]

"""What a running trial has measured so far, read from the end of its `metrics.jsonl`."""

import json
import os
from pathlib import Path

from trainer.storage.atomic import open_regular


class Tail:
    """The values of one metric in a metrics file that another process is writing.

    `every` is how many epochs lie between two evaluations.
    """

    def __init__(self, path: Path, metric: str, every: int = 1) -> None:
        self.path = path
        self.metric = metric
        self.every = every
        self._file = (0, 0)  # the file that was read so far, and how much of it
        self._seen = 0  # evaluations in what was read
        self._told = 0  # evaluations that were returned
        self.last: float | None = None  # the last value that was returned

    def read(self) -> list[tuple[int, float]]:
        """The values since the last call, as (number of epochs, value).

        A value that is not finite is null in the file, and is left out. A file that is not there
        (yet) has no values.
        """
        try:
            with open_regular(self.path) as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._file[0] or status.st_size < self._file[1]:
                    # A run that goes on replaces the file by one without what it will do again.
                    self._file, self._seen = (status.st_ino, 0), 0
                file.seek(self._file[1])
                whole, newline, _ = file.read().rpartition(b"\n")
        except OSError:
            return []
        self._file = (self._file[0], self._file[1] + len(whole) + len(newline))
        found = []
        for line in whole.splitlines():
            if self.metric.encode() not in line:
                continue
            try:
                value = json.loads(line).get(self.metric, "")
            except ValueError:
                continue  # torn by a kill; the run itself cuts it off when it goes on
            if value == "":
                continue
            self._seen += 1
            if self._seen > self._told:
                self._told = self._seen
                if value is not None:
                    self.last = float(value)
                    found.append((self._seen * self.every, float(value)))
        return found

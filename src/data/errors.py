"""What can be wrong with data, each kind with the exit code that a script can test."""

from collections.abc import Sequence

SHOWN = 5


class DataError(ValueError):
    """The data is not what it has to be; found while building, so nothing was started.

    Takes one or several problems, each a line that says what, where, and what to do. The message
    counts them all and shows the first five; `problems` holds every one. `exit_code` is what the
    command exits with.
    """

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        self.problems: Sequence[str] = problems
        super().__init__(_message(problems))

    def __reduce__(self) -> tuple[type["DataError"], tuple[str, ...]]:
        return type(self), tuple(self.problems)


class SampleError(DataError):
    """A sample, or the worker that was to read it, failed while running."""

    exit_code = 7


def _message(problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    shown = "\n".join(f"  {number}. {text}" for number, text in enumerate(problems[:SHOWN], 1))
    hidden = len(problems) - SHOWN
    more = f"\n  and {hidden} more" if hidden > 0 else ""
    return f"{len(problems)} problems with the data:\n{shown}{more}"

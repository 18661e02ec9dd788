"""What can go wrong for the user, each kind with the exit code that a script can test."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class UserError(ValueError):
    """An error whose message is all that the user needs; the command prints it without a traceback.

    `exit_code` is what the command exits with. Any exception with such an attribute is treated
    alike, so packages that never import this one (data, a user's own) can do the same.
    """

    exit_code = 1


class Refused(UserError):
    """Nothing was started: the config, the data or the folder is not what it has to be.

    `problems` holds every problem found, each a line that says what, where, and what to do.
    """

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        self.problems: Sequence[str] = problems
        if len(problems) == 1:
            super().__init__(problems[0])
        else:
            lines = "\n".join(f"  {number}. {text}" for number, text in enumerate(problems, 1))
            super().__init__(f"{len(problems)} problems; nothing was started:\n{lines}")


class Diverged(UserError):
    """The loss or the weights stopped being finite."""

    exit_code = 3


class CannotWrite(UserError):
    """The disk is full, read-only or forbidden; what had been written before is intact."""

    exit_code = 4


class NoUsableCheckpoint(UserError):
    """Checkpoints are there but none of them can be used."""

    exit_code = 5


class FolderInUse(UserError):
    """Another process holds the run folder."""

    exit_code = 6


class Failed(UserError):
    """Data, a worker or memory failed while running."""

    exit_code = 7


@contextmanager
def nothing_started() -> Iterator[None]:
    """Raise Refused for data or workers that fail within: they have the exit code of a failed run.

    Any exception with that code counts, since packages that never import this one raise them too.
    """
    try:
        yield
    except Exception as error:
        if getattr(error, "exit_code", None) != Failed.exit_code:
            raise
        raise Refused(*getattr(error, "problems", (str(error),))) from error


class Interrupted(UserError):
    """A signal asked the run to stop, and it did so at a step boundary.

    130 after SIGINT (Ctrl-C), 143 after SIGTERM.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code

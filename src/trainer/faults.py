"""How the command tells what went wrong: one line for the user's mistakes, more for real faults."""

import sys
import sysconfig
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def tell(error: BaseException, verbose: bool) -> int:
    """Print an error and its notes to stderr, and return the exit code that it stands for.

    An error with an int `exit_code` is meant for the user: its message is all they need. Any other
    is a fault, told with its place; where the user's own code took part, with the traceback, since
    it is theirs to debug.
    """
    notes = vars(error).pop("__notes__", ())  # else a traceback would show them, too
    code = getattr(error, "exit_code", None)
    if isinstance(error, KeyboardInterrupt):
        text, code = str(error) or "interrupted", code or 130
    elif isinstance(code, int):
        if verbose:
            traceback.print_exception(error)
        text = f"error: {error}"
    else:
        text, code = unexpected(error, verbose), 1
    with suppress(OSError):  # nobody listens: the code still says it
        print(text, *notes, sep="\n", file=sys.stderr)
    return code


def unexpected(error: BaseException, verbose: bool) -> str:
    """The line about a fault, and on stderr its traceback where that is wanted."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if is_users(frame.filename)]
    if verbose or own:
        traceback.print_exception(error)
    place = (own or list(frames))[-1] if frames else None
    where = f" ({place.filename}:{place.lineno})" if place else ""
    first = next(iter(str(error).splitlines()), "")
    blame = (
        "your own code took part"
        if own
        else "this is a fault of fivestep or of your own code; run again with --verbose for the "
        "traceback"
    )
    return f"error: unexpected: {type(error).__name__}: {first}{where}; {blame}"


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show warnings as one line each, without the source line that gave them."""
    former = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    try:
        yield
    finally:
        warnings.formatwarning = former


def is_users(filename: str) -> bool:
    """Whether a source file is the user's own: neither ours, nor installed, nor Python's."""
    if filename.startswith("<"):
        return False
    file = Path(filename).resolve()
    ours = Path(__file__).resolve().parents[1]
    own_packages = [ours / name for name in ("trainer", "models", "data")]
    installed = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib")]
    started = Path(sys.argv[0]).resolve() if sys.argv and sys.argv[0] else None
    return (
        not any(file.is_relative_to(folder) for folder in (*own_packages, *installed))
        and "site-packages" not in file.parts
        and file != started
    )

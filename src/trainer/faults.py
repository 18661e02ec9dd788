"""How the command tells what went wrong: one line for the user's mistakes, more for real faults."""

import sys
import sysconfig
import traceback
from pathlib import Path


def tell(error: Exception, verbose: bool) -> int:
    """Print an error to stderr and return the exit code that it stands for.

    An error with an int `exit_code` is meant for the user: its message is all they need. Any other
    is a fault, told with its place; where the user's own code took part, with the traceback, since
    it is theirs to debug.
    """
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        if verbose:
            traceback.print_exception(error)
        print(f"error: {error}", file=sys.stderr)
        return code
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
    print(f"error: unexpected: {type(error).__name__}: {first}{where}; {blame}", file=sys.stderr)
    return 1


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

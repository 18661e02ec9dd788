"""The fresh process in which an artefact is loaded and run: `python -m trainer.export.child FORM`.

It takes messages on standard input until that is closed, and answers each with one: `open` (form,
path, names of the inputs, threads), `run` (arrays in, one array out) and `time` (arrays in).
"""

import os
import sys
import time
from importlib import import_module
from statistics import median
from typing import IO, Any

from trainer.export.formats import NEEDS, load
from trainer.export.frames import Ended, receive, send

WARM_UP = 3
MOST_CALLS = 50


def main() -> None:
    """Answer until nobody asks any more."""
    # Libraries print what they like: the pipe is ours alone, and what they print goes to stderr.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for name in NEEDS[sys.argv[1]]:
        import_module(name)
    serve(sys.stdin.buffer, answers)


def serve(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Take messages, and answer each; an error of the artefact is an answer, too."""
    runner: Any = None
    while True:
        try:
            message, arrays = receive(questions)
        except Ended:
            return
        try:
            if message["do"] == "open":
                begin = time.perf_counter()
                runner = load(
                    message["form"], message["path"], message["names"], message["threads"]
                )
                send(answers, {"seconds": time.perf_counter() - begin})
            elif message["do"] == "run":
                send(answers, {}, [runner(arrays)])
            else:
                send(answers, {"seconds": timed(runner, arrays, message["seconds"])})
        except Exception as error:  # whatever it is, it is the artefact that failed
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            told = lines[0][:500] if lines else ""
            send(answers, {"error": f"{type(error).__name__}: {told}"})


def timed(runner: Any, arrays: Any, limit: float) -> float:
    """Median seconds of a call, of as many calls as fit into `limit` seconds."""
    calls(runner, arrays, limit, WARM_UP)
    return median(calls(runner, arrays, limit, MOST_CALLS))


def calls(runner: Any, arrays: Any, limit: float, most: int) -> list[float]:
    """Seconds of each call, one at least."""
    found: list[float] = []
    while len(found) < most and sum(found) < limit:
        begin = time.perf_counter()
        runner(arrays)
        found.append(time.perf_counter() - begin)
    return found


if __name__ == "__main__":
    main()

"""`fivestep doctor`: what speaks against training here, and what to do about it."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from trainer.commands.arguments import Parser

ABOUT = """\
Look at Python, packages, torch, GPUs, memory, disk and commands, and say what
to do about problems.

Exit code 0 without problems, 2 with. torch is tried in a process of its own, so
that this works with a broken one."""


def main(words: Sequence[str]) -> int:
    """Print every check; 2 where one of them is a problem."""
    parser = Parser("fivestep doctor", ABOUT)
    parser.add_argument("--json", action="store_true", help="all checks, for a program")
    arguments = parser.read(words)
    from trainer.commands.diagnosis import show
    from trainer.doctor.examination import examine

    checks = examine()
    bad = any(check.grade == "problem" for check in checks)
    if arguments.json:
        print(json.dumps({"ok": not bad, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        show(checks, sys.stdout)
    return 2 if bad else 0

"""One thing that was looked at."""

from dataclasses import dataclass
from typing import Literal

Grade = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Check:
    """What was looked at, how it is (`note`: worth knowing), and for problems what to do."""

    topic: str
    grade: Grade
    value: str
    advice: str = ""

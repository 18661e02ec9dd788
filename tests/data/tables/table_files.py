"""Files for the tests of tables."""

from pathlib import Path

import numpy as np


def written(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    """Write a file as it is, line ends too."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def shop(rows: int = 200, seed: int = 0) -> str:
    """A European table of customers: all kinds of columns, with values missing."""
    rng = np.random.default_rng(seed)
    lines = ["Kunde;Alter;Einkommen in €;Stadt;Mitglied;seit;kauft"]
    for row in range(rows):
        age, income = int(rng.integers(18, 80)), float(rng.lognormal(10, 0.5))
        city = rng.choice(["Köln", "New York", "São Paulo"])
        member = rng.choice(["yes", "no"])
        since = f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.{rng.integers(2019, 2024)}"
        money = f"{income:,.2f}".translate(str.maketrans(",.", ".,"))
        buys = "yes" if (age > 45) ^ (member == "yes") else "no"
        lines.append(
            f"C{row:04d};{age if row % 13 else ''};{money if row % 17 else 'n/a'};"
            f"{city if row % 23 else '-'};{member};{since};{buys}"
        )
    return "\n".join(lines) + "\n"

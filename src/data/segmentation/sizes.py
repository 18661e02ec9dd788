"""What is said of a mask that doesn't fit its image."""

from pathlib import Path


def size_problem(path: Path, found: tuple[int, int], wanted: tuple[int, int]) -> str:
    """Return the line about a mask of another size than its image; sizes are columns and rows."""
    turned = " (turned by 90 degrees?)" if found == wanted[::-1] else ""
    return (
        f"{path} is {found[0]} x {found[1]} pixels and its image {wanted[0]} x {wanted[1]}"
        f"{turned}; give both the same size, or remove the pair"
    )


def all_ignored(path: Path) -> str:
    """Return the line about a mask without a labelled pixel."""
    return f"{path} has no labelled pixel, all are ignored; label it or remove the pair"

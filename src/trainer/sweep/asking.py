"""Between a search and the book: what is still to be run, and what the search hears of it."""

from collections.abc import Iterator, Sequence

from trainer.errors import Refused
from trainer.pasting import nearest
from trainer.sweep.axes import Choices, Space
from trainer.sweep.search import Candidate, Search
from trainer.sweep.trials import Book, Trial


def remaining(
    search: Search, book: Book, metric: str, space: Space | None = None
) -> Iterator[Candidate]:
    """All that the search asks for and that has not ended yet.

    Then the failed ones of an earlier start, which the search has heard of and won't ask for again.
    Where a `space` is given, a trial that doesn't lie in it is Refused.
    """
    for candidate in unended(search, book, metric):
        if space is not None and not lies_in(candidate.overrides, space):
            # What a folder from elsewhere says would be run: no word of it counts unseen.
            told = " ".join(candidate.overrides)
            raise Refused(
                f"{nearest(book.folder)}: trial {candidate.number} ({told}) is none of this sweep; "
                "its files were changed; start a new one"
            )
        yield candidate


def unended(search: Search, book: Book, metric: str) -> Iterator[Candidate]:
    """What is left, as the search and the book have it."""
    before = dict(book.trials)
    asked = set()
    while (candidate := search.ask()) is not None:
        asked.add(candidate.number)
        known = before.get(candidate.number)
        if known is not None and known.ended:
            tell(search, known, metric)
        else:
            yield candidate
    for number, trial in before.items():
        if number not in asked and not trial.ended:
            yield Candidate(number, trial.overrides)


def lies_in(overrides: Sequence[str], space: Space) -> bool:
    """Whether overrides give a value of its axis to each key of a space, and say nothing else."""
    values = dict(text.partition("=")[::2] for text in overrides)
    if values.keys() != space.keys() or len(values) != len(overrides):
        return False
    for key, axis in space.items():
        if isinstance(axis, Choices):
            fits = values[key] in axis.values
        else:
            try:
                fits = axis.low <= float(values[key]) <= axis.high
            except ValueError:
                fits = False
        if not fits:
            return False
    return True


def tell(search: Search, trial: Trial, metric: str) -> None:
    """Let the search hear how a trial ended; of one that goes on later it doesn't hear."""
    if trial.state in ("finished", "failed", "pruned"):
        search.tell(trial.number, trial.state, trial.metrics.get(metric))

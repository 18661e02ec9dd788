"""Between a search and the book: what is still to be run, and what the search hears of it."""

from collections.abc import Iterator

from trainer.sweep.search import Candidate, Search
from trainer.sweep.trials import Book, Trial


def remaining(search: Search, book: Book, metric: str) -> Iterator[Candidate]:
    """All that the search asks for and that has not ended yet.

    Then the failed ones of an earlier start, which the search has heard of and won't ask for again.
    """
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


def tell(search: Search, trial: Trial, metric: str) -> None:
    """Let the search hear how a trial ended; of one that goes on later it doesn't hear."""
    if trial.state in ("finished", "failed", "pruned"):
        search.tell(trial.number, trial.state, trial.metrics.get(metric))

"""Texts: empty and very short ones, lengths, and texts that come twice but for their case."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.audit.duplicates import Contents
from data.audit.figures import Listing, histogram
from data.audit.finding import Finding, many, natural, number, percent, places
from data.audit.inputs import inputs_of
from data.audit.parts import Part, digests
from data.audit.study import Study, flagged, unreadable

SHORT_WORDS, USUAL_WORDS = 3, 12
PAIRS = 6
CUT_SHARE = 0.1
SHOWN_SIGNS = 300
NO_WORD = re.compile(r"[\W_]+")


def study(parts: Sequence[Part], info: Any) -> Study:
    """Look at all texts."""
    read = [part.each(part.dataset.sample_text) for part in parts]
    texts = [[text or "" for text in own] for own, _ in read]
    bad = [reasons for _, reasons in read]
    result = Study(findings=unreadable(parts, bad, "text"))
    wrong = [
        np.isin(np.arange(len(part)), list(each)) for part, each in zip(parts, bad, strict=True)
    ]
    words = [np.array([len(plainly(text).split()) for text in own]) for own in texts]
    result.findings += lengths(parts, words, wrong)
    result.findings += cut(parts, info)
    drawn = histogram(
        "Words of a text",
        [(part.split, own.astype(float)) for part, own in zip(parts, words, strict=True)],
    )
    result.figures += [drawn] if drawn is not None else []
    all_words = np.concatenate(words)
    result.facts = {
        "words": {
            "least": int(all_words.min()),
            "median": float(np.median(all_words)),
            "most": int(all_words.max()),
        }
    }
    result.contents += contents(texts, [w | (n == 0) for w, n in zip(wrong, words, strict=True)])
    if (listing := doubled(parts, texts)) is not None:
        result.figures.append(listing)
    return result


def lengths(
    parts: Sequence[Part], words: Sequence[NDArray[Any]], wrong: Sequence[NDArray[np.bool_]]
) -> list[Finding]:
    """Texts of no or few words."""
    empty = flagged(parts, [(n == 0) & ~w for n, w in zip(words, wrong, strict=True)])
    found = []
    if empty:
        found.append(
            Finding(
                "warning",
                f"{many(len(empty), 'text')} without a word",
                places(empty),
                "nothing can be learned from them; remove them",
            )
        )
    usual = float(np.median(np.concatenate(words)))
    if usual >= USUAL_WORDS:
        short = flagged(parts, [(n > 0) & (n < SHORT_WORDS) for n in words])
        if short:
            found.append(
                Finding(
                    "note",
                    f"{many(len(short), 'text')} of fewer than {SHORT_WORDS} words, where most "
                    f"have {number(usual)} and more",
                    places(short),
                    "see whether they are what they should be",
                )
            )
    return found


def cut(parts: Sequence[Part], info: Any) -> list[Finding]:
    """Texts that fill an input to its last token, and so are cut, as far as one can see."""
    length = int(getattr(info, "length", 0))
    if getattr(info, "problem", "") in ("language", "translation") or not length:
        return []  # these fill each input on purpose
    stored = [inputs_of(part) for part in parts]
    if any(each is None or each.ndim != 2 or each.dtype.kind != "i" for each in stored):
        return []
    full = [own[:, -1] != 0 for own in stored if own is not None]  # 0 is padding
    share = float(np.concatenate(full).mean())
    if share < CUT_SHARE:
        return []
    return [
        Finding(
            "note",
            f"{percent(share)} of the texts fill all {length} tokens of an input, so most of "
            "these are cut",
            "",
            "what comes later is not seen; raise data.length if it matters",
        )
    ]


def contents(texts: Sequence[Sequence[str]], ignore: Sequence[NDArray[np.bool_]]) -> list[Contents]:
    """Return the texts as they are, and, for those that aren't equal, without case and signs."""
    exact = [digests(text.encode(errors="replace") for text in own) for own in texts]
    plain = [digests(plainly(text).encode(errors="replace") for text in own) for own in texts]
    # Of the texts that are equal as they are, one stands for all: the others were told already.
    kept = [own.copy() for own in ignore]
    seen: dict[int, int] = {}
    sides = [(side, place) for side, own in enumerate(texts) for place in range(len(own))]
    for side, place in sides:
        mark = int(exact[side][place])
        if mark in seen:
            kept[side][place] = True
        seen[mark] = side
    bare = [np.array([plainly(text) == "" for text in own], dtype=bool) for own in texts]
    kept = [each | none for each, none in zip(kept, bare, strict=True)]
    return [
        Contents(exact, "text", rich=False, ignore=ignore),
        Contents(
            plain,
            "text",
            rich=False,
            equal="equal but for case, spaces and punctuation",
            ignore=kept,
        ),
    ]


def plainly(text: str) -> str:
    """Return a text in lower case, with one space for all that is no letter or digit."""
    return NO_WORD.sub(" ", text.casefold()).strip()


def doubled(parts: Sequence[Part], texts: Sequence[Sequence[str]]) -> Listing | None:
    """Return the first texts that come twice, those across splits first."""
    groups: dict[str, list[tuple[int, int]]] = {}
    for side, own in enumerate(texts):
        for place, text in enumerate(own):
            if bare := plainly(text):
                groups.setdefault(bare, []).append((side, place))
    pairs = [group for group in groups.values() if len(group) > 1]
    if not pairs:
        return None
    named = [[(side, parts[side].names(place)[0], place) for side, place in g] for g in pairs]
    named = [in_order(group) for group in named]
    named.sort(key=lambda group: (group[0][0] == group[1][0], natural(group[0][1])))
    rows = [
        [
            (f"{parts[side].split}: {name}", texts[side][place][:SHOWN_SIGNS])
            for side, name, place in group[:2]
        ]
        for group in named[:PAIRS]
    ]
    note = f"the first {PAIRS} of {len(pairs):,}" if len(pairs) > PAIRS else ""
    return Listing("Texts that come twice", rows, note)


def in_order(group: Sequence[tuple[int, str, int]]) -> list[tuple[int, str, int]]:
    """Return equal texts by name, one of each split first: they say more than two of one."""
    ordered = sorted(group, key=lambda each: (each[0], natural(each[1])))
    firsts = {each[0]: each for each in reversed(ordered)}
    return sorted(ordered, key=lambda each: firsts[each[0]] is not each)

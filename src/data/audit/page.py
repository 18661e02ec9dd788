"""The audit as one HTML page that needs nothing else: no script, no file, no network."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape

import numpy as np

from data.audit.examination import Audit
from data.audit.figures import Bars, Figure, Gallery, Histogram, Listing
from data.audit.finding import LEVELS, Finding, many, number
from data.audit.parts import SPLITS
from data.audit.style import CSS

# Nothing may be loaded, whatever a name in the data looks like.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
WIDTH, HEIGHT, FLOOR = 320, 130, 110
SMOOTH = 48  # pictures of more pixels a side are not shown in squares


def page(audit: Audit, title: str, about: str, command: str = "") -> str:
    """Return the page.

    Args:
        audit: what was found.
        title: what the data is called.
        about: one line below it.
        command: how the page was made, for its foot.
    """
    found = "".join(map(of_finding, audit.findings)) or (
        '<p class="good">Nothing was found that is wrong, or may be.</p>'
    )
    figures = "".join(map(of_figure, audit.figures))
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Audit of {escape(title)}</title><style>{CSS}</style></head><body><main>",
        f"<header><h1>Audit of {escape(title)}</h1>",
        f'<p class="about">{escape(about)}</p>{chips(audit)}</header>',
        f"<section><h2>What was found</h2>{found}</section>",
        f'<section><h2>The data</h2>{legend(audit.figures)}<div class="figures">{figures}</div>'
        "</section>"
        if figures
        else "",
        f"<footer>Made by {escape(command)}</footer>" if command else "",
        "</main></body></html>",
    ]
    return "\n".join(filter(None, parts)) + "\n"


def chips(audit: Audit) -> str:
    """Return how many findings there are of each level."""
    items = []
    for level in LEVELS:
        count, _, word = many(audit.number_of(level), level).partition(" ")
        items.append(f'<li class="{level if count != "0" else ""}"><b>{count}</b> {word}</li>')
    return f'<ul class="chips">{"".join(items)}</ul>'


def of_finding(finding: Finding) -> str:
    """Return one finding."""
    where = f'<p class="where">{escape(finding.where)}</p>' if finding.where else ""
    return (
        f'<article class="finding {finding.level}"><p class="what">'
        f'<span class="badge">{finding.level}</span>{escape(finding.what)}</p>{where}'
        f"<p>&rarr; {escape(finding.remedy)}</p></article>"
    )


def of_figure(figure: Figure) -> str:
    """Return one figure with its title and note."""
    draw = {Bars: bars, Histogram: histogram, Gallery: gallery, Listing: listing}[type(figure)]
    narrow = isinstance(figure, Histogram) or (isinstance(figure, Bars) and not figure.is_wide)
    wide = "" if narrow else " wide"
    note = f'<p class="small">{escape(figure.note)}</p>' if figure.note else ""
    return (
        f'<figure class="figure{wide}"><h3>{escape(figure.title)}</h3>'
        f"{draw(figure)}{note}</figure>"  # type: ignore[operator]
    )


def legend(figures: Sequence[Figure]) -> str:
    """Return which colour stands for which split; nothing where there is one only."""
    names: dict[str, None] = {}
    for figure in figures:
        if isinstance(figure, Bars):
            names |= dict.fromkeys(figure.series)
        elif isinstance(figure, Histogram):
            names |= dict.fromkeys(name for name, _ in figure.counts)
    if len(names) < 2:
        return ""
    items = "".join(f'<li><i class="c{colour(name)}"></i>{escape(name)}</li>' for name in names)
    return f'<ul class="legend">{items}</ul>'


def colour(series: str) -> int:
    """Return the number of a series' colour: each split has its own."""
    return SPLITS.index(series) if series in SPLITS else 0


def bars(figure: Bars) -> str:
    """Return lying bars, the longest over the whole width."""
    longest = max((sum(counts) for _, counts in figure.rows), default=0) or 1
    rows = []
    for name, counts in figure.rows:
        pieces = "".join(
            f'<span class="c{colour(series)}" style="width:{count / longest * 100:.3f}%"'
            f' title="{escape(series)}: {count:,}"></span>'
            for series, count in zip(figure.series, counts, strict=True)
        )
        shown = escape(name)
        rows.append(
            f'<span class="name" title="{shown}">{shown}</span><span class="track">{pieces}</span>'
            f'<span class="count">{sum(counts):,}</span>'
        )
    return f'<div class="bars">{"".join(rows)}</div>'


def histogram(figure: Histogram) -> str:
    """Return the first series as an area, all of them as lines, each as shares of its own."""
    edges, low, high = figure.edges, figure.edges[0], figure.edges[-1]
    shares = [[count / max(sum(counts), 1) for count in counts] for _, counts in figure.counts]
    top = max((max(own) for own in shares if own), default=0) or 1.0
    drawn = []
    for (series, _), own in zip(figure.counts, shares, strict=True):
        points = []
        for left, right, share in zip(edges, edges[1:], own, strict=False):
            height = FLOOR - share / top * (FLOOR - 8)
            points += [f"{across(x, low, high):.1f},{height:.1f}" for x in (left, right)]
        line = " ".join([f"2,{FLOOR}", *points, f"{WIDTH - 2},{FLOOR}"])
        if colour(series) == 0:
            drawn.append(f'<polygon class="f0" points="{line}"/>')
        drawn.append(f'<polyline class="l{colour(series)}" points="{line}"/>')
    ticks = "".join(
        f'<text x="{across(x, low, high):.1f}" y="{HEIGHT - 5}" text-anchor="{anchor}">'
        f"{escape(day(x) if figure.is_date else number(x))}</text>"
        for x, anchor in ((low, "start"), ((low + high) / 2, "middle"), (high, "end"))
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(figure.title)}"><line class="axis" x1="0" x2="{WIDTH}" '
        f'y1="{FLOOR}" y2="{FLOOR}"/>{"".join(drawn)}{ticks}</svg>'
    )


def day(seconds: float) -> str:
    """Return the date of some seconds from 1970."""
    return str(np.datetime64(int(seconds), "s").astype("datetime64[D]"))


def across(value: float, low: float, high: float) -> float:
    """Return where a value lies in the drawing."""
    return 2 + (value - low) / (high - low) * (WIDTH - 4)


def gallery(figure: Gallery) -> str:
    """Return rows of pictures with captions."""
    rows = []
    for row in figure.rows:
        cells = "".join(
            f'<figure><img class="{smooth(image)}" alt="" '
            f'src="data:image/png;base64,{b64encode(image).decode()}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
            for image, caption in row
        )
        rows.append(f'<div class="pictures">{cells}</div>')
    return f'<div class="groups">{"".join(rows)}</div>'


def smooth(image: bytes) -> str:
    """Return the class of a picture that is large enough to be drawn smoothly (by its header)."""
    width, height = (int.from_bytes(image[at : at + 4], "big") for at in (16, 20))
    return "smooth" if min(width, height) > SMOOTH else ""


def listing(figure: Listing) -> str:
    """Return rows of texts side by side."""
    return "".join(
        '<div class="texts">'
        + "".join(
            f"<blockquote>{escape(text)}<cite>{escape(name)}</cite></blockquote>"
            for name, text in row
        )
        + "</div>"
        for row in figure.rows
    )

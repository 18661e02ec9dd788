"""The page of an audit: all in one file, nothing that a name brings along is taken for HTML."""

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from fake_data import (
    TextInfo,
    Texts,
    clean_labels,
    clean_pictures,
    clean_texts,
    names_of,
    pictures,
    split,
    texts,
    vectors,
)

from data.audit import Audit, Finding, audit
from data.audit.figures import Bars, histogram
from data.audit.finding import graded, percent, places
from data.audit.page import page

EVIL = "<script>alert('x')</script>\"'&"


class Reader(HTMLParser):
    """Which elements a page has, and whether each of them ends."""

    EMPTY = ("meta", "img", "line", "polygon", "polyline")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.sources: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        values = dict(attrs)
        self.sources += [value for key in ("src", "href") if (value := values.get(key))]
        assert not [key for key in values if key.startswith("on")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag


def test_a_page_is_whole_and_needs_nothing_else() -> None:
    values = clean_pictures()
    values[85] = values[3]
    text = page(audit(pictures(values)), "pets", "60 train", "fivestep audit data=images")
    reader = Reader(text)
    assert reader.open == [] and {"img", "article", "figure"} <= reader.seen
    assert "script" not in reader.seen and "link" not in reader.seen
    assert reader.sources and all(s.startswith("data:image/png;base64,") for s in reader.sources)
    assert "url(" not in text and "@import" not in text
    assert "prefers-color-scheme: dark" in text and 'name="viewport"' in text
    assert '<li class="error"><b>1</b> error</li>' in text


def test_names_texts_and_classes_stay_text() -> None:
    values = clean_texts()
    values[85] = values[3] = values[3] + EVIL
    names = [EVIL + name for name in names_of(100)]
    info = TextInfo(classes=(EVIL, "b"))
    found = audit(split(Texts, values, clean_labels(100), names, info))
    text = page(found, EVIL, EVIL, EVIL)
    reader = Reader(text)
    assert "script" not in reader.seen and reader.open == []
    assert text.count("alert(") > 5  # it is shown, as text


@pytest.mark.parametrize("splits", [vectors(), texts(), pictures()], ids=["rows", "texts", "pics"])
def test_sound_data_have_a_page_that_says_so(splits: Any) -> None:
    text = page(audit(splits), "sound", "")
    assert "Nothing was found that is wrong, or may be." in text
    assert Reader(text).open == []
    assert "nan" not in re.sub('base64,[^"]*', "", text).lower()


def test_bars_and_histograms_show_what_was_counted() -> None:
    bars = Bars("classes", [("cat", [30, 10]), ("dog", [20, 0])], ["train", "test"])
    drawn = histogram("x", [("train", np.array([1.0, 2, 2, 3, np.nan]))])
    assert drawn is not None and drawn.counts == [("train", [1, 2, 1])]
    text = page(Audit((), (bars, drawn)), "t", "")
    widths = [float(width) for width in re.findall(r'style="width:([\d.]+)%"', text)]
    assert widths == pytest.approx([75, 25, 50, 0])
    assert histogram("x", [("train", np.array([np.nan]))]) is None


def test_findings_are_graded_and_places_counted() -> None:
    levels: Any = ("note", "error", "warning")
    found = [Finding(level, level, "", "") for level in levels]
    assert [each.level for each in graded(found)] == ["error", "warning", "note"]
    names = [f"row {number}" for number in (10, 9, 2, 1, 100, 20, 3)]
    assert places(names) == "row 1, row 2, row 3, row 9, row 10 and 2 more"
    shares = [percent(share) for share in (0.5, 0.123, 0.0001, 0.99999, 1.0, 0.0)]
    assert shares == ["50 %", "12.3 %", "under 0.1 %", "over 99.9 %", "100 %", "0 %"]

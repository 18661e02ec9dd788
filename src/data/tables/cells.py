"""What a cell of a table says: a number, a truth value, a date, or that it is missing.

One function for each, which training and prediction share. Standard library only.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

# fmt: off
MISSING = frozenset([
    "", "NA", "N/A", "n/a", "na", "NaN", "nan", "#N/A", "#NA", "<NA>", "NaT", "null", "NULL",
    "?", "-", "--", ".",
])
# fmt: on
# A category may well be called so; where numbers or dates stand, nothing else can be meant.
NO_NUMBER = frozenset(["none", "missing", "unknown", "n.a.", "#value!", "#div/0!", "#n/a", "nil"])
TRUE = frozenset(["yes", "true", "y", "t", "on"])
FALSE = frozenset(["no", "false", "n", "f", "off"])

_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"[+-]?(?:[0-9]+,?[0-9]*|,[0-9]+)(?:[eE][+-]?[0-9]+)?")
# Thousands in groups of three, by the other of the two signs, an apostrophe or a space.
_GROUPED = {
    ".": re.compile(r"[+-]?[0-9]{1,3}(?:([,'’ \xa0\u202f])[0-9]{3})(?:\1[0-9]{3})*(?:\.[0-9]*)?"),
    ",": re.compile(r"[+-]?[0-9]{1,3}(?:([.'’ \xa0\u202f])[0-9]{3})(?:\1[0-9]{3})*(?:,[0-9]*)?"),
}
# Numbers whose sign before the fraction can't be one between thousands.
_FRACTION = {
    sign: re.compile(
        rf"[+-]?(?:[0-9]*{sign}(?:[0-9]{{1,2}}|[0-9]{{4,}})|(?:0|[0-9]{{4,}}){sign}[0-9]+"
        rf"|[0-9]{{1,3}}(?:{other}[0-9]{{3}})+{sign}[0-9]+)"
    )
    for sign, other in ((",", "[.]"), ("[.]", ","))
}
# One sign of a currency before a number, or a percent sign after it.
_UNIT = re.compile(
    r"(?P<minus>[+-]?)(?P<currency>[$€£¥₹]) ?(?P<money>[+-]?[0-9.,].*)"
    r"|(?P<share>[+-]?[0-9.,].*?) ?(?P<percent>%)"
)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)


def number(text: str, decimal: str = ".") -> float | None:
    """Return the number that a cell holds, exactly as Python's `float` reads it, or None.

    Both 1.5 and 1,5 are understood, with thousands in groups (1.234,5 or 1,234.5); `decimal` says
    what is meant where both are possible, as in 1,234. Infinity and 1e400 give infinity. $1,234.50
    is 1234.5, and 12% is 12.
    """
    found = _bare_number(text, decimal)
    if found is None and (plain := without_unit(text)) is not None:
        return _bare_number(plain, decimal)
    return found


def without_unit(text: str) -> str | None:
    """Return what is left of $12 or 12% without the sign; None where there is no such sign."""
    found = _UNIT.fullmatch(text)
    if found is None:
        return None
    return found["share"] or found["minus"] + found["money"]


def unit(text: str) -> str | None:
    """Return the sign that `number` leaves out: "$" of $12, "%" of 12%, None of 12."""
    found = _UNIT.fullmatch(text)
    return (found["percent"] or found["currency"]) if found else None


def _bare_number(text: str, decimal: str) -> float | None:
    if _PLAIN.fullmatch(text):
        # With a decimal comma, 1.234 is a thousand and more.
        if decimal == "," and _GROUPED[","].fullmatch(text):
            return float(text.replace(".", ""))
        return float(text)
    grouped = _GROUPED[decimal].fullmatch(text)
    if grouped:
        return float(text.replace(grouped[1], "").replace(",", "."))
    if _COMMA.fullmatch(text):
        return float(text.replace(",", "."))
    grouped = _GROUPED[_other(decimal)].fullmatch(text)
    if grouped:
        return float(text.replace(grouped[1], "").replace(",", "."))
    return float(text) if _INFINITE.fullmatch(text) else None


def truth(text: str) -> float | None:
    """Return 1 for yes, true, y, t, on (in any case) and 1, 0 for their opposites, or None."""
    folded = text.casefold()
    if folded in TRUE or folded in ("1", "1.0"):
        return 1.0
    return 0.0 if folded in FALSE or folded in ("0", "0.0") else None


def decimal_evidence(text: str) -> int:
    """Return 1 for a number that can only have a decimal comma, -1 for one with a point, or 0."""
    text = without_unit(text) or text
    if _FRACTION[","].fullmatch(text):
        return 1
    return -1 if _FRACTION["[.]"].fullmatch(text) else 0


_TIME = (
    r"(?:[T ]+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})"
    r"(?:[.,](?P<fraction>[0-9]{1,9}))?)?(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?"
    r" ?(?P<zone>Z|UTC|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_NAMED = r"(?P<name>[A-Za-z]{3,9})\.?"
_DATES = [
    re.compile(form + _TIME)
    for form in (
        r"(?P<year>[0-9]{4})([-/.])(?P<month>[0-9]{1,2})\2(?P<day>[0-9]{1,2})",
        r"(?P<first>[0-9]{1,2})([-/.])(?P<other>[0-9]{1,2})\2(?P<year>[0-9]{4}|[0-9]{2})",
        rf"(?P<day>[0-9]{{1,2}})\.?[ -]{_NAMED}[ -](?P<year>[0-9]{{4}})",
        rf"{_NAMED} (?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?,? (?P<year>[0-9]{{4}})",
    )
]
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EPOCH = datetime(1970, 1, 1)


def date(text: str, *, day_first: bool = True) -> float | None:
    """Return the seconds from 1970 to a date (with or without a time), or None.

    Understood are 2024-01-31, 31.01.2024, 1/31/2024, 31 Jan 2024, January 31, 2024, with a time
    (14:30, 2:30 pm, 14:30:05.25) and a zone (Z, +01:00) where there is one. `day_first` says what
    02/03/2024 means; where only one reading is a date, that one is taken.
    """
    for form in _DATES:
        found = form.fullmatch(text)
        if found:
            parts = found.groupdict()
            break
    else:
        return None
    try:
        year, month, day = _calendar(parts, day_first)
        hour = int(parts["hour"] or 0)
        if parts["half"]:
            hour = hour % 12 + (12 if parts["half"] in "pP" else 0)
        micro = int((parts["fraction"] or "0")[:6].ljust(6, "0"))
        moment = datetime(
            year, month, day, hour, int(parts["minute"] or 0), int(parts["second"] or 0), micro
        )
    except ValueError:
        return None
    return (moment - _EPOCH - _offset(parts["zone"])).total_seconds()


def day_comes_first(texts: Sequence[str]) -> bool | None:
    """Return whether dates such as 31/01/2024 begin with the day; None where nothing tells."""
    votes = 0
    for text in texts:
        found = _DATES[1].fullmatch(text)
        if found and (int(found["first"]) > 12 or int(found["other"]) > 12):
            votes += 1 if int(found["first"]) > 12 else -1
    return None if votes == 0 else votes > 0


def _calendar(parts: dict[str, str], day_first: bool) -> tuple[int, int, int]:
    year = int(parts["year"])
    if parts.get("name"):
        return year, _MONTHS.index(parts["name"][:3].lower()) + 1, int(parts["day"])
    if parts.get("month"):
        return year, int(parts["month"]), int(parts["day"])
    if len(parts["year"]) == 2:
        year += 2000 if year < 69 else 1900  # as POSIX has it
    first, other = int(parts["first"]), int(parts["other"])
    if first > 12 or (day_first and other <= 12):
        return year, other, first
    return year, first, other


def _offset(zone: str | None) -> timedelta:
    if not zone or zone in ("Z", "UTC"):
        return timedelta()
    digits = zone[1:].replace(":", "")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -size if zone[0] == "-" else size


def date_text(seconds: float) -> str:
    """Return a date as 2024-01-31, with the time where there is one."""
    moment = datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    plain = moment.replace(tzinfo=None)
    midnight = (plain.hour, plain.minute, plain.second, plain.microsecond) == (0, 0, 0, 0)
    return plain.date().isoformat() if midnight else plain.isoformat(sep=" ")


def number_text(value: float) -> str:
    """Return a number in its shortest form: 3 for 3.0."""
    return str(int(value)) if value == int(value) and abs(value) < 1e16 else repr(value)


def _other(decimal: str) -> str:
    return "," if decimal == "." else "."

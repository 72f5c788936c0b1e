"""Dates and times in RFC 3339."""

from __future__ import annotations

import re
from datetime import date

_INSTANT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)


def parse_instant(text: str) -> int | None:
    """Milliseconds since the year 1, or None if the text is not a valid date and time."""
    parts = _INSTANT.fullmatch(text)
    if parts is None:
        return None
    day = _day_number(int(parts[1]), int(parts[2]), int(parts[3]))
    time_s = _seconds(int(parts[4]), int(parts[5]), int(parts[6]))
    offset_s = _offset_seconds(parts[8], parts[9], parts[10])
    if day is None or time_s is None or offset_s is None:
        return None
    milliseconds = int((parts[7] or "0")[:3].ljust(3, "0"))
    return (day * 86_400 + time_s - offset_s) * 1_000 + milliseconds


def _day_number(year: int, month: int, day: int) -> int | None:
    try:
        return date(year, month, day).toordinal()
    except ValueError:
        return None


def _seconds(hour: int, minute: int, second: int) -> int | None:
    if hour > 23 or minute > 59 or second > 59:
        return None
    return hour * 3_600 + minute * 60 + second


def _offset_seconds(sign: str | None, hours: str, minutes: str) -> int | None:
    if sign is None:
        return 0
    seconds = _seconds(int(hours), int(minutes), 0)
    return seconds if seconds is None or sign == "+" else -seconds

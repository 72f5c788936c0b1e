"""Instants, in whole milliseconds."""

from __future__ import annotations

import re
from datetime import date

_INSTANT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)


def instant_of(text: str) -> int | None:
    """Milliseconds since the year 1 of an RFC 3339 date and time; None where it is none."""
    parts = _INSTANT.fullmatch(text)
    if parts is None:
        return None
    day = _day_number(int(parts[1]), int(parts[2]), int(parts[3]))
    clock = _seconds_of(int(parts[4]), int(parts[5]), int(parts[6]))
    offset = _offset_of(parts[8], parts[9], parts[10])
    if day is None or clock is None or offset is None:
        return None
    milliseconds = int((parts[7] or "0")[:3].ljust(3, "0"))
    return (day * 86_400 + clock - offset) * 1_000 + milliseconds


def _day_number(year: int, month: int, day: int) -> int | None:
    try:
        return date(year, month, day).toordinal()
    except ValueError:
        return None


def _seconds_of(hour: int, minute: int, second: int) -> int | None:
    if hour > 23 or minute > 59 or second > 59:
        return None
    return hour * 3_600 + minute * 60 + second


def _offset_of(sign: str | None, hours: str, minutes: str) -> int | None:
    if sign is None:
        return 0
    seconds = _seconds_of(int(hours), int(minutes), 0)
    return seconds if seconds is None or sign == "+" else -seconds

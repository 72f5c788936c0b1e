"""Numbers in JSON text that a double cannot represent, and that other languages would change."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .text import number_text

_MAX_SAFE_INTEGER = 2**53 - 1

# Smaller doubles have fewer digits, and the smallest are 0.
_SMALLEST_WITH_ALL_DIGITS = 2.0**-1_022

# What an inexact number has: 16 digits, or an exponent. Most texts have neither.
_MAY_BE_INEXACT = re.compile(r"\d{16}|\d[eE]", re.ASCII)

# The parts of JSON text that matter here. A string before a colon is a name.
_TOKEN = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}\[\],]|-?[0-9][0-9.eE+-]*', re.DOTALL)

# Enough for an error message.
_MAX_FOUND = 20
_MAX_PATH = 40
_MAX_SHOWN = 40

# int() refuses to write longer numbers as text.
_MAX_BITS = 4_000


@dataclass(frozen=True, slots=True)
class InexactNumber:
    """A number, with the names and indexes that lead to it."""

    path: tuple[str | int, ...]
    text: str

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))} {inexact_number_message(self.text)}"


def find_inexact_numbers(text: str) -> list[InexactNumber]:
    """The first numbers in valid JSON that a parser of doubles would change without notice."""
    if _MAY_BE_INEXACT.search(text) is None:
        return []
    found: list[InexactNumber] = []
    # One entry for each object and list around the current position.
    path: list[str | int] = []
    for match in _TOKEN.finditer(text):
        part, string, colon = match.group(), *match.groups()
        if string is not None:
            if colon is not None:
                path[-1] = json.loads(string)
        elif part in "{}[],":
            _move_path(path, part)
        elif is_inexact(part):
            found.append(InexactNumber(tuple(path[:_MAX_PATH]), part))
            if len(found) == _MAX_FOUND:
                break
    return found


def _move_path(path: list[str | int], part: str) -> None:
    if part == "{":
        path.append("")
    elif part == "[":
        path.append(0)
    elif part != ",":
        path.pop()
    elif isinstance(last := path[-1], int):
        path[-1] = last + 1


def is_inexact(text: str) -> bool:
    """Whether a number is not the exact text of a double, and either beyond the integers that all
    differ as doubles, or closer to 0 than the doubles with all digits.

    A fraction in between is rounded as in every language. A large integer is always refused,
    because the next one is the same double; also 1e20, which JSON writes as an integer when it is
    read again.
    """
    value = float(text)
    if _SMALLEST_WITH_ALL_DIGITS <= abs(value) <= _MAX_SAFE_INTEGER:
        return False
    is_changed = _significant_digits(text) != _significant_digits(repr(value))
    if abs(value) < _SMALLEST_WITH_ALL_DIGITS:
        return is_changed
    written = number_text(value) if math.isfinite(value) else text
    return is_changed or any(each.lstrip("-").isdigit() for each in (text, written))


def _significant_digits(text: str) -> str:
    return re.sub(r"[eE].*|[^0-9]", "", text).strip("0")


def find_inexact_value(value: object, path: tuple[str | int, ...] = ()) -> InexactNumber | None:
    """The first number of a value that JSON text would not keep."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = _text(value)
        return InexactNumber(path, text) if is_inexact(text) else None
    # A value that contains itself ends here, and is reported as nested too deeply.
    if len(path) >= _MAX_PATH:
        return None
    for name, each in _members(value):
        found = find_inexact_value(each, (*path, name))
        if found is not None:
            return found
    return None


def _text(number: float) -> str:
    if isinstance(number, int):
        return str(number) if number.bit_length() <= _MAX_BITS else "1e400"
    # The engine reports an infinite number as a problem of its flag only.
    return number_text(number) if math.isfinite(number) else "0"


def _members(value: object) -> Iterable[tuple[str | int, object]]:
    if isinstance(value, Mapping):
        return value.items()
    return enumerate(value) if isinstance(value, list | tuple) else ()


def inexact_number_message(text: str) -> str:
    """The reason and the remedy."""
    shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
    return f'is {shown}, which a number cannot represent exactly: write it as text, "…"'

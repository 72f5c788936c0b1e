"""Numbers in JSON text that a double cannot represent, and that other languages would change."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_MAX_SAFE_INTEGER = 2**53 - 1

# What an inexact number has: 16 digits, or an exponent. Most texts have neither.
_MAY_BE_INEXACT = re.compile(r"\d{16}|\d[eE]", re.ASCII)

# The parts of JSON text that matter here. A string before a colon is a name.
_TOKEN = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}\[\],]|-?[0-9][0-9.eE+-]*', re.DOTALL)

# Enough for an error message.
_MAX_FOUND = 20
_MAX_PATH = 40
_MAX_SHOWN = 40


@dataclass(frozen=True, slots=True)
class InexactNumber:
    """A number, with the names and indexes that lead to it."""

    path: tuple[str | int, ...]
    text: str


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
    """Whether a number is beyond the integers that all differ as doubles, and is not exact.

    An integer is always refused there, because the next one is the same double.
    """
    value = float(text)
    if abs(value) <= _MAX_SAFE_INTEGER:
        return False
    is_integer = text.lstrip("-").isdigit()
    return is_integer or _significant_digits(text) != _significant_digits(repr(value))


def _significant_digits(text: str) -> str:
    return re.sub("e.*", "", text.lower()).replace(".", "").replace("-", "").strip("0")


def inexact_number_message(text: str) -> str:
    """The reason and the remedy."""
    shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
    return f'is {shown}, which a number cannot represent exactly: write it as text, "…"'

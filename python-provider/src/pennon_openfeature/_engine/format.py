"""How messages show values and names."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Final

from .text import number_text

# The value of a required field that a definition does not have.
MISSING: Final = object()

MAX_SHOWN_CHARACTERS = 100
MAX_SHOWN_NAMES = 8


def truncate(text: str) -> str:
    """The text, shortened to 100 characters."""
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[: MAX_SHOWN_CHARACTERS - 1]}…"


def quote(text: str) -> str:
    """The text in quotes. Unpaired surrogates are escaped, because they cannot be logged."""
    quoted = json.dumps(truncate(text), ensure_ascii=False)
    return quoted.encode("utf-8", "backslashreplace").decode()


def code_span(text: str) -> str:
    """The name of an operator within a sentence."""
    return f"`{truncate(text)}`"


def join_quoted(names: Iterable[object]) -> str:
    """`"on", "off"`, shortened to 8 names."""
    quoted = [quote(str(name)) for name in names]
    shown = ", ".join(quoted[:MAX_SHOWN_NAMES])
    hidden = len(quoted) - MAX_SHOWN_NAMES
    return f"{shown} and {hidden} more" if hidden > 0 else shown


def describe(value: object) -> str:
    """A value with its type: `the string "10"`, `the number 10`, `a list of 3`."""
    if value is MISSING:
        return "missing"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the string {quote(value)}"
    if isinstance(value, int | float):
        return f"the number {describe_number(value)}"
    return f"a list of {len(value)}" if isinstance(value, list) else "an object"


def describe_number(value: float) -> str:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    if math.isfinite(number):
        return number_text(number)
    if math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"

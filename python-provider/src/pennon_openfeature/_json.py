"""Strict JSON, as parsers in other languages read it."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

# Numbers with more digits exceed every double.
MAX_DIGITS = 400


def parse_json(text: str | bytes) -> Any:
    """Parses JSON. Raises ValueError for invalid JSON, including NaN and Infinity."""
    try:
        return json.loads(text, parse_constant=_reject_constant)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # Probably an integer that is too long for int(). Only its own flag should be invalid.
        return json.loads(text, parse_constant=_reject_constant, parse_int=parse_integer)


def parse_integer(digits: str, base: int = 10) -> int | float:
    """An integer, or infinity if no double can represent it."""
    if len(digits) <= MAX_DIGITS:
        return int(digits, base)
    return -math.inf if digits.startswith("-") else math.inf


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not valid JSON")

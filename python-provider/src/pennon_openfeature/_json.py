"""JSON as other languages read it too."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

# What has more digits is greater than every double.
_MOST_DIGITS = 400


def parse_json(text: str | bytes) -> Any:
    """The value that a text is; a ValueError where it is no JSON."""
    try:
        return json.loads(text, parse_constant=_refused)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # Perhaps a whole number that is too long for Python, which is the matter of one flag.
        return json.loads(text, parse_constant=_refused, parse_int=whole_number)


def whole_number(digits: str, base: int = 10) -> int | float:
    """What no double can hold is infinite, as a fraction would be."""
    if len(digits) <= _MOST_DIGITS:
        return int(digits, base)
    return -math.inf if digits.startswith("-") else math.inf


def _refused(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")

"""JSON values, and numbers as the doubles that every engine computes with."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | list[Any] | dict[str, Any] | None"

INFINITY = math.inf
NOT_A_NUMBER = math.nan

# The largest number up to which every integer has a double of its own.
MAX_EXACT_INTEGER = 2**53

# Deeper values could overflow the stack of an application that reads them.
MAX_VALUE_DEPTH = 20


def as_double(value: object) -> float:
    """The finite double of a number, otherwise NaN, for which every comparison fails."""
    kind = type(value)
    if kind is float:
        return value if -INFINITY < value < INFINITY else NOT_A_NUMBER  # type: ignore[operator,return-value]
    if kind is int:
        return _integer_as_double(value)  # type: ignore[arg-type]
    return NOT_A_NUMBER


def _integer_as_double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return NOT_A_NUMBER


def is_number(value: object) -> bool:
    """Whether a value is a finite number. Booleans are not numbers."""
    double = as_double(value)
    return double == double  # noqa: PLR0124 - only NaN differs from itself


class InvalidValueError(ValueError):
    """A value cannot be served: it is too deep, or contains a number that is not finite."""


def copy_json(value: JsonValue, depth_left: int = MAX_VALUE_DEPTH) -> JsonValue:
    """A deep copy with numbers rounded to doubles."""
    if isinstance(value, list | dict):
        if depth_left == 0:
            raise InvalidValueError(f"more than {MAX_VALUE_DEPTH} levels deep")
        if isinstance(value, list):
            return [copy_json(member, depth_left - 1) for member in value]
        return {name: copy_json(member, depth_left - 1) for name, member in value.items()}
    if type(value) is int and not -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER:
        return int(_finite(value))
    if type(value) is float:
        return _finite(value)
    return value


def _finite(number: float) -> float:
    if not is_number(number):
        raise InvalidValueError("not a finite number")
    return as_double(number)

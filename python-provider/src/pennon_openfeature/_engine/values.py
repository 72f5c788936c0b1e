"""JSON values: which kind each is, and numbers as the doubles that every engine computes with."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | list[Any] | dict[str, Any] | None"

INFINITY = math.inf
NOT_A_NUMBER = math.nan

# Every whole number up to here is a double of its own.
EXACT = 2**53

# How deep lists and objects may nest in a value: deeper ones would overflow somebody's stack.
DEEPEST_VALUE = 20


def as_double(value: object) -> float:
    """The finite double that a value is, else NaN, which no comparison holds for."""
    kind = type(value)
    if kind is float:
        return value if -INFINITY < value < INFINITY else NOT_A_NUMBER  # type: ignore[operator,return-value]
    if kind is int:
        return rounded(value)  # type: ignore[arg-type]
    return NOT_A_NUMBER


def rounded(whole: int) -> float:
    """A whole number as a double; NaN where it is wider than any."""
    try:
        return float(whole)
    except OverflowError:
        return NOT_A_NUMBER


def is_number(value: object) -> bool:
    """Whether a value is a finite number; a boolean never is."""
    double = as_double(value)
    return double == double  # noqa: PLR0124 - NaN alone differs from itself


def described(value: object) -> str:
    """A value as a message names it."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'the text "{value if len(value) <= 40 else value[:40] + "…"}"'
    if isinstance(value, int | float):
        return "a number" if is_number(value) else "a number that is not finite"
    return "a list" if isinstance(value, list) else "an object"


class UnservableError(ValueError):
    """Why a value cannot be served."""


def copied(value: JsonValue, levels: int = DEEPEST_VALUE) -> JsonValue:
    """A copy that shares nothing that can be changed, its numbers rounded to doubles."""
    if isinstance(value, list | dict):
        if levels == 0:
            raise UnservableError(f"nests lists and objects more than {DEEPEST_VALUE} levels deep")
        if isinstance(value, list):
            return [copied(member, levels - 1) for member in value]
        return {name: copied(member, levels - 1) for name, member in value.items()}
    if type(value) is int and not -EXACT <= value <= EXACT:
        return int(_finite(value))
    if type(value) is float:
        return _finite(value)
    return value


def _finite(number: float) -> float:
    if not is_number(number):
        raise UnservableError("holds a number that is not finite")
    return as_double(number)

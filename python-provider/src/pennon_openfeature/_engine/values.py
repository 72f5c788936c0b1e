"""JSON values: which kind each is, and numbers as the doubles that every engine computes with."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | list[Any] | dict[str, Any] | None"

INFINITY = math.inf
NOT_A_NUMBER = math.nan

# Every whole number up to here is a double of its own.
EXACT = 2**53


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
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'the text "{value if len(value) <= 40 else value[:40] + "…"}"'
    if isinstance(value, int | float):
        return "a number" if is_number(value) else "a number that is not finite"
    return "a list" if isinstance(value, list) else "an object"


def copied(value: JsonValue) -> JsonValue:
    """A copy that shares nothing, numbers rounded to doubles; however deep, without recursion."""
    top: list[JsonValue] = [value]
    pending: list[list[Any] | dict[str, Any]] = [top]
    while pending:
        holder = pending.pop()
        places: Any = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for place, member in list(places):
            fresh = _copied_shallowly(member)
            holder[place] = fresh
            if isinstance(fresh, list | dict):
                pending.append(fresh)
    return top[0]


def _copied_shallowly(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return list(value)
    if isinstance(value, dict):
        return dict(value)
    if type(value) is int and not -EXACT <= value <= EXACT:
        return int(float(value))
    return value


def has_only_finite_numbers(value: JsonValue) -> bool:
    """Whether no number within, at any depth, is infinite or NaN; without recursion."""
    pending: list[JsonValue] = [value]
    while pending:
        member = pending.pop()
        if isinstance(member, list):
            pending.extend(member)
        elif isinstance(member, dict):
            pending.extend(member.values())
        elif isinstance(member, int | float) and not (
            isinstance(member, bool) or is_number(member)
        ):
            return False
    return True

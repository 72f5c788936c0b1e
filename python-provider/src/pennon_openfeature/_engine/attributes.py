"""Attributes of the evaluation context: an exact name first, then a dotted path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from .text import number_text
from .values import as_double

Attributes: TypeAlias = Mapping[str, object]

# Returns the value of one attribute of a context, or None if it is missing.
AttributeReader: TypeAlias = Callable[[Attributes], object]

# Always missing, in every engine: in JavaScript it refers to the prototype of an object.
FORBIDDEN_STEP = "__proto__"


def is_plain_name(name: str) -> bool:
    """Whether one lookup by the exact name suffices."""
    return "." not in name and name != FORBIDDEN_STEP


def attribute_reader(name: str) -> AttributeReader:
    if is_plain_name(name):
        return lambda context: context.get(name)
    if name == FORBIDDEN_STEP:
        return lambda _context: None
    return _path_reader(name)


def _path_reader(name: str) -> AttributeReader:
    steps = name.split(".")
    is_forbidden = FORBIDDEN_STEP in steps

    def read(context: Attributes) -> object:
        exact = context.get(name)
        if exact is not None or is_forbidden:
            return exact
        return _follow_path(context, steps)

    return read


def _follow_path(context: Attributes, steps: list[str]) -> object:
    value: object = context
    for step in steps:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def to_bucketing_value(value: object) -> str | None:
    """The text that is hashed for an attribute value, or None if the value cannot be hashed."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    double = as_double(value)
    return None if double != double else number_text(double)  # noqa: PLR0124 - NaN

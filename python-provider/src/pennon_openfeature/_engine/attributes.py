"""Looking up an attribute of the evaluation context: its exact name, else a dotted path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from .text import number_text
from .values import as_double

Context: TypeAlias = Mapping[str, object]
Reader: TypeAlias = Callable[[Context], object]

# Never an attribute, in any engine: in JavaScript it would name the object's prototype.
FORBIDDEN_STEP = "__proto__"


def is_own_name(name: str) -> bool:
    """Whether only the exact name can be meant, so that one look-up is all."""
    return "." not in name and name != FORBIDDEN_STEP


def reader(name: str) -> Reader:
    """A function that reads the attribute; a missing one is None."""
    if is_own_name(name):
        return lambda context: context.get(name)
    if name == FORBIDDEN_STEP:
        return lambda _context: None
    return _path_reader(name)


def _path_reader(name: str) -> Reader:
    steps = name.split(".")
    leads_somewhere = FORBIDDEN_STEP not in steps

    def read(context: Context) -> object:
        exact = context.get(name)
        if exact is not None or not leads_somewhere:
            return exact
        return _followed(context, steps)

    return read


def _followed(context: Context, steps: list[str]) -> object:
    value: object = context
    for step in steps:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def unit_text(value: object) -> str | None:
    """A value as the text that is hashed; None where it is nothing to tell subjects apart by."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    double = as_double(value)
    return None if double != double else number_text(double)  # noqa: PLR0124 - NaN alone does

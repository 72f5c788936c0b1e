"""Flags that the application passes itself, such as in its tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._engine import compile, expand_short_form  # noqa: A004
from ._flag_set import FlagSet


def parse_local_flags(flags: Mapping[str, Any]) -> FlagSet:
    """A flag set of flags by key, each a value or a flag. Raises ValueError if one is malformed."""
    if not isinstance(flags, Mapping):
        raise ValueError("flags must be a mapping of flag keys to values or flags")
    flag_set = FlagSet(
        id="",
        revision=None,
        environment="",
        flags={key: _to_flag(key, each) for key, each in flags.items()},
        segments={},
    )
    problems = compile(flag_set.document()).problems
    if problems:
        raise ValueError("; ".join(map(str, problems)))
    return flag_set


def _to_flag(key: str, flag_or_value: object) -> object:
    """An object with the boolean field `enabled` is a flag. Anything else is the flag's value."""
    if isinstance(flag_or_value, dict) and isinstance(flag_or_value.get("enabled"), bool):
        return expand_short_form(flag_or_value)
    if isinstance(flag_or_value, bool):
        variant = "on" if flag_or_value else "off"
        variants = {"on": True, "off": False}
        return {**_flag("boolean", variants), "defaultVariant": variant}
    for flag_type, python_type in _TYPES.items():
        if isinstance(flag_or_value, python_type):
            return _flag(flag_type, {"value": flag_or_value})
    raise ValueError(
        f'flag "{key}": must be a flag, or its value: a boolean, a string, a number or an object'
    )


_TYPES = {"string": str, "number": int | float, "object": dict}


def _flag(flag_type: str, variants: dict[str, Any]) -> dict[str, Any]:
    return {"type": flag_type, "enabled": True, "variants": variants, "defaultVariant": "value"}

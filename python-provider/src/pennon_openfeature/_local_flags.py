"""Mistakes in flags that an application passes itself."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from typing import Any

from ._engine.flags import FLAG_FIELDS

# All fields of a flag. A test compares them with those of the contract.
_FIELDS = (
    *FLAG_FIELDS,
    *("version", "createdAt", "updatedAt", "name", "description", "tags", "owner"),
    *("codeDefault", "numberType"),
)


_KEY = re.compile(r"(?!.*\.\.)[a-zA-Z0-9][a-zA-Z0-9_.-]{0,99}")


def is_key(value: object) -> bool:
    """Whether a value is the key of a flag or an environment. The server has the same rule."""
    return isinstance(value, str) and _KEY.fullmatch(value) is not None


def local_key_problem(keys: Iterable[object]) -> str | None:
    """What is wrong with the keys of flags."""
    for key in keys:
        if not is_key(key):
            shown = json.dumps(key, ensure_ascii=False) if isinstance(key, str) else repr(key)
            return (
                f'flags cannot have the key {shown}: use 1 to 100 letters, digits, ".", "_" and '
                '"-", with a letter or a digit first, and without ".."'
            )
    return None


def local_flag_problem(flag_or_value: dict[str, Any]) -> str | None:
    """What is wrong with an object. With the field `enabled` it is a flag, otherwise a value."""
    if not isinstance(flag_or_value.get("enabled"), bool):
        if "enabled" not in flag_or_value and "defaultVariant" not in flag_or_value:
            return None
        return 'must have true or false as "enabled"; an object as value belongs in "variants"'
    unknown = next((name for name in flag_or_value if name not in _FIELDS), None)
    if unknown is None:
        return None
    similar = difflib.get_close_matches(str(unknown), _FIELDS, n=1)
    hint = f'did you mean "{similar[0]}"?' if similar else f"the fields are {', '.join(_FIELDS)}"
    return f'there is no field "{unknown}"; {hint}'

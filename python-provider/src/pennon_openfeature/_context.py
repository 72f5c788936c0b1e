"""Converts OpenFeature evaluation contexts to the plain JSON objects that the engine reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timezone
from typing import Any, Final

from openfeature.evaluation_context import EvaluationContext

_JSON_SCALARS: Final = frozenset([str, int, float, bool, type(None)])

MAX_CONTEXT_DEPTH = 20


def to_plain_context(context: EvaluationContext | None) -> dict[str, Any]:
    """The attributes, with the targeting key as the attribute `targetingKey`."""
    if context is None:
        return {}
    plain = to_plain_attributes(context.attributes)
    if context.targeting_key is not None:
        plain["targetingKey"] = context.targeting_key
    return plain


def to_plain_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with native values converted to JSON, or to None if JSON cannot represent them."""
    plain = dict(attributes)
    for name, value in plain.items():
        if type(value) not in _JSON_SCALARS:
            plain[name] = _plain(value, MAX_CONTEXT_DEPTH)
    return plain


def _plain(value: Any, depth_left: int) -> Any:
    if isinstance(value, date):
        return _date_text(value)
    if not isinstance(value, Mapping | list | tuple | set | frozenset):
        return _plain_scalar(value)
    if depth_left == 0:
        return None
    if isinstance(value, Mapping):
        return {
            name: _plain(member, depth_left - 1)
            for name, member in value.items()
            if isinstance(name, str)
        }
    return [_plain(member, depth_left - 1) for member in value]


def _plain_scalar(value: Any) -> str | int | float | bool | None:
    """Converts members of enumerations and other subclasses to the plain type."""
    if type(value) in _JSON_SCALARS:
        return value  # type: ignore[no-any-return]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else None


def _date_text(value: date) -> str | None:
    """The date in UTC with milliseconds. Naive dates are in UTC.

    Returns None if conversion to UTC leaves the range of years.
    """
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    try:
        utc = (
            moment.replace(tzinfo=timezone.utc)
            if moment.tzinfo is None
            else moment.astimezone(timezone.utc)
        )
    except (OverflowError, ValueError):
        return None
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")

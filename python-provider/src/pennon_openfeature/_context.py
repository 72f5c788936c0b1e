"""An OpenFeature evaluation context as the plain JSON object that the engine reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timezone
from typing import Any, Final

from openfeature.evaluation_context import EvaluationContext

_PLAIN: Final = frozenset([str, int, float, bool, type(None)])
_DEEPEST = 20


def plain_context(context: EvaluationContext | None) -> dict[str, Any]:
    """The attributes, and the targeting key as the attribute that it is."""
    if context is None:
        return {}
    plain = plain_attributes(context.attributes)
    if context.targeting_key is not None:
        plain["targetingKey"] = context.targeting_key
    return plain


def plain_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with native values in the words of JSON; what has none is missing."""
    plain = dict(attributes)
    for name, value in plain.items():
        if type(value) not in _PLAIN:
            plain[name] = _plain(value, _DEEPEST)
    return plain


def _plain(value: Any, levels: int) -> Any:
    if isinstance(value, date):
        return _date_text(value)
    if not isinstance(value, Mapping | list | tuple | set | frozenset):
        return _plain_scalar(value)
    if levels == 0:
        return None
    if isinstance(value, Mapping):
        return {
            name: _plain(member, levels - 1)
            for name, member in value.items()
            if isinstance(name, str)
        }
    return [_plain(member, levels - 1) for member in value]


def _plain_scalar(value: Any) -> str | int | float | bool | None:
    """A member of an enumeration, or of another kind of text or number, as what it is."""
    if type(value) in _PLAIN:
        return value  # type: ignore[no-any-return]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else None


def _date_text(value: date) -> str | None:
    """UTC text with three fraction digits; naive is UTC, and outside of all years is missing."""
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

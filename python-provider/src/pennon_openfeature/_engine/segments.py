"""Segments: conditions that have a name and are shared by flags."""

from __future__ import annotations

from typing import Any

from .conditions import Scope, Segment, never, parse_conditions
from .problems import Place
from .requires import check_requires
from .values import described


def compile_segment(key: str, definition: object) -> Segment:
    """A segment, or a broken one that says what is wrong with it."""
    found: list[tuple[str, str]] = []
    place = Place(found)
    scope = Scope({}, within_segment=True)
    conditions = _conditions(place, key, definition)
    holds = parse_conditions(place.at("conditions"), conditions, scope, 0)
    if not found:
        return Segment(holds)
    path, message = found[0]
    return Segment(never, f"{path} {message}".lstrip())


def _conditions(place: Place, key: str, definition: object) -> list[object]:
    if not isinstance(definition, dict):
        place.problem(f"must be a segment; it is {described(definition)}")
        return []
    check_requires(place, definition)
    check_key(place, key, definition)
    conditions = definition.get("conditions")
    if isinstance(conditions, list) and conditions:
        return conditions
    place.at("conditions").problem("must be a list of at least one condition")
    return []


def check_key(place: Place, key: str, definition: dict[str, Any]) -> None:
    """A definition may repeat the key that it is stored under, and no other."""
    own_key = definition.get("key")
    if own_key is not None and own_key != key:
        place.at("key").problem(f'must be the key it is stored under, "{key}"')

"""Segments: named conditions that flags share."""

from __future__ import annotations

from typing import Any

from .conditions import CompiledSegment, ConditionScope, compile_conditions, never
from .format import MISSING, describe, quote
from .problems import Finding, Location
from .references import pattern_size_of
from .requires import check_requires

# The fields that results depend on: all that are read below.
SEGMENT_FIELDS = ("key", "conditions", "requires")


def compile_segment(key: str, definition: object) -> CompiledSegment:
    findings: list[Finding] = []
    location = Location(findings)
    size = pattern_size_of(definition)
    scope = ConditionScope({}, is_segment=True, pattern_size=size)
    conditions = _read_conditions(location, key, definition)
    holds = compile_conditions(location.below("conditions"), conditions, scope, 0)
    if findings:
        return CompiledSegment(definition, never, str(findings[0]), size)
    return CompiledSegment(definition, holds, None, size)


def _read_conditions(location: Location, key: str, definition: object) -> list[object]:
    if not isinstance(definition, dict):
        location.report(f"must be a segment, but is {describe(definition)}")
        return []
    check_requires(location, definition)
    check_key(location, key, definition)
    conditions = definition.get("conditions", MISSING)
    if isinstance(conditions, list) and conditions:
        return conditions
    location.below("conditions").report(
        f"must be a non-empty list of conditions, but is {describe(conditions)}"
    )
    return []


def check_key(location: Location, key: str, definition: dict[str, Any]) -> None:
    """A definition may repeat its key in the flag set."""
    own_key = definition.get("key")
    if own_key is not None and own_key != key:
        location.below("key").report(
            f"must be {quote(key)} as in the flag set, but is {describe(own_key)}"
        )

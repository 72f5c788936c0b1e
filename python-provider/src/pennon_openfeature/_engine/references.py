"""The flags and segments that a flag refers to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .conditions import MAX_GROUP_DEPTH
from .operators import OPERATORS
from .re2_subset import MAX_SIZE, pattern_size


class References(NamedTuple):
    flags: frozenset[str]
    segments: frozenset[str]


def references(flag: object) -> References:
    """Returns the keys in a flag's conditions, even if the flag is malformed. Never raises."""
    conditions = list(_conditions_of_rules(flag))
    return References(_texts(conditions, "flag"), _texts(conditions, "segment"))


def _texts(conditions: list[dict[str, Any]], field: str) -> frozenset[str]:
    keys = (condition.get(field) for condition in conditions)
    return frozenset(key for key in keys if isinstance(key, str))


def _conditions_of_rules(flag: object) -> Iterator[dict[str, Any]]:
    rules = flag.get("rules") if isinstance(flag, dict) else None
    for rule in rules if isinstance(rules, list) else []:
        if isinstance(rule, dict):
            yield from _walk(rule.get("conditions"), 0)


def _walk(conditions: object, depth: int) -> Iterator[dict[str, Any]]:
    if not isinstance(conditions, list) or depth > MAX_GROUP_DEPTH:
        return
    for condition in conditions:
        if isinstance(condition, dict):
            yield condition
            yield from _walk(condition.get("any"), depth + 1)
            yield from _walk(condition.get("all"), depth + 1)


def has_rules(flag: object) -> bool:
    return isinstance(flag, dict) and bool(flag.get("rules"))


def pattern_size_of(definition: object) -> int:
    """The size of all regular expressions of a flag or a segment, even if it is malformed.

    Ends if the size is too large for a definition, so that the work is limited too.
    """
    own = definition.get("conditions") if isinstance(definition, dict) else None
    conditions = [*_conditions_of_rules(definition), *_walk(own, 0)]
    size = 0
    for condition in conditions:
        if size > MAX_SIZE:
            break
        size += _condition_size(condition)
    return size


def _condition_size(condition: dict[str, Any]) -> int:
    name, operand = condition.get("operator"), condition.get("value")
    entry = OPERATORS.get(name) if isinstance(name, str) else None
    if entry is None or not entry.is_pattern:
        return 0
    return pattern_size(operand) if isinstance(operand, str) else 1

"""The difference between two flag sets, and the flags that depend on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from .envelope import Envelope, read_envelope
from .references import references

# Deeper values are never equal, so no input overflows the stack. Valid flags are less deep.
MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class ChangedKeys:
    """The keys of flags and segments that were added, removed or replaced."""

    flags: frozenset[str]
    segments: frozenset[str]


@dataclass(frozen=True, slots=True)
class FlagSetDiff:
    changed: ChangedKeys
    # The keys of all flags with results that may differ, removed flags included.
    affected: frozenset[str]


class Dependent(Protocol):
    """A flag, and the flags and segments that its conditions refer to."""

    @property
    def key(self) -> str: ...

    @property
    def flags(self) -> frozenset[str]: ...

    @property
    def segments(self) -> frozenset[str]: ...


def diff_flag_sets(previous: object, current: object) -> FlagSetDiff:
    """Compares two flag sets, given as JSON. Objects that both share are not looked into."""
    envelope = read_envelope(current)
    changed = changed_keys(read_envelope(previous), envelope)
    if not changed.flags and not changed.segments:
        return FlagSetDiff(changed, frozenset())
    return FlagSetDiff(changed, closure_of(_dependents(envelope), changed))


def dependents_of(flag_set: object, changed: ChangedKeys) -> frozenset[str]:
    """The changed flags, and all flags that depend on a change, directly or through other flags.

    `flag_set` is JSON.
    """
    return closure_of(_dependents(read_envelope(flag_set)), changed)


class Contents(Protocol):
    @property
    def flags(self) -> Mapping[str, object]: ...

    @property
    def segments(self) -> Mapping[str, object]: ...


def changed_keys(previous: Contents, current: Contents) -> ChangedKeys:
    return ChangedKeys(
        _changed_names(previous.flags, current.flags),
        _changed_names(previous.segments, current.segments),
    )


def _changed_names(previous: Mapping[str, object], current: Mapping[str, object]) -> frozenset[str]:
    return frozenset(
        name
        for name in previous.keys() | current.keys()
        if name not in previous
        or name not in current
        or not same_json(previous[name], current[name])
    )


def same_json(one: object, other: object, depth: int = 0) -> bool:
    """Equality of JSON values. Unlike in Python, true is not 1."""
    if one is other:
        return True
    if depth == MAX_DEPTH:
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            same_json(one[name], other[name], depth + 1) for name in one
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            same_json(*members, depth + 1) for members in zip(one, other, strict=True)
        )
    if isinstance(one, dict | list) or isinstance(other, dict | list):
        return False
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def closure_of(dependents: Iterable[Dependent], changed: ChangedKeys) -> frozenset[str]:
    """The changed flags, and all flags that depend on them or on a changed segment."""
    by_flag: dict[str, list[str]] = {}
    reached = list(changed.flags)
    for dependent in dependents:
        if not changed.segments.isdisjoint(dependent.segments):
            reached.append(dependent.key)
        for flag_key in dependent.flags:
            by_flag.setdefault(flag_key, []).append(dependent.key)
    closure = set(reached)
    for key in reached:
        new = [other for other in by_flag.get(key, ()) if other not in closure]
        closure.update(new)
        reached += new
    return frozenset(closure)


class _FlagReferences(NamedTuple):
    key: str
    flags: frozenset[str]
    segments: frozenset[str]


def _dependents(envelope: Envelope) -> list[_FlagReferences]:
    return [_FlagReferences(key, *references(flag)) for key, flag in envelope.flags.items()]

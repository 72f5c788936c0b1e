"""The difference between two flag sets, and the flags that depend on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from .envelope import read_envelope
from .flags import FLAG_FIELDS
from .format import MISSING
from .references import references
from .segments import SEGMENT_FIELDS

# Deeper values are never equal, so no input overflows the stack. Valid flags are less deep.
MAX_COMPARED_DEPTH = 64


@dataclass(frozen=True, slots=True)
class FlagSetChanges:
    """The keys of flags and segments that were added, removed or replaced."""

    flags: frozenset[str]
    segments: frozenset[str]


@dataclass(frozen=True, slots=True)
class FlagSetDiff:
    changed: FlagSetChanges
    # The keys of all flags with results that may differ, removed flags included. A flag that only
    # has another version is not one of them.
    affected: frozenset[str]


class Dependent(Protocol):
    """A flag, and the flags and segments that its conditions refer to."""

    @property
    def key(self) -> str: ...

    @property
    def referenced_flags(self) -> frozenset[str]: ...

    @property
    def referenced_segments(self) -> frozenset[str]: ...


class Contents(Protocol):
    @property
    def flags(self) -> Mapping[str, object]: ...

    @property
    def segments(self) -> Mapping[str, object]: ...


def diff_flag_sets(
    previous: object, current: object, hint: FlagSetChanges | None = None
) -> FlagSetDiff:
    """Compares two flag sets, given as JSON. Objects that both share are not looked into.

    `hint` are the only keys that may have changed, as a change event names them.
    """
    before, after = read_envelope(previous), read_envelope(current)
    changed = changed_keys(before, after, hint)
    dependents = (_FlagReferences(key, *references(flag)) for key, flag in after.flags.items())
    return FlagSetDiff(changed, affected_flags(before, after, changed, dependents))


def changed_keys(
    previous: Contents, current: Contents, hint: FlagSetChanges | None = None
) -> FlagSetChanges:
    """The keys that were added, removed or replaced, among those of `hint` if it is given."""
    hint = hint or FlagSetChanges(
        frozenset(previous.flags.keys() | current.flags.keys()),
        frozenset(previous.segments.keys() | current.segments.keys()),
    )
    return FlagSetChanges(
        _differing_keys(previous.flags, current.flags, hint.flags, same_json),
        _differing_keys(previous.segments, current.segments, hint.segments, same_json),
    )


def affected_flags(
    previous: Contents, current: Contents, changed: FlagSetChanges, dependents: Iterable[Dependent]
) -> frozenset[str]:
    """The flags with results that may differ, given the changed keys and the current flags."""
    effective = FlagSetChanges(
        _differing_keys(previous.flags, current.flags, changed.flags, _have_same_flag_fields),
        _differing_keys(
            previous.segments, current.segments, changed.segments, _have_same_segment_fields
        ),
    )
    if not effective.flags and not effective.segments:
        return frozenset()
    return _closure_of(dependents, effective)


def _differing_keys(
    previous: Mapping[str, object],
    current: Mapping[str, object],
    candidates: frozenset[str],
    is_same: Callable[[object, object], bool],
) -> frozenset[str]:
    return frozenset(
        key
        for key in candidates
        if (key in previous) != (key in current) or not is_same(previous.get(key), current.get(key))
    )


def _have_same_flag_fields(one: object, other: object) -> bool:
    return _have_same_fields(FLAG_FIELDS, one, other)


def _have_same_segment_fields(one: object, other: object) -> bool:
    return _have_same_fields(SEGMENT_FIELDS, one, other)


def _have_same_fields(fields: Iterable[str], one: object, other: object) -> bool:
    if not isinstance(one, dict) or not isinstance(other, dict):
        return same_json(one, other)
    return all(same_json(one.get(field, MISSING), other.get(field, MISSING)) for field in fields)


def same_json(one: object, other: object, depth: int = 0) -> bool:
    """Equality of JSON values. Unlike in Python, true is not 1."""
    if one is other:
        return True
    if depth == MAX_COMPARED_DEPTH:
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


def _closure_of(dependents: Iterable[Dependent], changed: FlagSetChanges) -> frozenset[str]:
    """The changed flags, and all flags that depend on them or on a changed segment."""
    by_flag: dict[str, list[str]] = {}
    reached = list(changed.flags)
    for dependent in dependents:
        if not changed.segments.isdisjoint(dependent.referenced_segments):
            reached.append(dependent.key)
        for flag_key in dependent.referenced_flags:
            by_flag.setdefault(flag_key, []).append(dependent.key)
    closure = set(reached)
    for key in reached:
        new = [other for other in by_flag.get(key, ()) if other not in closure]
        closure.update(new)
        reached += new
    return frozenset(closure)


class _FlagReferences(NamedTuple):
    key: str
    referenced_flags: frozenset[str]
    referenced_segments: frozenset[str]

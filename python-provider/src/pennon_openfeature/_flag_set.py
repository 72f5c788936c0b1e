"""A flag set as it travels: what it is, how it changes, and which flags differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._json import parse_json
from ._trouble import Trouble


@dataclass(frozen=True, slots=True)
class FlagSet:
    """All flags and segments of one environment, of one revision. Never changed in place."""

    id: str
    # A flag set that somebody has written need not say one.
    revision: int | None
    environment: str
    flags: Mapping[str, Any]
    segments: Mapping[str, Any]
    format_version: Any = 1

    def document(self) -> dict[str, Any]:
        """As the server writes it, and the engine reads it."""
        return {
            "formatVersion": self.format_version,
            "environment": self.environment,
            "id": self.id,
            "revision": self.revision,
            "flags": self.flags,
            "segments": self.segments,
        }


def parsed(text: str | bytes) -> dict[str, Any]:
    """The JSON object that a text is; what is none does not follow anything."""
    try:
        value = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise Trouble("what came is no JSON", gap=True) from error
    if not isinstance(value, dict):
        raise Trouble("what came is no JSON object", gap=True)
    return value


def flag_set_of(document: Mapping[str, Any]) -> FlagSet:
    """The envelope only: the engine looks at each flag."""
    flags, segments = document.get("flags"), document.get("segments")
    revision = document.get("revision")
    change_id = document.get("id")
    if not (isinstance(flags, dict) and isinstance(segments, dict) and isinstance(change_id, str)):
        raise Trouble("what came is no flag set", gap=True)
    if not isinstance(revision, int):
        raise Trouble("what came is a flag set without a revision", gap=True)
    return FlagSet(
        id=change_id,
        revision=revision,
        environment=str(document.get("environment", "")),
        flags=flags,
        segments=segments,
        format_version=document.get("formatVersion", 1),
    )


def changed_flag_set(flag_set: FlagSet | None, change_id: str | None, data: str) -> FlagSet:
    """The flag set after a change. A change that does not follow it is a gap."""
    change = parsed(data)
    if flag_set is None or change.get("previous") != flag_set.id:
        raise Trouble("a change was missed", gap=True)
    flags, segments = change.get("flags"), change.get("segments")
    revision = change.get("revision")
    if not (change_id and isinstance(flags, dict) and isinstance(segments, dict)):
        raise Trouble("what came is no change", gap=True)
    if not isinstance(revision, int):
        raise Trouble("what came is a change without a revision", gap=True)
    return FlagSet(
        id=change_id,
        revision=revision,
        environment=flag_set.environment,
        flags=_laid(flag_set.flags, flags),
        segments=_laid(flag_set.segments, segments),
        format_version=flag_set.format_version,
    )


def _laid(record: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A record with the changes laid over it: null removes."""
    return {name: value for name, value in {**record, **changes}.items() if value is not None}


def keeping(before: FlagSet | None, after: FlagSet) -> FlagSet:
    """The later flag set, with the very objects of the earlier one where they are equal."""
    if before is None:
        return after
    return FlagSet(
        id=after.id,
        revision=after.revision,
        environment=after.environment,
        flags=_kept(before.flags, after.flags),
        segments=_kept(before.segments, after.segments),
        format_version=after.format_version,
    )


def _kept(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: before[key] if key in before and same_json(before[key], value) else value
        for key, value in after.items()
    }


def same_json(one: object, other: object) -> bool:
    """Equality of JSON, where true is not 1."""
    if one is other:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """The keys that came, went or hold another object, once equal objects are kept."""
    return {key for key in before.keys() | after.keys() if before.get(key) is not after.get(key)}

"""Flag sets as the server sends them: the envelope, and changes to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ._engine import ChangedKeys, same_json
from ._errors import gap_error
from ._json import parse_json


@dataclass(frozen=True, slots=True)
class FlagSet:
    """All flags and segments of one environment at one revision. Never modified in place."""

    id: str
    # Missing in some flag sets from files.
    revision: int | None
    environment: str
    flags: Mapping[str, Any]
    segments: Mapping[str, Any]
    format_version: Any = 1

    def document(self) -> dict[str, Any]:
        """The JSON object, for the engine and the cache file."""
        return {
            "formatVersion": self.format_version,
            "environment": self.environment,
            "id": self.id,
            "revision": self.revision,
            "flags": self.flags,
            "segments": self.segments,
        }


@dataclass(frozen=True, slots=True)
class FlagSetUpdate:
    """A flag set, and the keys that changed since the previous update, if they are known."""

    flag_set: FlagSet
    changed: ChangedKeys | None = None


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Parses a JSON object. Anything else is a gap, because the stream cannot be trusted."""
    try:
        value = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise gap_error("the server's response is not valid JSON") from error
    if not isinstance(value, dict):
        raise gap_error("the server's response is not a JSON object")
    return value


def read_flag_set(document: Mapping[str, Any]) -> FlagSet:
    """Checks the envelope only; the engine checks each flag."""
    flags, segments = document.get("flags"), document.get("segments")
    revision = document.get("revision")
    flag_set_id = document.get("id")
    is_flag_set = (
        isinstance(flags, dict) and isinstance(segments, dict) and isinstance(flag_set_id, str)
    )
    if not is_flag_set:
        raise gap_error("the server's response is not a flag set")
    if not isinstance(revision, int):
        raise gap_error("the server's response is a flag set without a revision")
    return FlagSet(
        id=document["id"],
        revision=revision,
        environment=str(document.get("environment", "")),
        flags=document["flags"],
        segments=document["segments"],
        format_version=document.get("formatVersion", 1),
    )


def apply_change(flag_set: FlagSet | None, change_id: str | None, data: str) -> FlagSetUpdate:
    """Applies a `change` event. Raises a gap if it does not continue from `flag_set`."""
    change = parse_object(data)
    if flag_set is None or change.get("previous") != flag_set.id:
        raise gap_error("a change was missed")
    flags, segments = change.get("flags"), change.get("segments")
    revision = change.get("revision")
    if not (change_id and isinstance(flags, dict) and isinstance(segments, dict)):
        raise gap_error("the change event is not valid")
    if not isinstance(revision, int):
        raise gap_error("the change event has no revision")
    next_flag_set = replace(
        flag_set,
        id=change_id,
        revision=revision,
        flags=_apply_patch(flag_set.flags, flags),
        segments=_apply_patch(flag_set.segments, segments),
    )
    return FlagSetUpdate(
        next_flag_set,
        ChangedKeys(
            _changed_keys(flag_set.flags, flags), _changed_keys(flag_set.segments, segments)
        ),
    )


def _changed_keys(record: Mapping[str, Any], patch: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(key for key in patch if not same_json(record.get(key), patch[key]))


def _apply_patch(record: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the record with the patch applied; null removes an entry."""
    return {name: value for name, value in {**record, **patch}.items() if value is not None}


def reuse_unchanged(previous: FlagSet, current: FlagSet) -> FlagSet:
    """`current`, but with the objects of `previous` for all flags and segments that are equal.

    The engine does not compile an object again that it has compiled before.
    """
    return replace(
        current,
        flags=_reuse_equal(previous.flags, current.flags),
        segments=_reuse_equal(previous.segments, current.segments),
    )


def _reuse_equal(previous: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: previous[key] if key in previous and same_json(previous[key], value) else value
        for key, value in current.items()
    }

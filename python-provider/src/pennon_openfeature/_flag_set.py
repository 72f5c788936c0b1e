"""Flag sets as the server sends them: the envelope, and the events of its stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ._engine import FlagSetChanges, same_json
from ._errors import gap_error
from ._json import parse_json
from ._source_age import source_age_in


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
    # What is measured: `experiments` and `tracked`, if the server has sent them.
    measured: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The JSON object, for the engine and the cache file."""
        return {
            "formatVersion": self.format_version,
            "environment": self.environment,
            "id": self.id,
            "revision": self.revision,
            "flags": self.flags,
            "segments": self.segments,
            **self.measured,
        }


@dataclass(frozen=True, slots=True)
class FlagSetUpdate:
    """A flag set, and the keys that changed since the previous update, if they are known."""

    flag_set: FlagSet
    changed: FlagSetChanges | None = None
    # How old the server's own data were, if that is known. A change proves that they are current.
    source_age_ms: float | None = None


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
        measured=measured_in(document),
    )


def measured_in(document: Mapping[str, Any]) -> dict[str, Any]:
    """What is measured, in a flag set or in a change that has it as a whole."""
    return {name: document[name] for name in ("experiments", "tracked") if name in document}


def _apply_change(flag_set: FlagSet | None, change_id: str | None, data: str) -> FlagSetUpdate:
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
        measured={**flag_set.measured, **measured_in(change)},
    )
    return FlagSetUpdate(
        next_flag_set,
        FlagSetChanges(
            _changed_keys(flag_set.flags, flags), _changed_keys(flag_set.segments, segments)
        ),
        source_age_ms=0,
    )


def _changed_keys(record: Mapping[str, Any], patch: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(key for key in patch if not same_json(record.get(key), patch[key]))


def _apply_patch(record: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the record with the patch applied; null removes an entry."""
    return {name: value for name, value in {**record, **patch}.items() if value is not None}


def _replace(_current: FlagSet | None, event_id: str | None, data: str) -> FlagSetUpdate:
    flag_set = read_flag_set(parse_object(data))
    current = replace(flag_set, id=event_id) if event_id else flag_set
    return FlagSetUpdate(current, source_age_ms=0)


def _confirm_id(current: FlagSet | None, event_id: str | None, _data: str) -> FlagSetUpdate:
    return _confirm(current, current is not None and current.id == event_id)


def _confirm_revision(current: FlagSet | None, _event_id: str | None, data: str) -> FlagSetUpdate:
    heartbeat = parse_object(data)
    is_same = current is not None and current.revision == heartbeat.get("revision")
    age_ms = source_age_in(heartbeat.get("sourceAgeMs"))
    return replace(_confirm(current, is_same), source_age_ms=age_ms)


def _confirm(current: FlagSet | None, is_same: bool) -> FlagSetUpdate:
    if current is None or not is_same:
        raise gap_error("the server has other data")
    return FlagSetUpdate(current)


# Applies an event (its id and its data) to the current flag set. Raises a gap if it cannot.
EventReducer: TypeAlias = Callable[["FlagSet | None", "str | None", str], FlagSetUpdate]

# The events that may come first in a stream.
INITIAL_EVENTS = ("set", "current")
# The reducer of each event. Others are ignored, because a newer server may send them.
EVENTS: dict[str, EventReducer] = {
    "set": _replace,
    "change": _apply_change,
    "current": _confirm_id,
    "heartbeat": _confirm_revision,
}

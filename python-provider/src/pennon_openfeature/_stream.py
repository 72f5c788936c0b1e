"""Reads the server-sent events of a flag set's stream."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from sseclient import SSEClient

from ._errors import SyncError, gap_error
from ._flag_set import FlagSet, FlagSetUpdate, apply_change, parse_object, read_flag_set
from ._http import Response


class StreamReader:
    """Reads one stream until it is lost."""

    def __init__(
        self,
        current: Callable[[], FlagSet | None],
        on_update: Callable[[FlagSetUpdate], None],
        idle_timeout_ms: float,
    ) -> None:
        self._current = current
        self._on_update = on_update
        self._idle_timeout_ms = idle_timeout_ms
        self._began_at: float | None = None

    @property
    def uptime_ms(self) -> float:
        """How long the stream has delivered data; 0 if it never did."""
        return 0 if self._began_at is None else (time.monotonic() - self._began_at) * 1_000

    def read(self, response: Response) -> None:
        """Never returns; raises SyncError when the stream is lost."""
        content_type = response.headers.get("content-type", "none")
        if not content_type.startswith("text/event-stream"):
            raise SyncError(f"expected an event stream, received content type {content_type}")
        # The chunks end with an error, so SSEClient never emits an event that was cut off.
        for event in SSEClient(response.chunks()).events():
            self._handle(event, response)

    def _handle(self, event: Any, response: Response) -> None:
        reducer = _REDUCERS.get(event.event)
        if reducer is None:
            return
        if self._began_at is None and event.event not in _INITIAL_EVENTS:
            raise gap_error("the stream does not begin with a flag set")
        update = reducer(self._current(), event.id, event.data)
        if self._began_at is None:
            self._began_at = time.monotonic()
            response.set_idle_timeout(self._idle_timeout_ms)
        self._on_update(update)


def _replace(_current: FlagSet | None, event_id: str | None, data: str) -> FlagSetUpdate:
    flag_set = read_flag_set(parse_object(data))
    return FlagSetUpdate(replace(flag_set, id=event_id) if event_id else flag_set)


def _confirm_id(current: FlagSet | None, event_id: str | None, _data: str) -> FlagSetUpdate:
    return _confirm(current, current is not None and current.id == event_id)


def _confirm_revision(current: FlagSet | None, _event_id: str | None, data: str) -> FlagSetUpdate:
    revision = parse_object(data).get("revision")
    return _confirm(current, current is not None and current.revision == revision)


def _confirm(current: FlagSet | None, is_same: bool) -> FlagSetUpdate:
    if current is None or not is_same:
        raise gap_error("the server has other data")
    return FlagSetUpdate(current)


# Applies an event (its id and its data) to the current flag set. Raises a gap if it cannot.
EventReducer: TypeAlias = Callable[["FlagSet | None", "str | None", str], FlagSetUpdate]

_INITIAL_EVENTS = ("set", "current")
_REDUCERS: dict[str, EventReducer] = {
    "set": _replace,
    "change": apply_change,
    "current": _confirm_id,
    "heartbeat": _confirm_revision,
}

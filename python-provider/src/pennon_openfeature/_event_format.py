"""Exposures and tracking events as the server receives them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from openfeature.track import TrackingEventDetails

from ._engine import is_number
from ._engine.text import well_formed
from ._exposures import Exposure
from ._resolution import to_plain_attributes

# What the server accepts.
_MAX_NAME_LENGTH: Final = 100
_MAX_UNIT_LENGTH: Final = 256
_MAX_ATTRIBUTES: Final = 20
_MAX_EVENT_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Event:
    # Its JSON.
    text: bytes
    # None for a tracking event.
    exposure: Exposure | None = None


class TrackedEvent(NamedTuple):
    """What the application passed to `track`, and when."""

    name: str
    context: Mapping[str, Any]
    details: TrackingEventDetails
    # Since 1970.
    seconds: float


class EventFormat:
    """Makes events. Raises ValueError if the server would reject one."""

    def __init__(self, *, hash_units: bool) -> None:
        self._hash_units = hash_units

    def exposure(self, exposure: Exposure, seconds: float) -> Event:
        if len(exposure.unit) > _MAX_UNIT_LENGTH:
            raise ValueError(_long_unit(exposure.experiment.unit.attribute))
        fields = {
            "type": "exposure",
            "experiment": exposure.experiment.key,
            "variant": exposure.variant,
            "unit": self._unit(exposure.unit),
            "timeMs": _milliseconds(seconds),
        }
        return Event(_to_json(fields), exposure)

    def tracking_event(self, event: TrackedEvent, units: Mapping[str, str]) -> Event:
        if not 0 < len(event.name) <= _MAX_NAME_LENGTH:
            raise ValueError(f"its name must have 1 to {_MAX_NAME_LENGTH} characters")
        for attribute, unit in units.items():
            if len(unit) > _MAX_UNIT_LENGTH:
                raise ValueError(_long_unit(attribute))
        fields: dict[str, Any] = {
            "type": "track",
            "name": event.name,
            "timeMs": _milliseconds(event.seconds),
            **_details(event.details),
            "units": {attribute: self._unit(unit) for attribute, unit in units.items()},
        }
        return Event(_to_json(fields))

    def _unit(self, unit: str) -> str:
        if self._hash_units:
            return sha256(well_formed(unit).encode()).hexdigest()
        return unit


def _long_unit(attribute: str) -> str:
    limit = f"at most {_MAX_UNIT_LENGTH} characters"
    return f'the attribute "{attribute}" of its context must have {limit}'


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1_000)


def _details(details: TrackingEventDetails) -> dict[str, Any]:
    # Without a finite number, the event counts, but not in sums. The server reports how many.
    fields: dict[str, Any] = {"value": details.value} if is_number(details.value) else {}
    attributes = to_plain_attributes(details.attributes)
    attributes = {name: value for name, value in attributes.items() if value is not None}
    if len(attributes) > _MAX_ATTRIBUTES:
        raise ValueError(f"it must have at most {_MAX_ATTRIBUTES} attributes")
    if attributes:
        fields["attributes"] = attributes
    return fields


def _to_json(fields: dict[str, Any]) -> bytes:
    text = _encode(fields)
    if len(text) > _MAX_EVENT_BYTES:
        raise ValueError(f"it must have at most {_MAX_EVENT_BYTES} bytes as JSON")
    return text


def _encode(fields: dict[str, Any]) -> bytes:
    try:
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError("its attributes must be JSON: text, finite numbers, booleans") from error
    return well_formed(text).encode()

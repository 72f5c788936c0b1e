"""Features beyond format 1 that a flag or a segment requires from the engine."""

from __future__ import annotations

from typing import Any

from .problems import Place
from .values import described

# There are none yet.
SUPPORTED: frozenset[str] = frozenset()


def check_requires(place: Place, definition: dict[str, Any]) -> None:
    """Reports every feature in `requires` that this engine does not support.

    A newer server lists there what changes the decision, because fields that an engine does not
    know are otherwise ignored.
    """
    place = place.at("requires")
    required = definition.get("requires")
    if required is None:
        return
    if not isinstance(required, list):
        place.problem(f"must be a list of names, but is {described(required)}")
        return
    for index, feature in enumerate(required):
        if not isinstance(feature, str):
            place.at(index).problem(f"must be a name, but is {described(feature)}")
        elif feature not in SUPPORTED:
            place.at(index).problem(
                f'requires "{feature}", which this version does not support: update the SDK'
            )

"""Features beyond format 1 that a flag or a segment requires from the engine."""

from __future__ import annotations

from typing import Any

from .format import describe, quote
from .problems import Location

# There are none yet.
SUPPORTED: frozenset[str] = frozenset()


def check_requires(location: Location, definition: dict[str, Any]) -> None:
    """Reports every feature in `requires` that this engine does not support.

    A newer server lists the features that change results, because engines ignore the fields that
    they do not know.
    """
    location = location.below("requires")
    required = definition.get("requires")
    if required is None:
        return
    if not isinstance(required, list):
        location.report(f"must be a list of names, but is {describe(required)}")
        return
    for index, feature in enumerate(required):
        if not isinstance(feature, str):
            location.below(index).report(f"must be a name, but is {describe(feature)}")
        elif feature not in SUPPORTED:
            location.below(index).report(
                f"{quote(feature)} is not supported by this version: update the SDK"
            )

"""How old the server's own data are. It reports that with its responses and heartbeats."""

from __future__ import annotations

from collections.abc import Mapping

from ._engine import is_number
from ._errors import SyncError

# A server whose own data are older than this is cut off from its store. A healthy one checks every
# 5 s.
SOURCE_STALE_MS = 15_000


def source_age_in(value: object) -> float | None:
    """The source age that a server has sent, or None if there is none: older servers send none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if is_number(value) and value >= 0 else None


def source_age_of(headers: Mapping[str, str]) -> float | None:
    """How old the server's own data were when it sent a response."""
    try:
        return source_age_in(float(headers["pennon-source-age-ms"]))
    except (KeyError, ValueError):
        return None


def stale_source_error(age_ms: float | None) -> SyncError | None:
    """The error if the server is cut off from its store. An unknown age counts as current."""
    if age_ms is None or age_ms <= SOURCE_STALE_MS:
        return None
    return SyncError(
        f"the server is cut off from its store, and its data are {age_ms / 1_000:.0f} s old"
    )

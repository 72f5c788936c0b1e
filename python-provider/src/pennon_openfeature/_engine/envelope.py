"""The envelope of a flag set: its flags and segments by key, not yet read."""

from __future__ import annotations

from dataclasses import dataclass

from .format import MISSING, describe
from .problems import Problem
from .values import as_double

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Envelope:
    flags: dict[str, object]
    segments: dict[str, object]
    # Whether nothing of the flag set can be used.
    refused: bool = False
    problems: tuple[Problem, ...] = ()


def read_envelope(flag_set: object) -> Envelope:
    """Ignores unknown fields, because the server may be newer."""
    if not isinstance(flag_set, dict):
        return _refuse(f"a flag set must be an object, but is {describe(flag_set)}")
    version = flag_set.get("formatVersion")
    if version is not None and as_double(version) != FORMAT_VERSION:
        return _refuse(
            f"the engine reads format version {FORMAT_VERSION}, not {describe(version)}: "
            "update the SDK"
        )
    flags, segments = flag_set.get("flags", MISSING), flag_set.get("segments")
    if not isinstance(flags, dict):
        return _refuse(f"the flags of a flag set must be an object, but are {describe(flags)}")
    if segments is None or isinstance(segments, dict):
        return Envelope(flags, segments or {})
    message = f"must be an object, but is {describe(segments)}"
    return Envelope(flags, {}, problems=(Problem("", "segments", message),))


def _refuse(message: str) -> Envelope:
    return Envelope({}, {}, refused=True, problems=(Problem("", "", message),))

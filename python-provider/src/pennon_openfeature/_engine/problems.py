"""Problems of flags and segments, and their locations."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .format import join_quoted, quote


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason for a PARSE_ERROR. `path` is dotted from the flag, empty for the whole flag."""

    flag_key: str
    path: str
    message: str

    def __str__(self) -> str:
        owner = f"flag {quote(self.flag_key)}" if self.flag_key else "flag set"
        return f"{owner}: {Finding(self.path, self.message)}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of a segment, or of a flag before its key is added."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Location:
    """A location within a flag or segment, at which problems are reported."""

    __slots__ = ("_findings", "_path")

    def __init__(self, findings: list[Finding], path: str = "") -> None:
        self._findings = findings
        self._path = path

    def below(self, step: str | int) -> Location:
        """The location of a field or of an element of a list."""
        return Location(self._findings, f"{self._path}.{step}" if self._path else str(step))

    def report(self, message: str) -> None:
        self._findings.append(Finding(self._path, message))


def report_unknown_fields(
    location: Location, fields: Collection[object], known: Collection[str], owner: str
) -> None:
    """Unknown fields of rules, splits and conditions could change results, so they are problems."""
    for name in sorted(map(str, fields)):
        if name not in known:
            location.below(name).report(f"is an unknown field; {owner} has {join_quoted(known)}")

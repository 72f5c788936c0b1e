"""What is wrong with a flag, and where: every check of the compiler reports through a `Place`."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a flag answers PARSE_ERROR; `path` is dotted and starts at the flag."""

    flag_key: str
    path: str
    message: str


class Place:
    """A position within one definition, where a problem can be reported."""

    __slots__ = ("_found", "_path")

    def __init__(self, found: list[tuple[str, str]], path: str = "") -> None:
        self._found = found
        self._path = path

    def at(self, step: str | int) -> Place:
        return Place(self._found, f"{self._path}.{step}" if self._path else str(step))

    def problem(self, message: str) -> None:
        self._found.append((self._path, message))


def refuse_unknown_fields(place: Place, fields: Iterable[object], known: Container[object]) -> None:
    """Unknown fields are refused, so that a newer format is never half understood."""
    for name in fields:
        if name not in known:
            place.at(str(name)).problem("is no field of this format; remove it")


def quoted(names: Iterable[object]) -> str:
    """Names for a message: `"on", "off"`."""
    return ", ".join(f'"{name}"' for name in names)

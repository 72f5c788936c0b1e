"""Semantic versions as tuples that sort by SemVer 2 precedence."""

from __future__ import annotations

import re
from typing import TypeAlias

MAX_VERSION_LENGTH = 256

Identifier: TypeAlias = tuple[int, int, str]
SemanticVersion: TypeAlias = tuple[int, int, int, int, tuple[Identifier, ...]]

_NUMERIC = "(?:0|[1-9][0-9]*)"
_IDENTIFIER = f"(?:{_NUMERIC}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"({_NUMERIC})\.({_NUMERIC})\.({_NUMERIC})"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


def parse_version(text: str) -> SemanticVersion | None:
    """A version without its build metadata, or None if the text is not a semantic version."""
    parts = _VERSION.fullmatch(text) if len(text) <= MAX_VERSION_LENGTH else None
    if parts is None:
        return None
    major, minor, patch, prerelease = parts.groups()
    identifiers = tuple(map(_identifier, prerelease.split("."))) if prerelease else ()
    # A release sorts above its prereleases.
    is_release = 0 if prerelease else 1
    return int(major), int(minor), int(patch), is_release, identifiers


def _identifier(text: str) -> Identifier:
    # Numeric identifiers sort below alphanumeric ones.
    return (0, int(text), "") if text.isdigit() else (1, 0, text)

"""Flag sets in files: JSON or YAML, in the server's full form or in the short form."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from ._engine import expand_short_form
from ._errors import SyncError
from ._flag_set import FlagSet
from ._json import parse_json

FilePath: TypeAlias = "str | os.PathLike[str]"


def read_flag_file(path: FilePath) -> FlagSet:
    """Reads a flag set from a JSON or YAML file."""
    return parse_flag_set(read_document(Path(path)))


def parse_flag_set(document: Mapping[str, Any]) -> FlagSet:
    """A flag set with flags in the short form expanded.

    A flag set with a `formatVersion` was written by a server, always in the full form.
    """
    flags, segments = document.get("flags"), document.get("segments")
    if not isinstance(flags, dict):
        raise SyncError('it must be an object with an object "flags"')
    if segments is not None and not isinstance(segments, dict):
        raise SyncError('its "segments" must be an object')
    is_full_form = "formatVersion" in document
    revision = document.get("revision")
    return FlagSet(
        id=str(document.get("id", "")),
        revision=revision if isinstance(revision, int) else None,
        environment=str(document.get("environment", "")),
        flags=flags if is_full_form else _expand(flags),
        segments=segments or {},
        format_version=document.get("formatVersion", 1),
    )


def _expand(flags: dict[str, Any]) -> dict[str, Any]:
    return {key: expand_short_form(flag) for key, flag in flags.items()}


def read_document(path: Path) -> dict[str, Any]:
    # Some editors write a byte order mark.
    text = path.read_text("utf-8-sig")
    try:
        is_yaml = path.suffix.lower() in (".yaml", ".yml")
        document = _parse_yaml(text) if is_yaml else parse_json(text)
    except (ValueError, RecursionError) as error:
        raise SyncError(f"{path} cannot be used: {error}") from error
    if not isinstance(document, dict):
        raise SyncError(f"{path} cannot be used: it must contain an object")
    return document


def _parse_yaml(text: str) -> Any:
    try:
        from ._yaml import parse_yaml  # noqa: PLC0415 - PyYAML is optional
    except ImportError as error:
        raise SyncError("install pennon-openfeature[yaml] to read YAML files") from error
    return parse_yaml(text)

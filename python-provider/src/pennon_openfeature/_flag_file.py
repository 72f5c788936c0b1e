"""Flag sets in files and from the application, in the server's full form or in the short form."""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from ._engine import compile, expand_short_form  # noqa: A004
from ._engine.exact_numbers import (
    InexactNumber,
    find_inexact_numbers,
    find_inexact_value,
)
from ._errors import SyncError
from ._flag_set import FlagSet, measured_in
from ._json import parse_json
from ._local_flags import local_flag_problem, local_key_problem

FilePath: TypeAlias = "str | os.PathLike[str]"


def read_flag_file(path: FilePath) -> FlagSet:
    """Reads a flag set from a JSON or YAML file."""
    file = Path(path)
    is_yaml = file.suffix.lower() in (".yaml", ".yml")
    return parse_flag_set(_read_document(file, _parse_yaml if is_yaml else _parse_exact_json))


@dataclass(frozen=True, slots=True)
class CachedFlags:
    flag_set: FlagSet
    # When they were last known to be current, in seconds since 1970.
    current_at: float


def read_cache_file(path: FilePath, key: str) -> CachedFlags:
    """Reads the flags of a previous run. Raises SyncError if they were received with another key.

    An earlier release stored no hash of the key, and no time. A server has checked the numbers.
    """
    _require_regular_file(path)
    document = _read_document(Path(path), parse_json)
    if document.get("keyHash") not in (None, _hash_of_key(key)):
        raise SyncError(
            f"{path} was written with another key, so it is not used:"
            " give each provider a file of its own"
        )
    stored = document.get("currentAt")
    written_at = Path(path).stat().st_mtime
    current_at = stored / 1_000 if isinstance(stored, int | float) else written_at
    return CachedFlags(parse_flag_set(document), current_at)


def _require_regular_file(path: FilePath) -> None:
    """A folder, a pipe or a device cannot be read, or replaced, as a file can."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(
                f"{path} is not a regular file: set the path of a file, or of one to be created"
            )


def _hash_of_key(key: str) -> str:
    """Distinguishes keys. A key has too many bits to be found from its hash."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def parse_bootstrap(document: Mapping[str, Any]) -> FlagSet:
    """A flag set that an application passes."""
    number = None if _is_export(document) else find_inexact_value(document)
    if number is not None:
        raise SyncError(str(number))
    return parse_flag_set(document)


def parse_flag_set(document: Mapping[str, Any]) -> FlagSet:
    """A flag set with flags in the short form expanded.

    A flag set with a `formatVersion` was written by a server, always in the full form.
    """
    flags, segments = document.get("flags"), document.get("segments")
    if not isinstance(flags, dict):
        raise SyncError('it must be an object with an object "flags"')
    if segments is not None and not isinstance(segments, dict):
        raise SyncError('its "segments" must be an object')
    revision = document.get("revision")
    return FlagSet(
        id=str(document.get("id", "")),
        revision=revision if isinstance(revision, int) else None,
        environment=str(document.get("environment", "")),
        flags=flags if _is_export(document) else _expand_flags(flags),
        segments=segments or {},
        format_version=document.get("formatVersion", 1),
        measured=measured_in(document),
    )


def _expand_flags(flags: dict[str, Any]) -> dict[str, Any]:
    return {key: expand_short_form(flag) for key, flag in flags.items()}


def _read_document(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    # Some editors write a byte order mark.
    text = path.read_text("utf-8-sig")
    try:
        document = parse(text)
    except (ValueError, RecursionError) as error:
        raise SyncError(f"{path} cannot be used: {error}") from error
    if not isinstance(document, dict):
        raise SyncError(f"{path} cannot be used: it must contain an object")
    return document


def _parse_exact_json(text: str) -> Any:
    document = parse_json(text)
    is_export = _is_export(document)
    for number in filter(_is_finite, find_inexact_numbers(text)):
        if not (is_export and _is_server_text(number.text)):
            raise ValueError(str(number))
    return document


def _is_export(document: Any) -> bool:
    # In the full form, as a server writes it.
    return isinstance(document, Mapping) and "formatVersion" in document


def _is_server_text(number: str) -> bool:
    # Older releases of the server stored numbers that they had rounded. JavaScript writes the
    # shortest digits that lead to the same double, as repr does, and no exponent below 1e21.
    return number == f"{Decimal(repr(float(number))):f}".removesuffix(".0")


def _is_finite(number: InexactNumber) -> bool:
    # The engine reports an infinite number as a problem of its flag only.
    return math.isfinite(float(number.text))


def _parse_yaml(text: str) -> Any:
    try:
        from ._yaml import parse_yaml  # noqa: PLC0415 - PyYAML is optional
    except ImportError as error:
        raise SyncError("install pennon-openfeature[yaml] to read YAML files") from error
    return parse_yaml(text)


def write_cache_file(path: FilePath, flags: CachedFlags, key: str) -> None:
    """Replaces the file atomically, so readers and crashes see the old file or the new one.

    If the path is a symbolic link, the file at its end is replaced.
    """
    _require_regular_file(path)
    document = {
        **flags.flag_set.document(),
        "keyHash": _hash_of_key(key),
        "currentAt": round(flags.current_at * 1_000),
    }
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp makes the file readable for its owner only; rules may contain personal data.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(document, separators=(",", ":")))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def parse_local_flags(flags: Mapping[str, Any]) -> FlagSet:
    """A flag set of flags by key, each a value or a flag. Raises ValueError if one is malformed."""
    if not isinstance(flags, Mapping):
        raise ValueError("flags must be a mapping of flag keys to values or flags")
    problem = local_key_problem(flags)
    if problem is not None:
        raise ValueError(problem)
    number = find_inexact_value(flags)
    if number is not None:
        raise ValueError(f"flags: {number}")
    flag_set = FlagSet(
        id="",
        revision=None,
        environment="",
        flags={key: _to_flag(key, each) for key, each in flags.items()},
        segments={},
    )
    problems = compile(flag_set.document()).problems
    if problems:
        raise ValueError("; ".join(map(str, problems)))
    return flag_set


def _to_flag(key: str, flag_or_value: object) -> object:
    """An object with the field `enabled` is a flag. Anything else is the flag's value."""
    if isinstance(flag_or_value, dict):
        problem = local_flag_problem(flag_or_value)
        if problem is not None:
            raise ValueError(f'flag "{key}": {problem}')
        if "enabled" in flag_or_value:
            return expand_short_form(flag_or_value)
    if isinstance(flag_or_value, bool):
        variant = "on" if flag_or_value else "off"
        variants = {"on": True, "off": False}
        return {**_flag_with("boolean", variants), "defaultVariant": variant}
    for flag_type, python_type in _TYPES.items():
        if isinstance(flag_or_value, python_type):
            return _flag_with(flag_type, {"value": flag_or_value})
    raise ValueError(
        f'flag "{key}": must be a flag, or its value: a boolean, a string, a number or an object'
    )


_TYPES = {"string": str, "number": int | float, "object": dict}


def _flag_with(flag_type: str, variants: dict[str, Any]) -> dict[str, Any]:
    return {"type": flag_type, "enabled": True, "variants": variants, "defaultVariant": "value"}

"""The answers of an evaluation: served, not served, or failed. Nothing else exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .values import JsonValue

ServedReason: TypeAlias = Literal["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT"]
NotServedReason: TypeAlias = Literal["DEFAULT", "DISABLED"]
ErrorCode: TypeAlias = Literal["FLAG_NOT_FOUND", "PARSE_ERROR", "TARGETING_KEY_MISSING"]
Metadata: TypeAlias = Mapping[str, bool | int | float | str]


@dataclass(frozen=True, slots=True)
class Served:
    """A variant was served. One answer is shared by many evaluations: never change its value."""

    flag_key: str
    enabled: bool
    reason: ServedReason
    variant: str
    value: JsonValue
    rule_id: str | None = None
    metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class NotServed:
    """No variant: disabled, or the default variant is null. The caller's default value applies."""

    flag_key: str
    reason: NotServedReason
    metadata: Metadata | None = None
    enabled: Literal[False] = False


@dataclass(frozen=True, slots=True)
class Failed:
    """The flag could not be decided. The caller's default value applies."""

    flag_key: str
    error_code: ErrorCode
    error_message: str
    reason: Literal["ERROR"] = "ERROR"
    enabled: Literal[False] = False


Evaluation: TypeAlias = Served | NotServed | Failed

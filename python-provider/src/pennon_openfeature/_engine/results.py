"""Results of an evaluation: served, not served or failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .format import quote
from .problems import Problem
from .values import JsonValue

ServedReason: TypeAlias = Literal["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT"]
NotServedReason: TypeAlias = Literal["DEFAULT", "DISABLED"]
# Never the result of this engine: a provider reports it for a result of an earlier evaluation.
CachedReason: TypeAlias = Literal["CACHED"]
ErrorCode: TypeAlias = Literal[
    "FLAG_NOT_FOUND", "PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT"
]
Metadata: TypeAlias = Mapping[str, bool | int | float | str]


@dataclass(frozen=True, slots=True)
class Served:
    """A variant was served. Evaluations share one result, so its value must not be modified."""

    flag_key: str
    enabled: bool
    reason: ServedReason | CachedReason
    variant: str
    value: JsonValue
    rule_id: str | None = None
    metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class NotServed:
    """The flag is disabled, or it has no default variant. The caller's default value applies."""

    flag_key: str
    reason: NotServedReason | CachedReason
    metadata: Metadata | None = None
    enabled: Literal[False] = False


@dataclass(frozen=True, slots=True)
class Failed:
    """The flag could not be evaluated. The caller's default value applies."""

    flag_key: str
    error_code: ErrorCode
    error_message: str
    reason: Literal["ERROR"] = "ERROR"
    enabled: Literal[False] = False


Evaluation: TypeAlias = Served | NotServed | Failed


@dataclass(frozen=True, slots=True)
class FlagInfo:
    """What all results of one flag share."""

    key: str
    is_boolean: bool
    values: Mapping[str, JsonValue]
    seed: str
    metadata: Metadata | None

    def served(self, variant: str, reason: ServedReason, rule_id: str | None = None) -> Served:
        value = self.values.get(variant)
        enabled = value is True if self.is_boolean else True
        return Served(self.key, enabled, reason, variant, value, rule_id, self.metadata)

    def not_served(self, reason: NotServedReason) -> NotServed:
        return NotServed(self.key, reason, self.metadata)


def _name_of(flag_key: object) -> str:
    """Callers without types may pass what is not text."""
    if isinstance(flag_key, str):
        return quote(flag_key)
    return f"with a key of the type {type(flag_key).__name__}"


def not_found(flag_key: str) -> Failed:
    return Failed(flag_key, "FLAG_NOT_FOUND", f"there is no flag {_name_of(flag_key)}")


def malformed(problem: Problem) -> Failed:
    path = f"{problem.path}: " if problem.path else ""
    message = f"the flag {quote(problem.flag_key)} is malformed: {path}{problem.message}"
    return Failed(problem.flag_key, "PARSE_ERROR", message)


def too_much_work(flag_key: str) -> Failed:
    message = (
        f"the evaluation context is too large for the flag {quote(flag_key)}: "
        "shorten the texts and lists that its conditions read"
    )
    return Failed(flag_key, "INVALID_CONTEXT", message)


def targeting_key_missing(flag_key: str, bucket_by: str) -> Failed:
    message = (
        f"the flag {quote(flag_key)} needs the attribute {quote(bucket_by)} of the evaluation "
        "context as a non-empty string, a number or a boolean"
    )
    return Failed(flag_key, "TARGETING_KEY_MISSING", message)

"""Conversion of OpenFeature's evaluation contexts, and of results to its resolution details."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timezone
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, Reason

from ._engine import Evaluation, Failed, Served, copy_json
from ._measured import Experiment

_JSON_SCALARS: Final = frozenset([str, int, float, bool, type(None)])

MAX_CONTEXT_DEPTH = 20


def to_plain_context(context: EvaluationContext | None) -> dict[str, Any]:
    """The plain JSON object that the engine and the server read.

    It has the attributes, and the targeting key as the attribute `targetingKey`.
    """
    if context is None:
        return {}
    plain = to_plain_attributes(context.attributes)
    if context.targeting_key is not None:
        plain["targetingKey"] = context.targeting_key
    return plain


def to_plain_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with native values converted to JSON, or to None if JSON cannot represent them."""
    plain = dict(attributes)
    for name, value in plain.items():
        if type(value) not in _JSON_SCALARS:
            plain[name] = _to_plain_value(value, MAX_CONTEXT_DEPTH)
    return plain


def _to_plain_value(value: Any, depth_left: int) -> Any:
    if isinstance(value, date):
        return _to_iso_text(value)
    if not isinstance(value, Mapping | list | tuple | set | frozenset):
        return _plain_scalar(value)
    if depth_left == 0:
        return None
    if isinstance(value, Mapping):
        return {
            name: _to_plain_value(member, depth_left - 1)
            for name, member in value.items()
            if isinstance(name, str)
        }
    return [_to_plain_value(member, depth_left - 1) for member in value]


def _plain_scalar(value: Any) -> str | int | float | bool | None:
    """Converts members of enumerations and other subclasses to the plain type."""
    if type(value) in _JSON_SCALARS:
        return value  # type: ignore[no-any-return]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else None


def _to_iso_text(value: date) -> str | None:
    """The date in UTC with milliseconds. Naive dates are in UTC.

    Returns None if conversion to UTC leaves the range of years.
    """
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    try:
        utc = (
            moment.replace(tzinfo=timezone.utc)
            if moment.tzinfo is None
            else moment.astimezone(timezone.utc)
        )
    except (OverflowError, ValueError):
        return None
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The flag could not be evaluated here or by the server. The default value applies."""

    flag_key: str
    error_code: Literal["PROVIDER_NOT_READY", "INVALID_CONTEXT", "GENERAL"]
    error_message: str
    reason: Literal["ERROR"] = "ERROR"
    enabled: Literal[False] = False


EvaluationResult: TypeAlias = Evaluation | Unavailable

# `version` and `flagSetId`, by which telemetry identifies a flag.
FlagTelemetry: TypeAlias = Mapping[str, "bool | int | float | str"]


def flag_telemetry(version: object, environment: object) -> FlagTelemetry:
    telemetry: dict[str, bool | int | float | str] = {}
    if isinstance(version, int):
        telemetry["version"] = version
    if environment and isinstance(environment, str):
        telemetry["flagSetId"] = environment
    return telemetry


class ResultWithTelemetry(NamedTuple):
    """A result and the telemetry of its flag, both of one revision."""

    result: EvaluationResult
    telemetry: FlagTelemetry
    # To which the result is an exposure.
    experiments: tuple[Experiment, ...] = ()
    # Whether the server has evaluated, and so counted it.
    is_counted: bool = False

    def as_cached(self) -> ResultWithTelemetry:
        """The result of an earlier evaluation. Errors stay errors, so they are noticed."""
        if isinstance(self.result, Failed | Unavailable):
            return self._replace(is_counted=False)
        return self._replace(result=replace(self.result, reason="CACHED"), is_counted=False)


def no_flags(flag_key: str) -> ResultWithTelemetry:
    message = "there are no flags: the provider is not initialized, or has not received any yet"
    return ResultWithTelemetry(Unavailable(flag_key, "PROVIDER_NOT_READY", message), {})


ExpectedType: TypeAlias = Literal["boolean", "string", "integer", "float", "object"]

# Returned for a value of another type. Unlike None, it equals no value.
_MISMATCH: Final = object()


def to_resolution(
    evaluated: ResultWithTelemetry, default_value: Any, expected: ExpectedType
) -> FlagResolutionDetails[Any]:
    """The value if one of the expected type was served, otherwise the default value and why."""
    result = evaluated.result
    metadata = _metadata_of(evaluated)
    if isinstance(result, Failed | Unavailable):
        code = ErrorCode(result.error_code)
        return _failure(default_value, code, result.error_message, metadata)
    reason = Reason(result.reason)
    if not isinstance(result, Served):
        default = _default_float(default_value) if expected == "float" else default_value
        return FlagResolutionDetails(default, reason=reason, flag_metadata=metadata)
    value = _CONVERTERS[expected](result.value)
    if value is _MISMATCH:
        message = (
            f'flag "{result.flag_key}" is not of type {expected}: '
            f'its variant "{result.variant}" is {result.value!r:.100}'
        )
        # The application does not get the variant.
        metadata.pop("experiment", None)
        return _failure(default_value, ErrorCode.TYPE_MISMATCH, message, metadata)
    return FlagResolutionDetails(
        value, reason=reason, variant=result.variant, flag_metadata=metadata
    )


def _metadata_of(evaluated: ResultWithTelemetry) -> dict[str, Any]:
    """A new dictionary, because the application may modify it."""
    result = evaluated.result
    metadata = {**(getattr(result, "metadata", None) or {}), **evaluated.telemetry}
    if isinstance(result, Served) and result.rule_id is not None:
        metadata["ruleId"] = result.rule_id
    if evaluated.experiments:
        metadata["experiment"] = evaluated.experiments[0].key
    return metadata


def unexpected_failure(error: Exception, default_value: Any) -> FlagResolutionDetails[Any]:
    message = f"{type(error).__name__}: {error}"
    return _failure(default_value, ErrorCode.GENERAL, message, {})


def _failure(
    default_value: Any, code: ErrorCode, message: str, metadata: Mapping[str, Any]
) -> FlagResolutionDetails[Any]:
    # With the default value, because the SDK's asynchronous methods return this value as it is.
    return FlagResolutionDetails(
        default_value,
        reason=Reason.ERROR,
        error_code=code,
        error_message=message,
        flag_metadata=metadata,
    )


def _boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else _MISMATCH


def _string(value: Any) -> Any:
    return value if isinstance(value, str) else _MISMATCH


def _integer(value: Any) -> Any:
    if isinstance(value, bool):
        return _MISMATCH
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else _MISMATCH


def _float(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _MISMATCH
    return float(value)


def _object(value: Any) -> Any:
    # A copy, which the application may modify without affecting other evaluations.
    return copy_json(value) if isinstance(value, dict) else _MISMATCH


_CONVERTERS: Final[dict[ExpectedType, Callable[[Any], Any]]] = {
    "boolean": _boolean,
    "string": _string,
    "integer": _integer,
    "float": _float,
    "object": _object,
}


def _default_float(value: Any) -> Any:
    """The SDK rejects an int instead of a float, even if it is the caller's default value."""
    number = _float(value)
    return value if number is _MISMATCH else number

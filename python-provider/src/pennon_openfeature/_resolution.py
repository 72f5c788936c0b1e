"""Converts evaluation results to OpenFeature's resolution details of the requested type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, Reason

from ._engine import Failed, Served, copy_json
from ._evaluation_result import ResultWithTelemetry, Unavailable

RequestedType: TypeAlias = Literal["boolean", "string", "integer", "float", "object"]

# Returned for a value of another type. Unlike None, it equals no value.
_MISMATCH: Final = object()


def resolution(
    evaluated: ResultWithTelemetry, default_value: Any, requested: RequestedType
) -> FlagResolutionDetails[Any]:
    """The value if one of the requested type was served, otherwise the default value and why."""
    result, telemetry = evaluated
    # A new dictionary, because the application may modify it.
    metadata = {**(getattr(result, "metadata", None) or {}), **telemetry}
    if isinstance(result, Failed | Unavailable):
        code = ErrorCode(result.error_code)
        return _failure(default_value, code, result.error_message, metadata)
    if not isinstance(result, Served):
        default = _default_float(default_value) if requested == "float" else default_value
        return FlagResolutionDetails(default, reason=Reason(result.reason), flag_metadata=metadata)
    value = _CONVERTERS[requested](result.value)
    if value is _MISMATCH:
        message = (
            f'flag "{result.flag_key}" was requested as {requested}, '
            f'but its variant "{result.variant}" is {result.value!r:.100}'
        )
        return _failure(default_value, ErrorCode.TYPE_MISMATCH, message, metadata)
    return FlagResolutionDetails(
        value, reason=Reason(result.reason), variant=result.variant, flag_metadata=metadata
    )


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
    # A copy, so changes that the application makes do not reach other evaluations.
    return copy_json(value) if isinstance(value, dict) else _MISMATCH


_CONVERTERS: Final[dict[RequestedType, Callable[[Any], Any]]] = {
    "boolean": _boolean,
    "string": _string,
    "integer": _integer,
    "float": _float,
    "object": _object,
}


def _default_float(value: Any) -> Any:
    """The SDK rejects an int where a float is requested, even the caller's own default value."""
    number = _float(value)
    return value if number is _MISMATCH else number

"""An evaluation as OpenFeature's resolution details, of the type that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, Reason

from ._answer import Answer, Unavailable
from ._engine import Failed, Served, copied

Kind: TypeAlias = Literal["boolean", "string", "integer", "float", "object"]

# Tells "not of that type" from every value.
_NOT: Final = object()


def resolution(
    answer: Answer, default_value: Any, kind: Kind, metadata: Mapping[str, Any]
) -> FlagResolutionDetails[Any]:
    """The value where one of that type was served, else the default value and why."""
    if isinstance(answer, Failed | Unavailable):
        code = ErrorCode(answer.error_code)
        return failure(default_value, code, answer.error_message, metadata)
    if not isinstance(answer, Served):
        default = _DEFAULTS.get(kind, _same)(default_value)
        return FlagResolutionDetails(default, reason=Reason(answer.reason), flag_metadata=metadata)
    value = _TYPED[kind](answer.value)
    if value is _NOT:
        message = (
            f'flag "{answer.flag_key}" was asked for as {kind}, '
            f'but its variant "{answer.variant}" is {answer.value!r:.100}'
        )
        return failure(default_value, ErrorCode.TYPE_MISMATCH, message, metadata)
    return FlagResolutionDetails(
        value,
        reason=Reason(answer.reason),
        variant=answer.variant,
        flag_metadata=metadata,
    )


def failure(
    default_value: Any, code: ErrorCode, message: str, metadata: Mapping[str, Any]
) -> FlagResolutionDetails[Any]:
    # The default value, always: on the asynchronous path the SDK hands on what stands here.
    return FlagResolutionDetails(
        default_value,
        reason=Reason.ERROR,
        error_code=code,
        error_message=message,
        flag_metadata=metadata,
    )


def _same(value: Any) -> Any:
    return value


def _boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else _NOT


def _string(value: Any) -> Any:
    return value if isinstance(value, str) else _NOT


def _integer(value: Any) -> Any:
    if isinstance(value, bool):
        return _NOT
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else _NOT


def _float(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _NOT
    return float(value)


def _object(value: Any) -> Any:
    # A copy: what the application does to it must not reach other evaluations.
    return copied(value) if isinstance(value, dict) else _NOT


_TYPED: Final[dict[Kind, Callable[[Any], Any]]] = {
    "boolean": _boolean,
    "string": _string,
    "integer": _integer,
    "float": _float,
    "object": _object,
}


def _default_float(value: Any) -> Any:
    """The SDK refuses an int where a float is asked, even as the caller's own default."""
    number = _float(value)
    return value if number is _NOT else number


_DEFAULTS: Final[dict[Kind, Callable[[Any], Any]]] = {"float": _default_float}

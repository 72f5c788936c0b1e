"""The result of an evaluation in a provider: the engine's, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from ._engine import Evaluation


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


class ResultWithTelemetry(NamedTuple):
    """A result and the telemetry of its flag, both of one revision."""

    result: EvaluationResult
    telemetry: FlagTelemetry


def no_flags(flag_key: str) -> ResultWithTelemetry:
    message = "no flags available: the provider is not initialized or has not received any yet"
    return ResultWithTelemetry(Unavailable(flag_key, "PROVIDER_NOT_READY", message), {})

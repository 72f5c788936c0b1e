"""OpenFeature's ten resolver methods, over one synchronous and one asynchronous method."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import AbstractProvider

from ._resolution import (
    ExpectedType,
    ResultWithTelemetry,
    to_plain_context,
    to_resolution,
    unexpected_failure,
)

ObjectValue = Sequence[FlagValueType] | Mapping[str, FlagValueType]


class Resolvers(AbstractProvider):
    """Converts between OpenFeature's types and evaluations. Resolving never raises."""

    @abstractmethod
    def _evaluate(self, flag_key: str, context: dict[str, Any]) -> ResultWithTelemetry: ...

    @abstractmethod
    async def _evaluate_async(
        self, flag_key: str, context: dict[str, Any]
    ) -> ResultWithTelemetry: ...

    @abstractmethod
    def _report(
        self,
        evaluated: ResultWithTelemetry,
        context: dict[str, Any],
        details: FlagResolutionDetails[Any],
    ) -> None:
        """Called for each result that the application gets."""

    def _resolve(
        self,
        flag_key: str,
        default_value: Any,
        context: EvaluationContext | None,
        expected: ExpectedType,
    ) -> FlagResolutionDetails[Any]:
        try:
            plain = to_plain_context(context)
            evaluated = self._evaluate(flag_key, plain)
            details = to_resolution(evaluated, default_value, expected)
            self._report(evaluated, plain, details)
        except Exception as error:  # noqa: BLE001 - an evaluation must not fail the application
            return unexpected_failure(error, default_value)
        else:
            return details

    async def _resolve_async(
        self,
        flag_key: str,
        default_value: Any,
        context: EvaluationContext | None,
        expected: ExpectedType,
    ) -> FlagResolutionDetails[Any]:
        try:
            plain = to_plain_context(context)
            evaluated = await self._evaluate_async(flag_key, plain)
            details = to_resolution(evaluated, default_value, expected)
            self._report(evaluated, plain, details)
        except Exception as error:  # noqa: BLE001 - as above
            return unexpected_failure(error, default_value)
        else:
            return details

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        return self._resolve(flag_key, default_value, evaluation_context, "boolean")

    async def resolve_boolean_details_async(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        return await self._resolve_async(flag_key, default_value, evaluation_context, "boolean")

    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        return self._resolve(flag_key, default_value, evaluation_context, "string")

    async def resolve_string_details_async(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        return await self._resolve_async(flag_key, default_value, evaluation_context, "string")

    def resolve_integer_details(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[int]:
        return self._resolve(flag_key, default_value, evaluation_context, "integer")

    async def resolve_integer_details_async(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[int]:
        return await self._resolve_async(flag_key, default_value, evaluation_context, "integer")

    def resolve_float_details(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[float]:
        return self._resolve(flag_key, default_value, evaluation_context, "float")

    async def resolve_float_details_async(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[float]:
        return await self._resolve_async(flag_key, default_value, evaluation_context, "float")

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: ObjectValue,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[ObjectValue]:
        return self._resolve(flag_key, default_value, evaluation_context, "object")

    async def resolve_object_details_async(
        self,
        flag_key: str,
        default_value: ObjectValue,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[ObjectValue]:
        return await self._resolve_async(flag_key, default_value, evaluation_context, "object")

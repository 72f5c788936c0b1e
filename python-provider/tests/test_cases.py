"""The shared cases in packages/spec/cases, which every engine must pass."""

from __future__ import annotations

from typing import Any

import pytest
from json_forms import evaluation_json, problem_json, same_json
from openfeature.evaluation_context import EvaluationContext
from repository import CASES, shared_cases

from pennon_openfeature import PennonProvider
from pennon_openfeature._engine import compile, evaluate  # noqa: A004
from pennon_openfeature._flag_set import read_flag_set
from pennon_openfeature._flag_snapshot import FlagSnapshot
from pennon_openfeature._resolution import ResultWithTelemetry

SHARED_CASES = shared_cases()


def is_resolvable(case: dict[str, Any]) -> bool:
    """Whether a provider would use the flag set, and an application could pass the context."""
    compiled = compile(case["flagSet"])
    has_segments = all(problem.path != "segments" for problem in compiled.problems)
    return not compiled.refused and has_segments and isinstance(case["context"], dict)


RESOLVABLE = [case for case in SHARED_CASES if is_resolvable(case)]
DEFAULT = "the default value"


class LoadedProvider(PennonProvider):
    """A provider that has flags already."""

    def __init__(self, flags: FlagSnapshot) -> None:
        super().__init__(url="http://127.0.0.1:2", key="none")
        self._flags = flags

    def _evaluate(self, flag_key: str, context: dict[str, Any]) -> ResultWithTelemetry:
        return self._flags.evaluate_with_telemetry(flag_key, context)


def test_there_are_shared_cases() -> None:
    assert SHARED_CASES, f"there are no cases in {CASES}"


def test_the_names_of_cases_are_unique() -> None:
    assert len({case["name"] for case in SHARED_CASES}) == len(SHARED_CASES)


@pytest.mark.parametrize("case", SHARED_CASES, ids=lambda case: case["name"])
def test_the_engine_agrees_that(case: dict[str, Any]) -> None:
    compiled = compile(case["flagSet"])
    result = evaluation_json(evaluate(compiled, case["flagKey"], case["context"]))
    message = result.pop("errorMessage", "")
    assert same_json(result, case["expected"]), result
    for text in case.get("mentions", []):
        assert text in message
    if "problems" in case:
        assert _sorted(map(problem_json, compiled.problems)) == _sorted(case["problems"])


@pytest.mark.parametrize("case", RESOLVABLE, ids=lambda case: case["name"])
def test_the_resolvers_of_the_provider_agree_that(case: dict[str, Any]) -> None:
    document = {"segments": {}, **_without_nulls(case["flagSet"])}
    flag_set = read_flag_set({**document, "id": "x", "revision": 1, "environment": ""})
    provider = LoadedProvider(FlagSnapshot(flag_set))
    expected = case["expected"]
    resolve = getattr(provider, f"resolve_{_kind_of(expected.get('value'))}_details")
    details = resolve(case["flagKey"], DEFAULT, EvaluationContext(None, case["context"]))
    assert same_json(details.value, expected.get("value", DEFAULT))
    assert (details.reason, details.variant) == (expected["reason"], expected.get("variant"))
    assert details.error_code == expected.get("errorCode")


def _sorted(problems: Any) -> list[tuple[str, str]]:
    return sorted((problem["flagKey"], problem["path"]) for problem in problems)


def _without_nulls(flag_set: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flag_set.items() if value is not None}


def _kind_of(value: object) -> str:
    kinds = {bool: "boolean", str: "string", int: "float", float: "float", dict: "object"}
    return kinds.get(type(value), "boolean")

"""The cases that every engine runs: packages/spec/cases is the contract."""

from __future__ import annotations

from typing import Any

import pytest
from repository import CASES, shared_cases
from wire import answer_json, problem_json, same_json

from pennon_openfeature._engine import compile, evaluate  # noqa: A004

SHARED_CASES = shared_cases()


def test_there_are_cases_to_run() -> None:
    assert SHARED_CASES, f"no case was found in {CASES}"


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case["name"] for case in SHARED_CASES}) == len(SHARED_CASES)


@pytest.mark.parametrize("case", SHARED_CASES, ids=lambda case: case["name"])
def test_the_engine_agrees_that(case: dict[str, Any]) -> None:
    compiled = compile(case["flagSet"])
    answer = answer_json(evaluate(compiled, case["flagKey"], case["context"]))
    message = answer.pop("errorMessage", "")
    assert same_json(answer, case["expected"]), answer
    for text in case.get("mentions", []):
        assert text in message
    if "problems" in case:
        assert _sorted(map(problem_json, compiled.problems)) == _sorted(case["problems"])


def _sorted(problems: Any) -> list[tuple[str, str]]:
    return sorted((problem["flagKey"], problem["path"]) for problem in problems)

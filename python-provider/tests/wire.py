"""The engine's answers and problems as they are written in JSON, in cases and between engines."""

from __future__ import annotations

from typing import Any

from pennon_openfeature._engine import Evaluation, Failed, Problem, Served


def answer_json(answer: Evaluation) -> dict[str, Any]:
    written: dict[str, Any] = {
        "flagKey": answer.flag_key,
        "enabled": answer.enabled,
        "reason": answer.reason,
    }
    if isinstance(answer, Failed):
        return {**written, "errorCode": answer.error_code, "errorMessage": answer.error_message}
    if isinstance(answer, Served):
        written |= {"variant": answer.variant, "value": answer.value}
        if answer.rule_id is not None:
            written["ruleId"] = answer.rule_id
    if answer.metadata is not None:
        written["metadata"] = dict(answer.metadata)
    return written


def problem_json(problem: Problem) -> dict[str, str]:
    return {"flagKey": problem.flag_key, "path": problem.path}


def same_json(one: object, other: object) -> bool:
    """Whether two values are the same JSON: 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        # A number in JSON means the double nearest to it.
        return float(one) == float(other)
    return one == other

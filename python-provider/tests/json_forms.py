"""The JSON forms of results and problems, as in the shared cases."""

from __future__ import annotations

from typing import Any

from pennon_openfeature._engine import Evaluation, Failed, Problem, Served


def evaluation_json(result: Evaluation) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "flagKey": result.flag_key,
        "enabled": result.enabled,
        "reason": result.reason,
    }
    if isinstance(result, Failed):
        return {**fields, "errorCode": result.error_code, "errorMessage": result.error_message}
    if isinstance(result, Served):
        fields |= {"variant": result.variant, "value": result.value}
        if result.rule_id is not None:
            fields["ruleId"] = result.rule_id
    if result.metadata is not None:
        fields["metadata"] = dict(result.metadata)
    return fields


def problem_json(problem: Problem) -> dict[str, str]:
    return {"flagKey": problem.flag_key, "path": problem.path, "message": problem.message}


def same_json(one: object, other: object) -> bool:
    """Whether two values are the same JSON: 1 equals 1.0, but not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        # Numbers in JSON are doubles.
        return float(one) == float(other)
    return one == other

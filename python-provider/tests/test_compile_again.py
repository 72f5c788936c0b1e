"""Compiling a changed flag set with the previous one."""

from __future__ import annotations

from typing import Any

from json_forms import evaluation_json

from pennon_openfeature._engine import compile, evaluate  # noqa: A004


def flag(*conditions: Any) -> dict[str, Any]:
    return {
        "type": "boolean",
        "enabled": True,
        "variants": {"on": True, "off": False},
        "defaultVariant": "off",
        "rules": [{"id": "r", "conditions": list(conditions), "variant": "on"}],
    }


PRO = {"conditions": [{"attribute": "plan", "operator": "equals", "value": "pro"}]}
TEAM = {"conditions": [{"attribute": "plan", "operator": "equals", "value": "team"}]}


def test_an_unchanged_flag_is_not_compiled_again() -> None:
    unchanged = flag()
    first = compile({"flags": {"a": unchanged, "b": flag()}})
    second = compile({"flags": {"a": unchanged, "b": flag()}}, first)
    assert second.flags["a"] is first.flags["a"]
    assert second.flags["b"] is not first.flags["b"]


def test_a_flag_is_compiled_again_if_a_segment_that_it_refers_to_changes() -> None:
    flags = {"a": flag({"segment": "payers"})}
    first = compile({"flags": flags, "segments": {"payers": PRO}})
    second = compile({"flags": flags, "segments": {"payers": TEAM}}, first)
    third = compile({"flags": flags, "segments": {}}, second)
    results = [evaluate(each, "a", {"plan": "team"}) for each in (first, second, third)]
    assert [result.reason for result in results] == ["DEFAULT", "TARGETING_MATCH", "ERROR"]


def test_a_flag_with_a_missing_segment_becomes_valid_when_the_segment_is_added() -> None:
    flags = {"a": flag({"segment": "payers"})}
    first = compile({"flags": flags, "segments": {}})
    second = compile({"flags": flags, "segments": {"payers": PRO}}, first)
    assert evaluate(second, "a", {"plan": "pro"}).reason == "TARGETING_MATCH"


def test_a_flag_in_a_cycle_becomes_valid_when_another_flag_breaks_the_cycle() -> None:
    a = flag({"flag": "b", "variants": ["on"]})
    first = compile({"flags": {"a": a, "b": flag({"flag": "a", "variants": ["on"]})}})
    second = compile({"flags": {"a": a, "b": flag()}}, first)
    assert evaluate(first, "a", {}).reason == "ERROR"
    assert evaluation_json(evaluate(second, "a", {}))["value"] is True

"""The engine and the generator of flags support every operator and every field of the schema.

`packages/spec/operators.json` and `fields.json` are generated from the schema, so a new operator
or field fails here until Python supports it.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from generated import OPERANDS, evaluation_request
from repository import read_spec, shared_cases

from pennon_openfeature._engine import Served, compile, evaluate  # noqa: A004
from pennon_openfeature._engine.conditions import KINDS
from pennon_openfeature._engine.flags import FLAG_FIELDS
from pennon_openfeature._engine.operators import OPERATORS, OperandError
from pennon_openfeature._engine.rules import RULE_FIELDS, SPLIT_FIELDS
from pennon_openfeature._engine.segments import SEGMENT_FIELDS
from pennon_openfeature._flag_file import parse_local_flags

OPERATOR_TRAITS: dict[str, dict[str, Any]] = read_spec("operators.json")
FIELDS: dict[str, Any] = read_spec("fields.json")

VALID_OPERANDS: dict[str, Any] = {
    "scalar": "a",
    "list": ["a"],
    "string": "a",
    "number": 1,
    "none": True,
    "date": "2026-01-31T12:00:00Z",
    "semver": "1.2.3",
    "network": "10.0.0.0/8",
    "pattern": "a",
}
# Invalid for every field that the engine reads.
INVALID = 5

FLAG: dict[str, Any] = {
    "type": "boolean",
    "enabled": True,
    "variants": {"on": True, "off": False},
    "defaultVariant": "off",
}


def holds(condition: dict[str, Any], context: dict[str, Any]) -> bool:
    rule = {"id": "r", "conditions": [condition], "variant": "on"}
    result = evaluate(compile({"flags": {"f": {**FLAG, "rules": [rule]}}}), "f", context)
    assert isinstance(result, Served), result
    return result.variant == "on"


def problem_paths(flag_set: dict[str, Any]) -> set[str]:
    return {problem.path for problem in compile(flag_set).problems}


def test_the_engine_has_the_operators_of_the_schema() -> None:
    assert list(OPERATORS) == list(OPERATOR_TRAITS)


@pytest.mark.parametrize("operator", OPERATOR_TRAITS)
def test_the_engine_has_the_traits_of_the_operator(operator: str) -> None:
    traits = OPERATOR_TRAITS[operator]
    operand = VALID_OPERANDS[traits["operand"]]
    condition = {"attribute": "missing", "operator": operator}
    assert holds({**condition, "value": operand}, {}) == traits["holdsIfMissing"]
    assert is_valid(operator, None) == traits["isOperandOptional"]


@pytest.mark.parametrize(
    "operator",
    [name for name, traits in OPERATOR_TRAITS.items() if traits["neverHoldsForEmptyList"]],
)
def test_the_operator_never_holds_with_an_empty_list_as_operand(operator: str) -> None:
    condition = {"attribute": "a", "operator": operator, "value": []}
    assert not any(holds(condition, {"a": value}) for value in VALID_OPERANDS.values())


def is_valid(operator: str, operand: object) -> bool:
    try:
        OPERATORS[operator].prepare(operand)
    except OperandError:
        return False
    return True


def test_rules_splits_and_conditions_have_the_fields_of_the_schema() -> None:
    assert list(RULE_FIELDS) == FIELDS["rule"]
    assert list(SPLIT_FIELDS) == FIELDS["splitEntry"]
    assert {kind: list(fields) for kind, (fields, _) in KINDS.items()} == FIELDS["condition"]


@pytest.mark.parametrize("field", FIELDS["flag"]["evaluated"])
def test_the_engine_reads_the_evaluated_field_of_a_flag(field: str) -> None:
    assert field in problem_paths({"flags": {"f": {**FLAG, field: INVALID}}})


@pytest.mark.parametrize("field", FIELDS["segment"]["evaluated"])
def test_the_engine_reads_the_evaluated_field_of_a_segment(field: str) -> None:
    exists = {"attribute": "a", "operator": "exists"}
    segment = {"conditions": [exists], field: INVALID}
    rule = {"id": "r", "conditions": [{"segment": "s"}], "variant": "on"}
    flag_set = {"flags": {"f": {**FLAG, "rules": [rule]}}, "segments": {"s": segment}}
    (problem,) = compile(flag_set).problems
    assert f"malformed: {field}: " in problem.message


def test_the_difference_of_flag_sets_considers_the_fields_that_results_depend_on() -> None:
    for kind, fields in {"flag": FLAG_FIELDS, "segment": SEGMENT_FIELDS}.items():
        assert {*fields, "version"} == {*FIELDS[kind]["sent"]}


def test_all_fields_of_a_flag_are_fields_of_local_flags() -> None:
    flag = {**FLAG, **dict.fromkeys(FIELDS["flag"]["descriptive"])}
    managed = dict.fromkeys(FIELDS["flag"]["serverManaged"])
    parse_local_flags({"f": {**flag, **managed, "requires": []}})


@pytest.mark.parametrize("kind", ["flag", "segment"])
def test_the_engine_ignores_other_fields(kind: str) -> None:
    fields = FIELDS[kind]
    ignored = {*fields["descriptive"], *fields["serverManaged"]} - {*fields["evaluated"]}
    extra = dict.fromkeys(ignored, INVALID)
    exists = {"attribute": "a", "operator": "exists"}
    segments = {"s": {"conditions": [exists], **extra}}
    rule = {"id": "r", "conditions": [{"segment": "s"}], "variant": "on"}
    assert problem_paths({"flags": {"f": {**FLAG, **extra}}}) == set()
    flag_set = {"flags": {"f": {**FLAG, "rules": [rule]}}, "segments": segments}
    assert problem_paths(flag_set) == set()


def test_every_operator_and_evaluated_field_is_generated() -> None:
    random = Random(20_260_131)
    text = json.dumps([evaluation_request(random)["flagSet"] for _ in range(500)])
    fields = {*FIELDS["flag"]["evaluated"], *FIELDS["rule"], *FIELDS["splitEntry"]}
    fields.update(*FIELDS["condition"].values())
    assert OPERANDS.keys() == OPERATORS.keys()
    assert {name for name in {*OPERANDS, *fields} if f'"{name}"' not in text} == set()


@pytest.mark.parametrize("operator", OPERATOR_TRAITS)
def test_the_operator_has_shared_cases(operator: str) -> None:
    text = json.dumps(shared_cases())
    assert text.count(f'"operator": "{operator}"') >= 2

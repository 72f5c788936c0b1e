"""Conditions, compiled to functions that return whether they hold for a context."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from .attributes import Attributes, attribute_reader, is_plain_name
from .format import MISSING, code_span, describe, join_quoted, quote
from .operators import (
    OPERATORS,
    OperandError,
    OperatorEntry,
    ValueTest,
    any_passes,
    prepare_pattern,
)
from .problems import Location, report_unknown_fields
from .work import LONG_TEXT

MAX_GROUP_DEPTH = 5


class OtherFlags(Protocol):
    """The other flags of the set within one evaluation, each evaluated at most once."""

    def variant_of(self, flag_key: str, context: Attributes) -> str | None: ...


Predicate: TypeAlias = Callable[[Attributes, OtherFlags], bool]


@dataclass(frozen=True, slots=True)
class CompiledSegment:
    # The definition that it was compiled from.
    definition: object
    holds: Predicate
    # The first problem of a malformed segment.
    problem: str | None = None
    # The size of its regular expressions.
    pattern_size: int = 0


@dataclass(slots=True)
class ConditionScope:
    """What conditions may refer to, and the references that have been found in them."""

    segments: Mapping[str, CompiledSegment]
    is_segment: bool = False
    flag_references: set[str] = field(default_factory=set)
    segment_references: set[str] = field(default_factory=set)
    # The size of all patterns of the flag or segment.
    pattern_size: int = 0


Compile: TypeAlias = Callable[[Location, dict[str, Any], ConditionScope, int], Predicate]


def always(_context: Attributes, _others: OtherFlags) -> bool:
    return True


def never(_context: Attributes, _others: OtherFlags) -> bool:
    return False


def compile_conditions(
    location: Location, definitions: list[object], scope: ConditionScope, depth: int
) -> Predicate:
    """A condition that holds if all of the list do. Malformed ones are reported."""
    return all_of(
        [
            _compile_condition(location.below(index), definition, scope, depth)
            for index, definition in enumerate(definitions)
        ]
    )


def _compile_condition(
    location: Location, definition: object, scope: ConditionScope, depth: int
) -> Predicate:
    if not isinstance(definition, dict):
        location.report(f"must be a condition, but is {describe(definition)}")
        return never
    kinds = [kind for kind in KINDS if kind in definition]
    if len(kinds) != 1:
        location.report(f"must have exactly one of the fields {join_quoted(KINDS)}")
        return never
    if scope.is_segment and kinds[0] in ("flag", "segment"):
        location.report(
            "must be an attribute condition or a group: segments cannot refer to others"
        )
        return never
    fields, compile_kind = KINDS[kinds[0]]
    report_unknown_fields(location, definition, fields, "this kind of condition")
    is_negated = _is_negated(location, definition)
    condition = compile_kind(location, definition, scope, depth)
    return opposite(condition) if is_negated else condition


def _is_negated(location: Location, definition: dict[str, Any]) -> bool:
    negated = definition.get("not")
    if negated is not None and not isinstance(negated, bool):
        location.below("not").report(f"must be true or false, but is {describe(negated)}")
    return negated is True


def _compile_attribute(
    location: Location, definition: dict[str, Any], scope: ConditionScope, _depth: int
) -> Predicate:
    name = definition["attribute"]
    if not isinstance(name, str) or not name:
        location.below("attribute").report(
            f"must be the name of an attribute, but is {describe(name)}"
        )
        name = None
    key = definition.get("operator", MISSING)
    operator = OPERATORS.get(key) if isinstance(key, str) else None
    if operator is None:
        location.below("operator").report(
            f"must be one of {', '.join(OPERATORS)}, but is {describe(key)}"
        )
        return never
    try:
        operand = definition.get("value", MISSING)
        if operator.is_pattern:
            test = prepare_pattern(operand, scope.pattern_size)
        else:
            test = operator.prepare(operand)
    except OperandError as error:
        location.below("value").report(f"the operand of {code_span(str(key))} {error}")
        return never
    if name is None:
        return never
    if operator.tests_presence:
        return _whole_value(name, test)
    condition = _any_element(name, test, operator)
    return opposite(condition) if operator.is_negated else condition


def _whole_value(name: str, test: ValueTest) -> Predicate:
    read = attribute_reader(name)
    return lambda context, _others: test(read(context))


def _any_element(name: str, test: ValueTest, entry: OperatorEntry) -> Predicate:
    if not is_plain_name(name):
        read = attribute_reader(name)
        return lambda context, _others: any_passes(read(context), test, entry)

    # The same with an inlined lookup, because most conditions are of this kind.
    def holds(context: Attributes, _others: OtherFlags) -> bool:
        value = context.get(name)
        is_short = type(value) is str and len(value) <= LONG_TEXT // 2
        return test(value) if is_short else any_passes(value, test, entry)

    return holds


def _compile_segment_reference(
    location: Location, definition: dict[str, Any], scope: ConditionScope, _depth: int
) -> Predicate:
    location = location.below("segment")
    key = definition["segment"]
    if not isinstance(key, str):
        location.report(f"must be the key of a segment, but is {describe(key)}")
        return never
    scope.segment_references.add(key)
    segment = scope.segments.get(key)
    if segment is None:
        location.report(f"there is no segment {quote(key)}: create it, or use another one")
        return never
    if segment.problem:
        location.report(f"the segment {quote(key)} is malformed: {segment.problem}")
    return segment.holds


def _compile_flag_reference(
    location: Location, definition: dict[str, Any], scope: ConditionScope, _depth: int
) -> Predicate:
    key = definition["flag"]
    if not isinstance(key, str):
        location.below("flag").report(f"must be the key of a flag, but is {describe(key)}")
    else:
        scope.flag_references.add(key)
    variants = _read_variants(location.below("variants"), definition.get("variants"))
    return lambda context, others: others.variant_of(key, context) in variants


def _read_variants(location: Location, names: object) -> frozenset[str]:
    is_valid = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if isinstance(names, list) and is_valid and 0 < len(names) == len(set(names)):
        return frozenset(names)
    location.report("must be a non-empty list of different variant names")
    return frozenset()


def _compile_any(
    location: Location, definition: dict[str, Any], scope: ConditionScope, depth: int
) -> Predicate:
    return any_of(_compile_members(location.below("any"), definition["any"], scope, depth))


def _compile_all(
    location: Location, definition: dict[str, Any], scope: ConditionScope, depth: int
) -> Predicate:
    return all_of(_compile_members(location.below("all"), definition["all"], scope, depth))


def _compile_members(
    location: Location, members: object, scope: ConditionScope, depth: int
) -> list[Predicate]:
    if not isinstance(members, list) or not members:
        location.report(f"must be a non-empty list of conditions, but is {describe(members)}")
        return []
    # Checked before the members are compiled, so no definition can overflow the stack.
    if depth >= MAX_GROUP_DEPTH:
        location.report(f"groups must not nest more than {MAX_GROUP_DEPTH} deep")
        return []
    return [
        _compile_condition(location.below(index), member, scope, depth + 1)
        for index, member in enumerate(members)
    ]


# The fields of each kind of condition. The field with the name of the kind identifies it.
KINDS: dict[str, tuple[tuple[str, ...], Compile]] = {
    "attribute": (("attribute", "operator", "value", "not"), _compile_attribute),
    "segment": (("segment", "not"), _compile_segment_reference),
    "flag": (("flag", "variants", "not"), _compile_flag_reference),
    "any": (("any", "not"), _compile_any),
    "all": (("all", "not"), _compile_all),
}


def opposite(condition: Predicate) -> Predicate:
    return lambda context, others: not condition(context, others)


def all_of(conditions: list[Predicate]) -> Predicate:
    """Holds if every condition does, so always without conditions."""
    if len(conditions) < 2:
        return conditions[0] if conditions else always
    first, *rest = conditions

    def holds(context: Attributes, others: OtherFlags) -> bool:
        if not first(context, others):
            return False
        for condition in rest:  # noqa: SIM110 - a generator costs more than the conditions
            if not condition(context, others):
                return False
        return True

    return holds


def any_of(conditions: list[Predicate]) -> Predicate:
    """Holds if at least one condition does."""
    if len(conditions) < 2:
        return conditions[0] if conditions else never

    def holds(context: Attributes, others: OtherFlags) -> bool:
        for condition in conditions:  # noqa: SIM110 - a generator costs more than the conditions
            if condition(context, others):
                return True
        return False

    return holds

"""Conditions: each is parsed once into a function that says whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from .attributes import Context, is_own_name, reader
from .operators import OPERATORS, OperandError, Test
from .problems import Place, quoted, refuse_unknown_fields
from .values import described

DEEPEST_GROUP = 5


class Run(Protocol):
    """One evaluation, which decides each flag that a condition names at most once."""

    def variant_of(self, flag_key: str, context: Context) -> str | None: ...


Condition: TypeAlias = Callable[[Context, Run], bool]


@dataclass(frozen=True, slots=True)
class Segment:
    """Shared conditions; `trouble` says why a broken one cannot be used."""

    holds: Condition
    trouble: str | None = None


@dataclass(slots=True)
class Scope:
    """What conditions may name, and what was named: flags and segments to depend on."""

    segments: Mapping[str, Segment]
    within_segment: bool = False
    flags_named: set[str] = field(default_factory=set)
    segments_named: set[str] = field(default_factory=set)


Parse: TypeAlias = Callable[[Place, dict[str, Any], Scope, int], Condition]


def always(_context: Context, _run: Run) -> bool:
    return True


def never(_context: Context, _run: Run) -> bool:
    return False


def parse_conditions(
    place: Place, definitions: list[object], scope: Scope, depth: int
) -> Condition:
    """All of a list of conditions. A malformed one is reported, and never holds."""
    return all_of(
        [
            _parse_condition(place.at(index), definition, scope, depth)
            for index, definition in enumerate(definitions)
        ]
    )


def _parse_condition(place: Place, definition: object, scope: Scope, depth: int) -> Condition:
    if not isinstance(definition, dict):
        place.problem(f"must be a condition; it is {described(definition)}")
        return never
    kinds = [kind for kind in KINDS if kind in definition]
    if len(kinds) != 1:
        place.problem(f"must have exactly one of {quoted(KINDS)}; it has {quoted(kinds) or 'none'}")
        return never
    if scope.within_segment and kinds[0] in ("flag", "segment"):
        place.problem("may not stand in a segment; a segment holds attribute conditions and groups")
        return never
    fields, parse = KINDS[kinds[0]]
    refuse_unknown_fields(place, definition, fields)
    condition = parse(place, definition, scope, depth)
    return opposite(condition) if _is_negated(place, definition) else condition


def _is_negated(place: Place, definition: dict[str, Any]) -> bool:
    negated = definition.get("not")
    if negated is not None and not isinstance(negated, bool):
        place.at("not").problem(f"must be true or false; it is {described(negated)}")
    return negated is True


def _parse_attribute(
    place: Place, definition: dict[str, Any], _scope: Scope, _depth: int
) -> Condition:
    name = definition["attribute"]
    if not isinstance(name, str) or not name:
        place.at("attribute").problem("must be the name of an attribute")
        name = None
    operator = definition.get("operator")
    known = OPERATORS.get(operator) if isinstance(operator, str) else None
    if known is None:
        place.at("operator").problem(
            f"must be one of {quoted(OPERATORS)}; it is {described(operator)}"
        )
        return never
    try:
        test = known.prepare(definition.get("value"))
    except OperandError as error:
        place.at("value").problem(str(error))
        return never
    if name is None:
        return never
    condition = (_whole_value if known.whole_list else _any_element)(name, test)
    return opposite(condition) if known.opposite else condition


def _whole_value(name: str, test: Test) -> Condition:
    read = reader(name)
    return lambda context, _run: test(read(context))


def _any_element(name: str, test: Test) -> Condition:
    if not is_own_name(name):
        read = reader(name)
        return lambda context, _run: _holds_of_any(test, read(context))

    # As above, with the look-up in place: by far the most frequent condition.
    def holds(context: Context, _run: Run) -> bool:
        value = context.get(name)
        return _holds_of_any(test, value) if type(value) is list else test(value)

    return holds


def _holds_of_any(test: Test, value: object) -> bool:
    if isinstance(value, list):
        # A list or an object within the list is a value that no test holds of.
        return any(map(test, value))
    return test(value)


def _parse_segment(
    place: Place, definition: dict[str, Any], scope: Scope, _depth: int
) -> Condition:
    key = definition["segment"]
    if not isinstance(key, str):
        place.at("segment").problem(f"must be the key of a segment; it is {described(key)}")
        return never
    scope.segments_named.add(key)
    segment = scope.segments.get(key)
    if segment is None:
        place.at("segment").problem(f'names the segment "{key}", which the flag set does not have')
        return never
    if segment.trouble:
        place.at("segment").problem(
            f'names the segment "{key}", which is broken: {segment.trouble}'
        )
    return segment.holds


def _parse_flag(place: Place, definition: dict[str, Any], scope: Scope, _depth: int) -> Condition:
    key = definition["flag"]
    if not isinstance(key, str):
        place.at("flag").problem(f"must be the key of a flag; it is {described(key)}")
    else:
        scope.flags_named.add(key)
    variants = _named_variants(place.at("variants"), definition.get("variants"))
    return lambda context, run: run.variant_of(key, context) in variants


def _named_variants(place: Place, names: object) -> frozenset[str]:
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        place.problem("must be a list of at least one variant's name")
        return frozenset()
    if len(set(names)) < len(names):
        place.problem("names a variant twice")
    return frozenset(names)


def _parse_any(place: Place, definition: dict[str, Any], scope: Scope, depth: int) -> Condition:
    return any_of(_members(place, "any", definition, scope, depth))


def _parse_all(place: Place, definition: dict[str, Any], scope: Scope, depth: int) -> Condition:
    return all_of(_members(place, "all", definition, scope, depth))


def _members(
    place: Place, kind: str, definition: dict[str, Any], scope: Scope, depth: int
) -> list[Condition]:
    members = definition[kind]
    if not isinstance(members, list) or not members:
        place.at(kind).problem("must be a list of at least one condition")
        return []
    # Checked before looking inside, so that however deep a definition is, the stack is not.
    if depth >= DEEPEST_GROUP:
        place.at(kind).problem(f"is a group nested more than {DEEPEST_GROUP} deep")
        return []
    return [
        _parse_condition(place.at(kind).at(index), member, scope, depth + 1)
        for index, member in enumerate(members)
    ]


KINDS: dict[str, tuple[frozenset[str], Parse]] = {
    "attribute": (frozenset({"attribute", "operator", "value", "not"}), _parse_attribute),
    "segment": (frozenset({"segment", "not"}), _parse_segment),
    "flag": (frozenset({"flag", "variants", "not"}), _parse_flag),
    "any": (frozenset({"any", "not"}), _parse_any),
    "all": (frozenset({"all", "not"}), _parse_all),
}


def opposite(condition: Condition) -> Condition:
    return lambda context, run: not condition(context, run)


def all_of(conditions: list[Condition]) -> Condition:
    """Holds where every one does; no condition at all holds for everyone."""
    if len(conditions) < 2:
        return conditions[0] if conditions else always
    first, *others = conditions

    def holds(context: Context, run: Run) -> bool:
        if not first(context, run):
            return False
        for condition in others:  # noqa: SIM110 - a generator would cost more than the conditions
            if not condition(context, run):
                return False
        return True

    return holds


def any_of(conditions: list[Condition]) -> Condition:
    """Holds where at least one does."""
    if len(conditions) < 2:
        return conditions[0] if conditions else never

    def holds(context: Context, run: Run) -> bool:
        for condition in conditions:  # noqa: SIM110 - a generator would cost more than the conditions
            if condition(context, run):
                return True
        return False

    return holds

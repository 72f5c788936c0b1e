"""Flags, compiled to functions that evaluate them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from .attributes import Attributes
from .conditions import CompiledSegment, ConditionScope, OtherFlags
from .format import MISSING, describe, join_quoted, quote
from .problems import Finding, Location, Problem
from .references import has_rules, pattern_size_of
from .requires import check_requires
from .results import Evaluation, FlagInfo, Metadata, NotServed, malformed
from .rules import (
    MAX_NAME_LENGTH,
    CompiledRule,
    RuleScope,
    compile_rule,
    read_seed,
    read_variant,
)
from .segments import check_key
from .values import MAX_VALUE_DEPTH, InvalidValueError, JsonValue, copy_json, is_number

EvaluateFlag: TypeAlias = Callable[[Attributes, OtherFlags], Evaluation]

OBJECT = f"a JSON object with finite numbers, at most {MAX_VALUE_DEPTH} levels deep"

# The fields that results depend on: all that are read below. Others are ignored, such as a
# description in an offline file, or the version, which the server increases with every edit.
FLAG_FIELDS = (
    *("key", "type", "enabled", "variants", "defaultVariant", "rules", "seed", "clientVisible"),
    *("metadata", "requires"),
)

# Each type of flag: what its values must be, and whether a value is.
TYPES: dict[str, tuple[str, Callable[[object], bool]]] = {
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "string": ("a string", lambda value: isinstance(value, str)),
    "number": ("a finite number", is_number),
    "object": (OBJECT, lambda value: isinstance(value, dict)),
}


@dataclass(frozen=True, slots=True)
class CompiledFlag:
    key: str
    # The definition that it was compiled from.
    definition: object
    evaluate: EvaluateFlag
    # The keys in its conditions.
    referenced_flags: frozenset[str]
    referenced_segments: frozenset[str]
    problems: tuple[Problem, ...] = ()
    # Whether it has rules. Only their conditions take work that must be counted.
    counts_work: bool = False
    # The size of its regular expressions.
    pattern_size: int = 0


def compile_flag(
    key: str, definition: object, segments: Mapping[str, CompiledSegment]
) -> CompiledFlag:
    """Compiles one flag. Cycles and chains of flags are checked for the whole set."""
    findings: list[Finding] = []
    size = pattern_size_of(definition)
    scope = ConditionScope(segments, pattern_size=size)
    evaluate = _compile(Location(findings), key, definition, scope)
    references = frozenset(scope.flag_references), frozenset(scope.segment_references)
    flag = CompiledFlag(
        key,
        definition,
        evaluate,
        *references,
        counts_work=has_rules(definition),
        pattern_size=size,
    )
    problems = [Problem(key, finding.path, finding.message) for finding in findings]
    return as_malformed(flag, *problems) if problems else flag


def as_malformed(flag: CompiledFlag, first: Problem, *others: Problem) -> CompiledFlag:
    """The flag with a PARSE_ERROR as its result.

    It keeps its references, because a change to one of them may make it valid again.
    """
    return replace(flag, evaluate=_always(malformed(first)), problems=(first, *others))


def _always(result: Evaluation) -> EvaluateFlag:
    return lambda _context, _others: result


def _compile(
    location: Location, key: str, definition: object, scope: ConditionScope
) -> EvaluateFlag:
    if not isinstance(definition, dict):
        location.report(f"must be a flag, but is {describe(definition)}")
        return _always(NotServed(key, "DISABLED"))
    # In the order of the TypeScript engine, because the error message has the first problem.
    check_requires(location, definition)
    check_key(location, key, definition)
    flag_type = _read_type(location.below("type"), definition.get("type", MISSING))
    is_enabled = _read_enabled(location.below("enabled"), definition.get("enabled", MISSING))
    variants = _read_variants(location.below("variants"), definition.get("variants", MISSING))
    values = _read_values(location.below("variants"), variants or {}, flag_type)
    default = definition.get("defaultVariant")
    if default is not None:
        default = read_variant(location.below("defaultVariant"), default, variants)
    seed = read_seed(location.below("seed"), definition.get("seed"), key)
    _check_client_visible(location.below("clientVisible"), definition.get("clientVisible"))
    metadata = _read_metadata(location.below("metadata"), definition.get("metadata"))
    info = FlagInfo(key, flag_type == "boolean", values, seed, metadata)
    rule_scope = RuleScope(info, variants, scope)
    rules = _compile_rules(location.below("rules"), definition.get("rules"), rule_scope)
    if not is_enabled:
        return _always(info.not_served("DISABLED"))
    return _evaluate_rules(rules, _default_result(info, default, has_rules=bool(rules)))


def _check_client_visible(location: Location, is_visible: object) -> None:
    if is_visible is not None and not isinstance(is_visible, bool):
        location.report(f"must be true or false, but is {describe(is_visible)}")


def _read_enabled(location: Location, is_enabled: object) -> bool:
    if not isinstance(is_enabled, bool):
        location.report(f"must be true or false, but is {describe(is_enabled)}")
    return is_enabled is True


def _read_type(location: Location, flag_type: object) -> str | None:
    if isinstance(flag_type, str) and flag_type in TYPES:
        return flag_type
    location.report(f"must be one of {join_quoted(TYPES)}, but is {describe(flag_type)}")
    return None


def _read_variants(location: Location, variants: object) -> dict[str, JsonValue] | None:
    if isinstance(variants, dict) and variants:
        return variants
    found = "has none" if isinstance(variants, dict) else f"is {describe(variants)}"
    location.report(f"must be an object with at least one variant, but {found}")
    return None


def _read_values(
    location: Location, variants: dict[Any, JsonValue], flag_type: str | None
) -> dict[str, JsonValue]:
    values: dict[str, JsonValue] = {}
    for name, value in _sorted_items(variants):
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
            location.below(name).report(
                f"the name of a variant must have 1 to {MAX_NAME_LENGTH} characters"
            )
        if flag_type is not None:
            values[name] = _read_value(location.below(name), value, flag_type)
    return values


def _sorted_items(mapping: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """In an order that does not depend on how the object was written."""
    return sorted(mapping.items(), key=lambda item: str(item[0]))


def _read_value(location: Location, value: JsonValue, flag_type: str) -> JsonValue:
    expected, is_of_type = TYPES[flag_type]
    if is_of_type(value):
        with suppress(InvalidValueError):
            return copy_json(value)
    location.report(
        f'must be {expected}, because the flag\'s type is "{flag_type}", but is {describe(value)}'
    )
    return None


def _read_metadata(location: Location, metadata: object) -> Metadata | None:
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        location.report(f"must be an object, but is {describe(metadata)}")
        return None
    read: dict[str, Any] = {}
    for name, value in _sorted_items(metadata):
        if isinstance(value, str | bool) or is_number(value):
            read[name] = copy_json(value)
        else:
            location.below(name).report(
                f"must be a string, a finite number or a boolean, but is {describe(value)}"
            )
    return read or None


def _default_result(info: FlagInfo, variant: str | None, *, has_rules: bool) -> Evaluation:
    """Without a default variant the caller's own default applies, so it is never STATIC."""
    if variant is None:
        return info.not_served("DEFAULT")
    return info.served(variant, "DEFAULT" if has_rules else "STATIC")


def _compile_rules(location: Location, rules: object, scope: RuleScope) -> list[CompiledRule]:
    if rules is None:
        return []
    if not isinstance(rules, list):
        location.report(f"must be a list of rules, but is {describe(rules)}")
        return []
    _report_repeated_ids(location, rules)
    return [compile_rule(location.below(index), rule, scope) for index, rule in enumerate(rules)]


def _report_repeated_ids(location: Location, rules: list[object]) -> None:
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        rule_id = rule.get("id") if isinstance(rule, dict) else None
        if not isinstance(rule_id, str):
            continue
        if rule_id in seen:
            location.below(index).below("id").report(
                f"another rule of this flag already has the id {quote(rule_id)}"
            )
        seen.add(rule_id)


def _evaluate_rules(rules: list[CompiledRule], default: Evaluation) -> EvaluateFlag:
    """The result of the first rule that serves, otherwise the default result."""
    if not rules:
        return _always(default)

    def evaluate(context: Attributes, others: OtherFlags) -> Evaluation:
        for rule in rules:
            result = rule(context, others)
            if result is not None:
                return result
        return default

    return evaluate

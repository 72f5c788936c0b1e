"""Flags: each is compiled once into a function that decides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .answers import Evaluation, Failed, Metadata, NotServed
from .attributes import Context
from .conditions import Run, Scope, Segment
from .problems import Place, Problem, quoted
from .requires import check_requires
from .rules import LONGEST_NAME, Decide, FlagParts, is_variant, parse_rule, parse_seed
from .segments import check_key
from .values import JsonValue, UnservableError, copied, described, is_number

Decision: TypeAlias = Callable[[Context, Run], Evaluation]

_IS_OF_TYPE: dict[str, Callable[[object], bool]] = {
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "object": lambda value: isinstance(value, dict),
}


@dataclass(frozen=True, slots=True)
class CompiledFlag:
    """One flag, ready to be decided, and what it was made from."""

    key: str
    definition: object
    decide: Decision
    flags_named: frozenset[str]
    segments_named: frozenset[str]
    problems: tuple[Problem, ...]


def compile_flag(key: str, definition: object, segments: Mapping[str, Segment]) -> CompiledFlag:
    """A flag; one with problems answers PARSE_ERROR and names no other."""
    found: list[tuple[str, str]] = []
    scope = Scope(segments)
    decide = _parse_flag(Place(found), key, definition, scope)
    problems = tuple(Problem(key, path, message) for path, message in found)
    flag = CompiledFlag(
        key, definition, decide, frozenset(scope.flags_named), frozenset(scope.segments_named), ()
    )
    return broken(flag, problems) if problems else flag


def broken(flag: CompiledFlag, problems: tuple[Problem, ...]) -> CompiledFlag:
    """The flag, answering PARSE_ERROR for its first problem."""
    first = problems[0]
    where = f"{first.path} {first.message}" if first.path else first.message
    decide = _always(
        Failed(flag.key, "PARSE_ERROR", f'flag "{flag.key}" cannot be decided: {where}')
    )
    return CompiledFlag(
        flag.key, flag.definition, decide, frozenset(), flag.segments_named, problems
    )


def _always(answer: Evaluation) -> Decision:
    return lambda _context, _run: answer


def _parse_flag(place: Place, key: str, definition: object, scope: Scope) -> Decision:
    if not isinstance(definition, dict):
        place.problem(f"must be a flag; it is {described(definition)}")
        return _always(NotServed(key, "DISABLED"))
    check_requires(place, definition)
    check_key(place, key, definition)
    _check_client_visible(place, definition)
    enabled = _parse_enabled(place, definition)
    flag = _parse_parts(place, key, definition)
    default = _parse_default(place, definition, flag)
    rules = _parse_rules(place.at("rules"), definition.get("rules"), flag, scope)
    if not enabled:
        return _always(NotServed(key, "DISABLED", flag.metadata))
    return _first_of(rules, _default_answer(flag, default, "DEFAULT" if rules else "STATIC"))


def _parse_enabled(place: Place, definition: dict[str, Any]) -> bool:
    enabled = definition.get("enabled")
    if not isinstance(enabled, bool):
        place.at("enabled").problem(f"must be true or false; it is {described(enabled)}")
    return enabled is True


def _check_client_visible(place: Place, definition: dict[str, Any]) -> None:
    visible = definition.get("clientVisible")
    if visible is not None and not isinstance(visible, bool):
        place.at("clientVisible").problem(f"must be true or false; it is {described(visible)}")


def _parse_parts(place: Place, key: str, definition: dict[str, Any]) -> FlagParts:
    flag_type = definition.get("type")
    if not isinstance(flag_type, str) or flag_type not in _IS_OF_TYPE:
        place.at("type").problem(
            f"must be one of {quoted(_IS_OF_TYPE)}; it is {described(flag_type)}"
        )
        flag_type = None
    variants = _parse_variants(place.at("variants"), definition.get("variants"))
    return FlagParts(
        key=key,
        is_boolean=flag_type == "boolean",
        values=_parse_values(place.at("variants"), variants or {}, flag_type),
        variants=variants,
        seed=parse_seed(place.at("seed"), definition.get("seed"), key),
        metadata=_parse_metadata(place.at("metadata"), definition.get("metadata")),
    )


def _parse_variants(place: Place, variants: object) -> dict[str, JsonValue] | None:
    if isinstance(variants, dict) and variants:
        return variants
    place.problem("must be an object of at least one variant")
    return None


def _parse_values(
    place: Place, variants: dict[Any, JsonValue], flag_type: str | None
) -> dict[str, JsonValue]:
    values: dict[str, JsonValue] = {}
    for name, value in variants.items():
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
            place.at(name).problem(f"must have a name of 1 to {LONGEST_NAME} characters")
        if flag_type is not None:
            values[name] = _parse_value(place.at(name), value, flag_type)
    return values


def _parse_value(place: Place, value: JsonValue, flag_type: str) -> JsonValue:
    if not _IS_OF_TYPE[flag_type](value):
        place.problem(f"must be of the flag's type, {flag_type}; it is {described(value)}")
        return None
    try:
        return copied(value)
    except UnservableError as error:
        place.problem(str(error))
        return None


def _parse_metadata(place: Place, metadata: object) -> Metadata | None:
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        place.problem(f"must be an object; it is {described(metadata)}")
        return None
    kept: dict[str, Any] = {}
    for name, value in metadata.items():
        if isinstance(value, str | bool) or is_number(value):
            kept[name] = copied(value)
        else:
            place.at(name).problem(
                f"must be a string, a number or a boolean; it is {described(value)}"
            )
    return kept or None


def _parse_default(place: Place, definition: dict[str, Any], flag: FlagParts) -> str | None:
    name = definition.get("defaultVariant")
    if name is None or not is_variant(place.at("defaultVariant"), name, flag.variants):
        return None
    return str(name)


def _default_answer(flag: FlagParts, variant: str | None, reason: Any) -> Evaluation:
    """Without a default variant the caller's own default applies, so it is never STATIC."""
    if variant is None:
        return NotServed(flag.key, "DEFAULT", flag.metadata)
    return flag.served(variant, reason)


def _parse_rules(place: Place, rules: object, flag: FlagParts, scope: Scope) -> list[Decide]:
    if rules is None:
        return []
    if not isinstance(rules, list):
        place.problem(f"must be a list of rules; it is {described(rules)}")
        return []
    _check_ids(place, rules)
    return [parse_rule(place.at(index), rule, flag, scope) for index, rule in enumerate(rules)]


def _check_ids(place: Place, rules: list[object]) -> None:
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        rule_id = rule.get("id") if isinstance(rule, dict) else None
        if isinstance(rule_id, str) and rule_id in seen:
            place.at(index).at("id").problem(f'is the id "{rule_id}" of an earlier rule')
        elif isinstance(rule_id, str):
            seen.add(rule_id)


def _first_of(rules: list[Decide], default: Evaluation) -> Decision:
    """The first rule that serves, else the default variant."""
    if not rules:
        return _always(default)

    def decide(context: Context, run: Run) -> Evaluation:
        for rule in rules:
            answer = rule(context, run)
            if answer is not None:
                return answer
        return default

    return decide

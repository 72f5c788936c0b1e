"""Rules, compiled to functions that return a result for the subjects that they serve."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

from .attributes import Attributes, attribute_reader, to_bucketing_value
from .conditions import ConditionScope, OtherFlags, Predicate, always, compile_conditions, never
from .format import MISSING, describe, describe_number, join_quoted, quote
from .hash import ADMISSION_DRAW, DRAWS, VARIANT_DRAW, draw, draw_seed
from .problems import Location, report_unknown_fields
from .results import Evaluation, FlagInfo, Served, targeting_key_missing
from .values import as_double

RULE_FIELDS = ("id", "conditions", "variant", "split", "percentage", "bucketBy", "seed")
SPLIT_FIELDS = ("variant", "weight")

MAX_NAME_LENGTH = 100
MAX_SEED_LENGTH = 256
MAX_TOTAL_WEIGHT = 100_000

# Returns None if the rule does not serve the subject, so the next rule is tried.
CompiledRule: TypeAlias = Callable[[Attributes, OtherFlags], "Evaluation | None"]
# Returns the result for the text that is hashed.
Serve: TypeAlias = Callable[[str], Served]


@dataclass(frozen=True, slots=True)
class RuleScope:
    """The flag of a rule."""

    info: FlagInfo
    # None if the variants are malformed, so rules are not reported for naming one.
    variants: Collection[str] | None
    conditions: ConditionScope


class SplitEntry(NamedTuple):
    variant: str
    weight: int


@dataclass(frozen=True, slots=True)
class Bucketing:
    """How a rule selects subjects: the attribute, the two seeds, and how many draws it admits."""

    attribute: str
    threshold: int
    admission_seed: int
    variant_seed: int


def compile_rule(location: Location, definition: object, scope: RuleScope) -> CompiledRule:
    """Compiles a rule. Problems are reported, and then the rule never serves."""
    if not isinstance(definition, dict):
        location.report(f"must be a rule, but is {describe(definition)}")
        return _never_serves
    report_unknown_fields(location, definition, RULE_FIELDS, "a rule")
    rule_id = _read_id(location.below("id"), definition.get("id"))
    holds = _compile_conditions(
        location.below("conditions"), definition.get("conditions"), scope.conditions
    )
    bucketing = _read_bucketing(location, definition, scope.info.seed)
    outcome = _read_outcome(location, definition, scope)
    if outcome is None or bucketing.threshold == 0:
        return _never_serves
    return _rule(holds, bucketing, outcome, _ServedResults(scope.info, rule_id))


def _never_serves(_context: Attributes, _others: OtherFlags) -> None:
    return None


def _read_id(location: Location, rule_id: object) -> str | None:
    return _read_text(location, rule_id, MAX_NAME_LENGTH) if rule_id is not None else None


def read_seed(location: Location, seed: object, default: str) -> str:
    if seed is None:
        return default
    return _read_text(location, seed, MAX_SEED_LENGTH) or default


def _read_text(location: Location, text: object, max_characters: int) -> str | None:
    if isinstance(text, str) and 0 < len(text) <= max_characters:
        return text
    location.report(
        f"must be a string of 1 to {max_characters} characters, but is {describe(text)}"
    )
    return None


def _compile_conditions(location: Location, conditions: object, scope: ConditionScope) -> Predicate:
    if conditions is None:
        return always
    if isinstance(conditions, list):
        return compile_conditions(location, conditions, scope, 0)
    location.report(f"must be a list of conditions, but is {describe(conditions)}")
    return never


def _read_bucketing(location: Location, definition: dict[str, Any], default: str) -> Bucketing:
    threshold = _read_threshold(location.below("percentage"), definition.get("percentage"))
    attribute = _read_bucket_by(location.below("bucketBy"), definition.get("bucketBy"))
    seed = read_seed(location.below("seed"), definition.get("seed"), default)
    return Bucketing(
        attribute=attribute,
        threshold=threshold,
        admission_seed=draw_seed(seed, ADMISSION_DRAW),
        variant_seed=draw_seed(seed, VARIANT_DRAW),
    )


def _read_bucket_by(location: Location, attribute: object) -> str:
    if attribute is None:
        return "targetingKey"
    if isinstance(attribute, str) and attribute:
        return attribute
    location.report(f"must be the name of an attribute, but is {describe(attribute)}")
    return "targetingKey"


def _read_threshold(location: Location, percentage: object) -> int:
    """The number of draws that are admitted."""
    if percentage is None:
        return DRAWS
    number = as_double(percentage)
    if 0 <= number <= 100:
        threshold = math.floor(number * 1000 + 0.5)
        if threshold / 1000 == number:
            return threshold
    location.report(
        f"must be a number from 0 to 100 with at most three decimals, but is {describe(percentage)}"
    )
    return 0


def _read_outcome(
    location: Location, definition: dict[str, Any], scope: RuleScope
) -> str | list[SplitEntry] | None:
    variant, split = definition.get("variant"), definition.get("split")
    if (variant is None) == (split is None):
        location.report('must have either a "variant" or a "split"')
        return None
    if split is None:
        return read_variant(location.below("variant"), variant, scope.variants)
    return _read_split(location.below("split"), split, scope.variants)


def read_variant(location: Location, name: object, variants: Collection[str] | None) -> str | None:
    """The name if the flag has such a variant; otherwise reports it."""
    if not isinstance(name, str):
        location.report(f"must be the name of a variant, but is {describe(name)}")
        return None
    if variants is None or name in variants:
        return name
    known = join_quoted(sorted(map(str, variants)))
    location.report(f"the flag has no variant {quote(name)}; its variants are {known}")
    return None


def _read_split(
    location: Location, split: object, variants: Collection[str] | None
) -> list[SplitEntry] | None:
    expected = 'must be a non-empty list of {"variant": …, "weight": …}'
    if not isinstance(split, list) or not split:
        location.report(f"{expected}, but is {describe(split)}")
        return None
    read = [
        _read_entry(location.below(index), entry, variants) for index, entry in enumerate(split)
    ]
    _report_repeated_variants(location, read)
    entries = [entry for entry in read if entry is not None]
    if len(entries) < len(read):
        return None
    total = sum(entry.weight for entry in entries)
    if not 1 <= total <= MAX_TOTAL_WEIGHT:
        location.report(
            f"the total weight must be 1 to {MAX_TOTAL_WEIGHT}, but is {describe_number(total)}"
        )
        return None
    return entries


def _read_entry(
    location: Location, entry: object, variants: Collection[str] | None
) -> SplitEntry | None:
    if not isinstance(entry, dict):
        location.report(f'must be {{"variant": …, "weight": …}}, but is {describe(entry)}')
        return None
    report_unknown_fields(location, entry, SPLIT_FIELDS, "an entry of a split")
    variant = read_variant(location.below("variant"), entry.get("variant", MISSING), variants)
    raw_weight = entry.get("weight", MISSING)
    weight = as_double(raw_weight)
    if not (weight >= 0 and weight.is_integer()):
        location.below("weight").report(
            f"must be a whole number of at least 0, but is {describe(raw_weight)}"
        )
        return None
    return SplitEntry(variant, int(weight)) if variant is not None else None


def _report_repeated_variants(location: Location, entries: list[SplitEntry | None]) -> None:
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        if entry is None:
            continue
        if entry.variant in seen:
            location.below(index).below("variant").report(
                f"the variant {quote(entry.variant)} is already in this split"
            )
        seen.add(entry.variant)


class _ServedResults(NamedTuple):
    """Creates the results of one rule."""

    info: FlagInfo
    rule_id: str | None

    def targeted(self, variant: str) -> Served:
        return self.info.served(variant, "TARGETING_MATCH", self.rule_id)

    def drawn(self, variant: str) -> Served:
        return self.info.served(variant, "SPLIT", self.rule_id)


def _rule(
    holds: Predicate, bucketing: Bucketing, outcome: str | list[SplitEntry], results: _ServedResults
) -> CompiledRule:
    if isinstance(outcome, list):
        return _drawing_rule(
            holds, bucketing, _serve_split(outcome, bucketing, results), results.info.key
        )
    if bucketing.threshold < DRAWS:
        drawn = results.drawn(outcome)
        return _drawing_rule(holds, bucketing, lambda _value: drawn, results.info.key)
    targeted = results.targeted(outcome)
    return lambda context, others: targeted if holds(context, others) else None


def _serve_split(entries: list[SplitEntry], bucketing: Bucketing, results: _ServedResults) -> Serve:
    """Serves the variant whose band of the total weight contains the draw."""
    seed = bucketing.variant_seed
    served = [results.drawn(entry.variant) for entry in entries]
    ends = [end * DRAWS for end in accumulate(entry.weight for entry in entries)]
    total = sum(entry.weight for entry in entries)
    return lambda value: served[bisect_right(ends, draw(value, seed) * total)]


def _drawing_rule(
    holds: Predicate, bucketing: Bucketing, serve: Serve, flag_key: str
) -> CompiledRule:
    read = attribute_reader(bucketing.attribute)
    missing = targeting_key_missing(flag_key, bucketing.attribute)
    threshold, seed = bucketing.threshold, bucketing.admission_seed

    def evaluate(context: Attributes, others: OtherFlags) -> Evaluation | None:
        if not holds(context, others):
            return None
        attribute = read(context)
        value = attribute if type(attribute) is str else to_bucketing_value(attribute)
        if not value:
            return missing
        return serve(value) if threshold == DRAWS or draw(value, seed) < threshold else None

    return evaluate

"""Rules: whom each serves, and with what."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeAlias

from .answers import Evaluation, Failed, Metadata, Served
from .attributes import Context, reader, unit_text
from .conditions import Condition, Run, Scope, always, never, parse_conditions
from .hash import DRAWS, WHETHER_ADMITTED, WHICH_VARIANT, draw, inner_seed
from .problems import Place, quoted, refuse_unknown_fields
from .values import JsonValue, as_double, described

_FIELDS = frozenset(["id", "conditions", "variant", "split", "percentage", "bucketBy", "seed"])
_SPLIT_FIELDS = frozenset(["variant", "weight"])

LONGEST_NAME = 100
LONGEST_SEED = 256

# None: the rule does not serve, and the next one is tried.
Decide: TypeAlias = Callable[[Context, Run], "Evaluation | None"]
Serve: TypeAlias = Callable[[str], Served]


@dataclass(frozen=True, slots=True)
class FlagParts:
    """What the rules of one flag share."""

    key: str
    is_boolean: bool
    values: Mapping[str, JsonValue]
    # None where the variants cannot be read, so that no rule is blamed for naming one.
    variants: Collection[str] | None
    seed: str
    metadata: Metadata | None

    def served(self, variant: str, reason: Any, rule_id: str | None = None) -> Served:
        value = self.values.get(variant)
        enabled = value is True if self.is_boolean else True
        return Served(self.key, enabled, reason, variant, value, rule_id, self.metadata)


@dataclass(frozen=True, slots=True)
class Split:
    """Variants, and what lies before and within each one's share of the total weight."""

    variants: list[str]
    weights: list[int]


def parse_rule(place: Place, definition: object, flag: FlagParts, scope: Scope) -> Decide:
    """A rule as a function from a context to its answer. What is wrong with it is reported."""
    if not isinstance(definition, dict):
        place.problem(f"must be a rule; it is {described(definition)}")
        return never_serves
    refuse_unknown_fields(place, definition, _FIELDS)
    rule_id = parse_name(place.at("id"), definition.get("id"))
    holds = _parse_holds(place.at("conditions"), definition.get("conditions"), scope)
    draws = _parse_draws(place, definition, flag)
    outcome = _parse_outcome(place, definition, flag)
    if outcome is None or draws.admitted == 0:
        return never_serves
    return _deciding(holds, draws, outcome, flag, rule_id)


def never_serves(_context: Context, _run: Run) -> None:
    return None


def parse_name(place: Place, name: object) -> str | None:
    """A rule's id; None where it has none."""
    if name is None:
        return None
    if isinstance(name, str) and 0 < len(name) <= LONGEST_NAME:
        return name
    place.problem(f"must be text of 1 to {LONGEST_NAME} characters")
    return None


def parse_seed(place: Place, seed: object, default: str) -> str:
    if seed is None:
        return default
    if isinstance(seed, str) and 0 < len(seed) <= LONGEST_SEED:
        return seed
    place.problem(f"must be text of 1 to {LONGEST_SEED} characters")
    return default


def _parse_holds(place: Place, conditions: object, scope: Scope) -> Condition:
    if conditions is None:
        return always
    if isinstance(conditions, list):
        return parse_conditions(place, conditions, scope, 0)
    place.problem(f"must be a list of conditions; it is {described(conditions)}")
    return never


def _parse_percentage(place: Place, percentage: object) -> int:
    """How many of the 100,000 draws are admitted."""
    if percentage is None:
        return DRAWS
    number = as_double(percentage)
    if not 0 <= number <= 100:
        place.problem("must be a number from 0 to 100")
        return 0
    threshold = math.floor(number * 1000 + 0.5)
    if threshold / 1000 != number:
        place.problem("must be a number from 0 to 100 in steps of 0.001")
    return threshold


@dataclass(frozen=True, slots=True)
class Draws:
    """How many draws a rule admits, the unit that it hashes, and the seeds of its two draws."""

    admitted: int
    attribute: str
    admission_seed: int
    variant_seed: int


def _parse_draws(place: Place, definition: dict[str, Any], flag: FlagParts) -> Draws:
    attribute = definition.get("bucketBy")
    if attribute is None:
        attribute = "targetingKey"
    elif not isinstance(attribute, str) or not attribute:
        place.at("bucketBy").problem("must be the name of an attribute")
        attribute = "targetingKey"
    seed = parse_seed(place.at("seed"), definition.get("seed"), flag.seed)
    return Draws(
        admitted=_parse_percentage(place.at("percentage"), definition.get("percentage")),
        attribute=attribute,
        admission_seed=inner_seed(seed, WHETHER_ADMITTED),
        variant_seed=inner_seed(seed, WHICH_VARIANT),
    )


def _parse_outcome(place: Place, definition: dict[str, Any], flag: FlagParts) -> str | Split | None:
    variant, split = definition.get("variant"), definition.get("split")
    if (variant is None) == (split is None):
        place.problem('must have either a "variant" or a "split"')
        return None
    if split is None:
        return variant if is_variant(place.at("variant"), variant, flag.variants) else None
    return _parse_split(place.at("split"), split, flag)


def is_variant(place: Place, name: object, variants: Collection[str] | None) -> bool:
    """Whether a name is one of the flag's variants; reported where it is not."""
    if isinstance(name, str) and (variants is None or name in variants):
        return True
    known = quoted(variants) if variants else "of the flag"
    place.problem(f"must be one of the variants {known}; it is {described(name)}")
    return False


def _parse_split(place: Place, entries: object, flag: FlagParts) -> Split | None:
    if not isinstance(entries, list) or not entries:
        place.problem('must be a list of at least one {"variant", "weight"}')
        return None
    parsed = [_parse_share(place.at(index), entry, flag) for index, entry in enumerate(entries)]
    _check_repeated(place, parsed)
    shares = [share for share in parsed if share is not None]
    total = sum(weight for _, weight in shares)
    if len(shares) < len(parsed):
        return None
    if not 1 <= total <= DRAWS:
        place.problem(f"must have a total weight of 1 to {DRAWS:,}; it is {total:,}")
    return Split([variant for variant, _ in shares], [weight for _, weight in shares])


def _check_repeated(place: Place, shares: list[tuple[str, int] | None]) -> None:
    seen: set[str] = set()
    for index, share in enumerate(shares):
        if share is not None and share[0] in seen:
            place.at(index).at("variant").problem(f'is "{share[0]}" a second time')
        elif share is not None:
            seen.add(share[0])


def _parse_share(place: Place, entry: object, flag: FlagParts) -> tuple[str, int] | None:
    if not isinstance(entry, dict):
        place.problem(f'must be {{"variant", "weight"}}; it is {described(entry)}')
        return None
    refuse_unknown_fields(place, entry, _SPLIT_FIELDS)
    variant, weight = entry.get("variant"), as_double(entry.get("weight"))
    has_variant = is_variant(place.at("variant"), variant, flag.variants)
    if not (weight >= 0 and weight.is_integer()):
        place.at("weight").problem("must be a whole number, 0 or more")
        return None
    return (str(variant), int(weight)) if has_variant else None


def _deciding(
    holds: Condition, draws: Draws, outcome: str | Split, flag: FlagParts, rule_id: str | None
) -> Decide:
    if isinstance(outcome, Split):
        answers = [flag.served(variant, "SPLIT", rule_id) for variant in outcome.variants]
        return _drawing(holds, draws, _dividing(answers, outcome.weights, draws), flag.key)
    if draws.admitted < DRAWS:
        return _drawing(holds, draws, _serving(flag.served(outcome, "SPLIT", rule_id)), flag.key)
    answer = flag.served(outcome, "TARGETING_MATCH", rule_id)
    return lambda context, run: answer if holds(context, run) else None


def _serving(answer: Served) -> Serve:
    return lambda _unit: answer


def _dividing(answers: list[Served], weights: list[int], draws: Draws) -> Serve:
    """Serves the variant in whose band of the total weight the unit's draw falls."""
    seed = draws.variant_seed
    total = sum(weights)
    ends = [end * DRAWS for end in accumulate(weights)]
    return lambda unit: answers[bisect_right(ends, draw(unit, seed) * total)]


def _drawing(holds: Condition, draws: Draws, serve: Serve, flag_key: str) -> Decide:
    read = reader(draws.attribute)
    missing = _unit_missing(flag_key, draws.attribute)
    admitted, seed = draws.admitted, draws.admission_seed

    def decide(context: Context, run: Run) -> Evaluation | None:
        if not holds(context, run):
            return None
        value = read(context)
        unit = value if type(value) is str else unit_text(value)
        if not unit:
            return missing
        return serve(unit) if admitted == DRAWS or draw(unit, seed) < admitted else None

    return decide


def _unit_missing(flag_key: str, attribute: str) -> Failed:
    message = (
        f'flag "{flag_key}" divides its traffic by the attribute "{attribute}", which the context '
        "lacks; give it a text that is not empty, a number or a boolean"
    )
    return Failed(flag_key, "TARGETING_KEY_MISSING", message)

"""Generates flag sets and contexts. The same seed generates the same ones.

Operands and attribute values come from the same pools, so conditions often hold. Some flags are
damaged, so every check of the compiler sees valid and invalid definitions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

from repository import read_spec
from sample_values import (
    ADDRESSES,
    DATES,
    NAMES,
    NETWORKS,
    NUMBERS,
    PATTERN_PARTS,
    PATTERNS,
    PREFIXES,
    TEXTS,
    VERSIONS,
)

from pennon_openfeature._engine.operators import OPERATORS, OperandError

Json: TypeAlias = Any
EvaluationRequest: TypeAlias = dict[str, Any]

KEYS = ["f", "g", "h", "i", "j"]
VARIANTS = ["on", "off", "third", "__proto__", "日本"]
BUCKETING_VALUES: list[Json] = [
    *TEXTS,
    *[f"user-{n}" for n in range(40)],
    *NUMBERS,
    True,
    False,
    None,
    [],
    {},
    ["user-1"],
]
# The kind of operand of each operator, so a new operator is generated too.
OPERANDS: dict[str, str] = {
    operator: traits["operand"] for operator, traits in read_spec("operators.json").items()
}


def evaluation_request(random: Random) -> EvaluationRequest:
    """A flag set, the key of one of its flags and a context."""
    keys = KEYS[: random.randint(1, len(KEYS))]
    generator = _Generator(random, keys)
    flag_set: Json = {
        "formatVersion": 1,
        "flags": {key: generator.flag(key) for key in keys},
        "segments": {
            key: generator.segment() for key in ("s", "t")[: random.choice([0, 1, 2, 2, 2, 2])]
        },
    }
    if random.random() < 0.3:
        for _ in range(random.randint(1, 3)):
            damage(flag_set, random)
    flag_key = random.choice(keys) if random.random() < 0.99 else random.choice(TEXTS)
    return {"flagSet": flag_set, "flagKey": flag_key, "context": generator.context()}


class _Generator:
    def __init__(self, random: Random, keys: list[str]) -> None:
        self.random = random
        self.keys = keys
        # Few names, so conditions and the context have attributes in common.
        self.names = random.sample(NAMES, 4)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, pool: list[Any]) -> Any:
        return self.random.choice(pool)

    def flag(self, key: str) -> Json:
        kind = self.pick(["boolean", "string", "number", "object"])
        variants = {name: self.value(kind) for name in VARIANTS[: self.random.randint(1, 5)]}
        flag: Json = {
            "type": kind,
            "enabled": self.chance(0.93),
            "variants": variants,
            "defaultVariant": self.pick([*variants, None]),
            "rules": [self.rule(list(variants), n) for n in range(self.random.randint(0, 4))],
        }
        optional = {
            "key": key,
            "seed": self.pick([*TEXTS[1:], None]),
            "clientVisible": self.pick([True, False, None]),
            "metadata": self.pick([None, {}, {"a": 1, "b": "x", "c": True}, {"n": 2**53 + 1}]),
            "description": 7,
            "requires": self.pick([None, [], [], ["gradual rollouts"], 7]),
        }
        return flag | {name: value for name, value in optional.items() if self.chance(0.2)}

    def value(self, kind: str) -> Json:
        if kind == "boolean":
            return self.chance(0.5)
        if kind == "string":
            return self.pick(TEXTS)
        number = self.pick([n for n in NUMBERS if abs(n) < 10**30])
        return number if kind == "number" else {"n": number, "l": [self.pick(TEXTS), None, {}]}

    def rule(self, variants: list[str], number: int) -> Json:
        rule: Json = {"id": f"r{number}"} if self.chance(0.9) else {}
        if self.chance(0.85):
            rule["conditions"] = [self.condition(1) for _ in range(self.random.randint(0, 3))]
        if self.chance(0.5):
            rule["variant"] = self.pick(variants)
        else:
            rule["split"] = self.split(variants)
        optional: dict[str, Callable[[], Json]] = {
            "percentage": lambda: self.pick([0, 0.001, 1, 12.345, 25, 50, 99.999, 100, None, 33.3]),
            "bucketBy": lambda: self.pick([*self.names, None]),
            "seed": lambda: self.pick([*TEXTS[1:20], None]),
        }
        return rule | {name: make() for name, make in optional.items() if self.chance(0.3)}

    def split(self, variants: list[str]) -> Json:
        chosen = self.random.sample(variants, self.random.randint(1, len(variants)))
        return [{"variant": each, "weight": self.weight()} for each in chosen]

    def weight(self) -> Json:
        return self.pick([0, 1, 1, 1, 2, 3, 7, 50, 1000, 19_999, 5.0, 20_000])

    def condition(self, depth: int, *, in_segment: bool = False) -> Json:
        chance = self.random.random()
        if chance < 0.15:
            count = self.random.randint(1, 3)
            members = [self.condition(depth + 1, in_segment=in_segment) for _ in range(count)]
            condition: Json = {self.pick(["any", "all"]): members}
        elif chance < 0.23 and not in_segment:
            variants = self.random.sample(VARIANTS, self.random.randint(1, 3))
            condition = {"flag": self.pick([*self.keys, "missing"]), "variants": variants}
        elif chance < 0.3 and not in_segment:
            condition = {"segment": self.pick(["s", "t"])}
        else:
            condition = self.comparison()
        return condition | ({"not": self.pick([True, False, None])} if self.chance(0.2) else {})

    def comparison(self) -> Json:
        operator = self.pick(list(OPERANDS))
        operand = self.operand(OPERANDS[operator])
        # Most operands are valid, because otherwise nearly every flag would be malformed.
        while self.chance(0.95) and not is_valid_operand(operator, operand):
            operand = self.operand(OPERANDS[operator])
        condition = {"attribute": self.pick(self.names), "operator": operator, "value": operand}
        if OPERANDS[operator] == "none" and self.chance(0.5):
            del condition["value"]
        return condition

    def operand(self, kind: str) -> Json:
        generators: dict[str, Callable[[], Json]] = {
            "scalar": self.scalar,
            "list": lambda: [self.scalar() for _ in range(self.random.randint(0, 5))],
            "string": lambda: self.pick(TEXTS),
            "number": lambda: self.pick(NUMBERS),
            "none": lambda: self.pick([None, True, True, False]),
            "date": lambda: self.pick(DATES),
            "semver": lambda: self.pick(VERSIONS),
            "network": self.networks,
            "pattern": self.pattern,
        }
        return generators[kind]()

    def scalar(self) -> Json:
        return self.pick([*TEXTS, *NUMBERS[:30], True, False])

    def networks(self) -> Json:
        count = self.random.randint(0, 3)
        return self.network() if self.chance(0.5) else [self.network() for _ in range(count)]

    def network(self) -> Json:
        pick = self.random.random()
        if pick < 0.4:
            return self.pick(NETWORKS)
        address = self.pick(ADDRESSES)
        return address if pick < 0.6 else f"{address}/{self.pick(PREFIXES)}"

    def pattern(self) -> str:
        if self.chance(0.5):
            return str(self.pick(PATTERNS))
        return "".join(self.random.choices(PATTERN_PARTS, k=self.random.randint(1, 6)))

    def attribute_value(self) -> Json:
        pool = self.pick(
            [TEXTS, NUMBERS, DATES, VERSIONS, ADDRESSES, [True, False, None], ["L", "O"]]
        )
        value = self.pick(pool)
        if value == "L":
            return [self.attribute_value() for _ in range(self.random.randint(0, 3))]
        if value == "O":
            return {
                self.pick(["plan", "b", "length", "0", "", "__proto__"]): self.attribute_value()
            }
        return value

    def context(self) -> Json:
        if self.chance(0.01):
            return self.pick([None, [], "text", 5, True])
        context = {name: self.attribute_value() for name in self.names if self.chance(0.8)}
        if self.chance(0.9):
            context["targetingKey"] = self.pick(BUCKETING_VALUES)
        for outer, inner in (("user", "plan"), ("a", "b"), ("x", "0"), ("user", "list")):
            if self.chance(0.15):
                context[outer] = {
                    inner: self.pick([self.attribute_value(), {"c": self.attribute_value()}])
                }
        return context

    def segment(self) -> Json:
        count = self.random.randint(1, 3)
        return {"conditions": [self.condition(1, in_segment=True) for _ in range(count)]}


def is_valid_operand(operator: str, operand: Json) -> bool:
    try:
        OPERATORS[operator].prepare(operand)
    except OperandError:
        return False
    return True


REPLACEMENTS = [
    *[None, True, False, 0, 1, -1, 1.5, 100_001, float("inf"), "", "on", "x" * 101, "x" * 257],
    *[[], {}, [None], {"variant": "on"}, "equals", 2**53 + 1, [[]], {"": 1}, "\ud800", 100.0001],
    *[{"any": [{"all": [{"any": [{"all": [{"any": [{"all": []}]}]}]}]}]}],
    *[{"attribute": "plan", "operator": "exists"}, {"segment": "t"}],
    *[{"flag": "f", "variants": ["on"]}],
]
FIELDS = [
    *["key", "type", "id", "not", "variant", "split", "value", "unknown", "__proto__", "seed"],
    "requires",
]


def damaged(json: Json, random: Random) -> Json:
    """A copy with one member deleted, replaced, added or duplicated."""
    json = copy.deepcopy(json)
    damage(json, random)
    return json


def damage(json: Json, random: Random) -> None:
    """Deletes, replaces, adds or duplicates one member in place."""
    if not (found := list(locations(json))):
        return
    holder, name = random.choice(found)
    change = random.random()
    if change < 0.3:
        del holder[name]
    elif change < 0.7:
        holder[name] = copy.deepcopy(random.choice(REPLACEMENTS))
    elif isinstance(holder, dict):
        holder[random.choice(FIELDS)] = copy.deepcopy(random.choice(REPLACEMENTS))
    else:
        holder.append(copy.deepcopy(holder[name]))


def locations(json: Json) -> Any:
    """Yields every member as its holder and its name or index, outer members first."""
    if isinstance(json, dict):
        pairs: list[tuple[Any, Any]] = list(json.items())
    else:
        pairs = list(enumerate(json)) if isinstance(json, list) else []
    for name, _ in pairs:
        yield json, name
    for _, member in pairs:
        yield from locations(member)

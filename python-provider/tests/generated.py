"""Generated flag sets and contexts: the same for the same seed, and full of edges.

Operands and attribute values come from the same pools, so that conditions often hold; a part of
the flags is damaged somewhere, so that both ways of every check are walked.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

from pennon_openfeature._engine.operators import OPERATORS as PREPARED
from pennon_openfeature._engine.operators import OperandError

Json: TypeAlias = Any
Question: TypeAlias = dict[str, Any]

TEXTS = [
    *["", "a", "A", "ab", "abc", "on", "off", "user-1", "user-2", "true", "1", "10", "null"],
    *[" ", "\0"],
    *["é", "e\u0301", "ß", "ſ", "K", "\u212a", "İ", "Ωmega", "日本", "\ufeffx", "\u2028", "\xa0"],
    *["😀", "a😀b", "\U0010ffff", "\ud800", "\udc00", "\ufffd", "a\ud83db", "\udc00\ud800"],
    *["x" * 300],
    *["constructor", "__proto__", "toString", "length"],
]
NUMBERS = [
    *[0, -0.0, 1, 1.0, -1, 2, 10, 10.5, 0.1, 0.30000000000000004, 100, 1000, -5, 18, 21],
    *[2**31, 2**32, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63, 2**64 + 1, 10**16, 10**20],
    *[10**21, 123456789012345680000, 1e-6, 1e-7, 1.5e-9, 5e-324, 1.7976931348623157e308],
    *[float("inf"), float("-inf"), 10**400, -(10**400), 4.35, 1 / 3, 1e22, 12345.678],
]
DATES = [
    *["2026-01-31T12:00:00Z", "2026-01-31t12:00:00z", "2026-01-31T13:00:00+01:00"],
    *["2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00.0009Z", "2026-01-31T12:00:00.001Z"],
    *["2026-01-31T11:59:59.9999999999Z", "2024-02-29T00:00:00Z", "2023-02-29T00:00:00Z"],
    *["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00Z"],
    *["2026-01-31T24:00:00Z", "2026-01-31T12:00:60Z", "2026-01-31T12:00:00+24:00"],
    *["2026-01-31 12:00:00Z", "2026-01-31T12:00Z", "2026-01-31T12:00:00", "2026-01-31"],
    *["2026-01-31T12:00:00.Z", "2026-01-31T12:00:00-00:00", "2026-01-31T12:00:00+0100"],
    *["1900-02-29T00:00:00Z", "2000-02-29T00:00:00Z", "2026-13-01T00:00:00Z"],
    *["２026-01-31T12:00:00Z"],
    *["2026-01-31T12:00:00Z\n", "2026-01-31T12:00:00+23:59", "0099-01-01T00:00:00Z"],
]
VERSIONS = [
    *["1.0.0", "1.0.1", "1.2.3", "1.2.10", "2.0.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta"],
    *["1.0.0-alpha.beta", "1.0.0-1", "1.0.0-10", "1.0.0-9", "1.0.0--", "1.0.0-a-b", "1.0.0+build"],
    *["1.0.0-rc.1+x.y", "0.0.0", "99999999999999999999.0.0", "99999999999999999998.0.0", "v1.0.0"],
    *["1.0", "1", "01.0.0", "1.0.0-01", "1.0.0-", "1.0.0+", "1.0.0-a..b", "1.0.0\n", " 1.0.0"],
    *["1.0.0-" + "9" * 200, "1.0.0-" + "a" * 250, "1.0.0-" + "a" * 251, "1.0.0-A", "1.0.0-Z.a"],
]
ADDRESSES = [
    *["10.0.0.1", "10.1.2.3", "192.168.1.1", "0.0.0.0", "255.255.255.255", "256.0.0.1", "10.0.0"],
    *["010.0.0.1", "10.0.0.1 ", "::", "::1", "2001:db8::1", "2001:DB8:0:0:0:0:0:1"],
    *["::ffff:10.0.0.1"],
    *["::ffff:a00:1", "::10.0.0.1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8"],
    *["1::2:3:4:5:6:7:8", ":::", "1::2::3", "fe80::1%eth0", "12345::", "1:2:3:4:5:6:1.2.3.4", ":1"],
    *["1:", "1:2:3:4:5:6:7:8:9", "::ffff:010.0.0.1", "1.2.3.4::", "::1.2.3.4:5", "١.0.0.1", ""],
    *["0:0:0:0:0:ffff:1.2.3.4", "::fffe:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "::00001"],
]
PREFIXES = [
    "0",
    "1",
    "8",
    "15",
    "24",
    "31",
    "32",
    "33",
    "64",
    "96",
    "127",
    "128",
    "129",
    "08",
    "",
    "-1",
]
NETWORKS = [
    *["10.0.0.0/8", "10.1.2.3/8", "0.0.0.0/0", "::/0", "2001:db8::/32", "::ffff:0:0/96"],
    *["10.0.0.0/255.0.0.0", "10.0.0.0/8/8", "192.168.1.1/32", "::1/128", "10.0.0.0/ 8", "/8"],
]
PATTERNS = [
    *["", "a", "^a", "b$", "^$", "^user-[0-9]+$", "(?i)ABC", "a|b", "[^a]", ".", "(?s)^.$"],
    *["(?m)^b$"],
    *[r"\d", r"\w+", r"\bon\b", r"\x{1F600}", r"[[:alpha:]]", r"\QA.b\E", r"\Q(", r"\z", r"\Z"],
    *[r"\A"],
    *["(a{10}){10}", "(a{10}){11}", "a{100}", "a{101}", "a{2,}", "a{,3}", "a{", "a{2}{3}", "a**"],
    *[r"\1", "(?=a)", "(?<=a)", "(?P<n>a)", "(?<n>a)", r"\p{L}", r"\PL", r"[\pL]", r"\C", r"\\p"],
    *["(", ")", "[", "]", "[a", "a]", "(?", "(?i", "*a", "+", "?", "|", "a||b", "(|a)*", "()"],
    *["[]a]"],
    *["😀", "[😀-😎]", "é", "(?i)é", "(?i)k", "(?i)ß", "\ud800", "\ufffd", r"\377", r"\07", r"\8"],
    *["\\"],
    *["x" * 256, "x" * 257, "(?i)(?s)a", "(?i:a)b", "(?U)a+", "(?x)a", "a{0}", "(a{0}){5}"],
    *["[a-\\d]"],
    *["[b-a]", r"[\Q]\E]", r"\pN", r"[^\x00-\x{10FFFF}]", "(?:a{50}){2}", "a{50}(?i){2}", "a{01}"],
    *[r"\E", r"a\Q\E{2}", r"\Qab\E{2}", "a{1001}", "(?-s).", "(?^i)a", r"\a\f\v", r"[\w-]"],
    *[r"[--a]"],
]
PATTERN_PARTS = [
    *["a", "b", "u", "1", "-", ".", "[ab]", "[^b]", r"\d", r"\w", r"\s", "é", "😀", "^", "$", "|"],
    *["(", ")", "(?:", "(?i)", "(?s:", "*", "+", "?", "*?", "{2}", "{1,3}", "{10}", "{0,}", "{12}"],
    *[r"\b", r"\B", r"\.", r"\Q", r"\E", "[[:digit:]]", r"\x41", r"\x{e9}", "[", "]", "{", "}"],
    *[","],
]
NAMES = [
    *["targetingKey", "plan", "age", "when", "version", "ip", "email", "list", "user.plan"],
    *["a.b.c"],
    *["user", "__proto__", "a.__proto__", "constructor", "a..b", ".", "toString.length", "x.0"],
    *["日本"],
    *["list.length", "user.list"],
]
KEYS = ["f", "g", "h", "i", "j"]
VARIANTS = ["on", "off", "third", "__proto__", "日本"]
UNITS: list[Json] = [
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
OPERATORS: dict[str, str] = {
    **dict.fromkeys(["equals", "notEquals"], "scalar"),
    **dict.fromkeys(["in", "notIn"], "scalars"),
    **dict.fromkeys(["contains", "startsWith", "endsWith"], "text"),
    **dict.fromkeys(["greaterThan", "lessThan", "greaterOrEqual", "lessOrEqual"], "number"),
    "exists": "nothing",
    **dict.fromkeys(["before", "after"], "date"),
    **dict.fromkeys(["semverEquals", "semverGreaterThan", "semverLessThan"], "version"),
    **dict.fromkeys(["semverGreaterOrEqual", "semverLessOrEqual"], "version"),
    "inCidr": "networks",
    "matches": "pattern",
}


def question(random: Random) -> Question:
    """A flag set, a flag of it and a context."""
    keys = KEYS[: random.randint(1, len(KEYS))]
    maker = _Maker(random, keys)
    flag_set: Json = {
        "formatVersion": 1,
        "flags": {key: maker.flag(key) for key in keys},
        "segments": {
            key: maker.segment() for key in ("s", "t")[: random.choice([0, 1, 2, 2, 2, 2])]
        },
    }
    if random.random() < 0.3:
        for _ in range(random.randint(1, 3)):
            flag_set = damaged(flag_set, random)
    flag_key = random.choice(keys) if random.random() < 0.99 else random.choice(TEXTS)
    return {"flagSet": flag_set, "flagKey": flag_key, "context": maker.context()}


class _Maker:
    def __init__(self, random: Random, keys: list[str]) -> None:
        self.random = random
        self.keys = keys
        # Few names in one question, so that conditions and the context meet.
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

    def condition(self, depth: int, *, within_segment: bool = False) -> Json:
        chance = self.random.random()
        if chance < 0.15:
            count = self.random.randint(1, 3)
            members = [
                self.condition(depth + 1, within_segment=within_segment) for _ in range(count)
            ]
            condition: Json = {self.pick(["any", "all"]): members}
        elif chance < 0.23 and not within_segment:
            named = self.random.sample(VARIANTS, self.random.randint(1, 3))
            condition = {"flag": self.pick([*self.keys, "missing"]), "variants": named}
        elif chance < 0.3 and not within_segment:
            condition = {"segment": self.pick(["s", "t"])}
        else:
            condition = self.comparison()
        return condition | ({"not": self.pick([True, False, None])} if self.chance(0.2) else {})

    def comparison(self) -> Json:
        operator = self.pick(list(OPERATORS))
        operand = self.operand(OPERATORS[operator])
        # Most operands are valid, or nearly every flag would be malformed.
        while self.chance(0.95) and not is_operand(operator, operand):
            operand = self.operand(OPERATORS[operator])
        condition = {"attribute": self.pick(self.names), "operator": operator, "value": operand}
        if operator == "exists" and self.chance(0.5):
            del condition["value"]
        return condition

    def operand(self, kind: str) -> Json:
        makers: dict[str, Callable[[], Json]] = {
            "scalar": self.scalar,
            "scalars": lambda: [self.scalar() for _ in range(self.random.randint(0, 5))],
            "text": lambda: self.pick(TEXTS),
            "number": lambda: self.pick(NUMBERS),
            "nothing": lambda: self.pick([None, True, True, False]),
            "date": lambda: self.pick(DATES),
            "version": lambda: self.pick(VERSIONS),
            "networks": self.networks,
            "pattern": self.pattern,
        }
        return makers[kind]()

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

    def attribute(self) -> Json:
        pool = self.pick(
            [TEXTS, NUMBERS, DATES, VERSIONS, ADDRESSES, [True, False, None], ["L", "O"]]
        )
        value = self.pick(pool)
        if value == "L":
            return [self.attribute() for _ in range(self.random.randint(0, 3))]
        if value == "O":
            return {self.pick(["plan", "b", "length", "0", "", "__proto__"]): self.attribute()}
        return value

    def context(self) -> Json:
        if self.chance(0.01):
            return self.pick([None, [], "text", 5, True])
        context = {name: self.attribute() for name in self.names if self.chance(0.8)}
        if self.chance(0.9):
            context["targetingKey"] = self.pick(UNITS)
        for outer, inner in (("user", "plan"), ("a", "b"), ("x", "0"), ("user", "list")):
            if self.chance(0.15):
                context[outer] = {inner: self.pick([self.attribute(), {"c": self.attribute()}])}
        return context

    def segment(self) -> Json:
        count = self.random.randint(1, 3)
        return {"conditions": [self.condition(1, within_segment=True) for _ in range(count)]}


def is_operand(operator: str, operand: Json) -> bool:
    try:
        PREPARED[operator].prepare(operand)
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
    """A copy with one place deleted, replaced, added or doubled."""
    json = copy.deepcopy(json)
    if not (known := list(places(json))):
        return json
    holder, place = random.choice(known)
    change = random.random()
    if change < 0.3:
        del holder[place]
    elif change < 0.7:
        holder[place] = copy.deepcopy(random.choice(REPLACEMENTS))
    elif isinstance(holder, dict):
        holder[random.choice(FIELDS)] = copy.deepcopy(random.choice(REPLACEMENTS))
    else:
        holder.append(copy.deepcopy(holder[place]))
    return json


def places(json: Json) -> Any:
    """Every place within, as its holder and its name or index; outer ones first."""
    if isinstance(json, dict):
        pairs: list[tuple[Any, Any]] = list(json.items())
    else:
        pairs = list(enumerate(json)) if isinstance(json, list) else []
    for name, _ in pairs:
        yield json, name
    for _, member in pairs:
        yield from places(member)

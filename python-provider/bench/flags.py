"""The same flags in the format of each engine, and the same subjects."""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

FLAGS = ["always-on", "one-condition", "rollout", "split", "many-rules"]

COUNTRIES = ["AT", "BE", "CH", "DE", "DK", "ES", "FI", "FR", "GB", "IE", "IT", "NL", "NO", "PL"]
PLANS = ["free", "pro", "team", "enterprise"]

SUBJECTS: list[Json] = [
    {
        "targetingKey": f"user-{number}",
        "country": COUNTRIES[number % len(COUNTRIES)],
        "plan": PLANS[number % len(PLANS)],
        "age": 14 + number % 60,
        "email": f"user-{number}@example.{'org' if number % 3 else 'com'}",
        "beta": number % 2 == 0,
    }
    for number in range(50)
]

# "many-rules" has five rules, of which at most one serves.
LISTED = [f"user-{number}" for number in range(0, 50, 7)]


def pennon() -> Json:
    def boolean(*rules: Json, default: str = "off") -> Json:
        return {
            "type": "boolean",
            "enabled": True,
            "variants": {"on": True, "off": False},
            "defaultVariant": default,
            "rules": [{"id": str(index), **rule} for index, rule in enumerate(rules)],
        }

    def when(*conditions: tuple[str, str, object], **rest: object) -> Json:
        names = ("attribute", "operator", "value")
        fields = [dict(zip(names, condition, strict=True)) for condition in conditions]
        return {"conditions": fields, "variant": "on", **rest}

    thirds = [{"variant": name, "weight": 1} for name in ("red", "green", "blue")]
    return {
        "flags": {
            "always-on": boolean(default="on"),
            "one-condition": boolean(when(("plan", "equals", "pro"))),
            "rollout": boolean(when(percentage=25)),
            "split": {
                **boolean(),
                "type": "string",
                "variants": {"red": "red", "green": "green", "blue": "blue"},
                "defaultVariant": "red",
                "rules": [{"id": "0", "split": thirds}],
            },
            "many-rules": boolean(
                when(("targetingKey", "in", LISTED)),
                when(("country", "in", ["US", "CA"]), ("age", "greaterThan", 21)),
                when(("email", "endsWith", "@pennon.example")),
                when(("plan", "equals", "team"), ("beta", "equals", True)),
                when(("country", "in", COUNTRIES[:7]), ("age", "lessThan", 40)),
            ),
        }
    }


def flagd() -> Json:
    def boolean(targeting: Json | None = None, default: str = "off") -> Json:
        flag = {
            "state": "ENABLED",
            "variants": {"on": True, "off": False},
            "defaultVariant": default,
        }
        return flag if targeting is None else {**flag, "targeting": targeting}

    def var(name: str) -> Json:
        return {"var": name}

    rules: list[Json] = [
        {"in": [var("targetingKey"), LISTED]},
        {"and": [{"in": [var("country"), ["US", "CA"]]}, {">": [var("age"), 21]}]},
        {"ends_with": [var("email"), "@pennon.example"]},
        {"and": [{"==": [var("plan"), "team"]}, {"==": [var("beta"), True]}]},
        {"and": [{"in": [var("country"), COUNTRIES[:7]]}, {"<": [var("age"), 40]}]},
    ]
    chain = [part for rule in rules for part in (rule, "on")]
    return {
        "flags": {
            "always-on": boolean(default="on"),
            "one-condition": boolean({"if": [{"==": [var("plan"), "pro"]}, "on", "off"]}),
            "rollout": boolean({"fractional": [["on", 25], ["off", 75]]}),
            "split": {
                "state": "ENABLED",
                "variants": {"red": "red", "green": "green", "blue": "blue"},
                "defaultVariant": "red",
                "targeting": {"fractional": [["red", 1], ["green", 1], ["blue", 1]]},
            },
            "many-rules": boolean({"if": [*chain, "off"]}),
        }
    }


def growthbook() -> Json:
    def on(**rest: object) -> Json:
        return {"force": True, **rest}

    return {
        "always-on": {"defaultValue": True},
        "one-condition": {"defaultValue": False, "rules": [on(condition={"plan": "pro"})]},
        "rollout": {
            "defaultValue": False,
            "rules": [on(coverage=0.25, hashAttribute="targetingKey")],
        },
        "split": {
            "defaultValue": "red",
            "rules": [
                {
                    "variations": ["red", "green", "blue"],
                    "weights": [1 / 3, 1 / 3, 1 / 3],
                    "hashAttribute": "targetingKey",
                    "key": "split",
                }
            ],
        },
        "many-rules": {
            "defaultValue": False,
            "rules": [
                on(condition={"targetingKey": {"$in": LISTED}}),
                on(condition={"country": {"$in": ["US", "CA"]}, "age": {"$gt": 21}}),
                on(condition={"email": {"$regex": "@pennon\\.example$"}}),
                on(condition={"plan": "team", "beta": True}),
                on(condition={"country": {"$in": COUNTRIES[:7]}, "age": {"$lt": 40}}),
            ],
        },
    }


def unleash() -> Json:
    def strategy(*constraints: tuple[str, str, list[str] | str], rollout: str = "100") -> Json:
        fields = []
        for context_name, operator, value in constraints:
            operand = {"values": value} if isinstance(value, list) else {"value": value}
            fields.append({"contextName": context_name, "operator": operator, **operand})
        parameters = {"rollout": rollout, "stickiness": "userId", "groupId": "flag"}
        return {"name": "flexibleRollout", "parameters": parameters, "constraints": fields}

    def feature(name: str, *strategies: Json) -> Json:
        return {"name": name, "enabled": True, "type": "release", "strategies": strategies}

    thirds = [
        {"name": name, "weight": 333, "weightType": "variable", "stickiness": "userId"}
        for name in ("red", "green", "blue")
    ]
    return {
        "version": 2,
        "features": [
            feature("always-on", {"name": "default", "parameters": {}}),
            feature("one-condition", strategy(("plan", "IN", ["pro"]))),
            feature("rollout", strategy(rollout="25")),
            {**feature("split", {"name": "default", "parameters": {}}), "variants": thirds},
            feature(
                "many-rules",
                strategy(("userId", "IN", LISTED)),
                strategy(("country", "IN", ["US", "CA"]), ("age", "NUM_GT", "21")),
                strategy(("email", "STR_ENDS_WITH", ["@pennon.example"])),
                strategy(("plan", "IN", ["team"]), ("beta", "IN", ["true"])),
                strategy(("country", "IN", COUNTRIES[:7]), ("age", "NUM_LT", "40")),
            ),
        ],
    }

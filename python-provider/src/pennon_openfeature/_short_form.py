"""Flags in the short form that people write in files, filled in to the full form."""

from __future__ import annotations

from itertools import count
from typing import Any

_CONDITION = ("attribute", "operator", "value")


def filled_in(flags: dict[str, Any]) -> dict[str, Any]:
    """Every flag in the full form; what is not understood stays, for the engine to refuse."""
    return {key: _flag(flag) if isinstance(flag, dict) else flag for key, flag in flags.items()}


def _flag(flag: dict[str, Any]) -> dict[str, Any]:
    rules = flag.get("rules")
    filled = {**flag, **_values(flag)}
    if isinstance(rules, list):
        ids = _free_ids(rules)
        filled["rules"] = [_rule(rule, ids) if isinstance(rule, dict) else rule for rule in rules]
    return filled


def _values(flag: dict[str, Any]) -> dict[str, Any]:
    """A flag that says neither its variants nor another type is boolean."""
    kind = flag.get("type") or "boolean"
    if kind != "boolean" or flag.get("variants") is not None:
        return {}
    # On where nobody is singled out, off where rules say who gets it.
    default = flag["defaultVariant"] if "defaultVariant" in flag else _default(flag)
    return {"type": kind, "variants": {"on": True, "off": False}, "defaultVariant": default}


def _default(flag: dict[str, Any]) -> str:
    return "off" if flag.get("rules") else "on"


def _rule(raw: dict[str, Any], free_ids: Any) -> dict[str, Any]:
    rule = {name: value for name, value in raw.items() if value is not None}
    if "attribute" in rule and "conditions" not in rule:
        rule["conditions"] = [{name: rule.pop(name) for name in _CONDITION if name in rule}]
    if "variant" not in rule and "split" not in rule:
        rule["variant"] = "on"
    return rule if "id" in rule else {"id": next(free_ids), **rule}


def _free_ids(rules: list[Any]) -> Any:
    """`rule-1`, `rule-2`, …: the same ids for the same rules, and never one that is taken."""
    taken = {str(rule.get("id")) for rule in rules if isinstance(rule, dict)}
    return (name for name in (f"rule-{number}" for number in count(1)) if name not in taken)

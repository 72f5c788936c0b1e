"""The short form of flags, as people write it in files, expanded to the full form."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

_CONDITION_FIELDS = ("attribute", "operator", "value")


def expand_short_form(flag: object) -> object:
    """A flag in the full form. Invalid fields are left for `compile` to report."""
    if not isinstance(flag, dict):
        return flag
    rules = flag.get("rules")
    expanded = {**flag, **_boolean_fields(flag)}
    if isinstance(rules, list):
        ids = _unused_ids(rules)
        expanded["rules"] = [
            _expand_rule(rule, ids) if isinstance(rule, dict) else rule for rule in rules
        ]
    return expanded


def _boolean_fields(flag: dict[str, Any]) -> dict[str, Any]:
    """A flag without variants and without another type is boolean."""
    flag_type = flag.get("type") or "boolean"
    if flag_type != "boolean" or flag.get("variants") is not None:
        return {}
    default = flag["defaultVariant"] if "defaultVariant" in flag else _default_variant(flag)
    return {"type": flag_type, "variants": {"on": True, "off": False}, "defaultVariant": default}


def _default_variant(flag: dict[str, Any]) -> str:
    """`off` if rules select who gets the flag, otherwise `on` for everyone."""
    return "off" if flag.get("rules") else "on"


def _expand_rule(fields: dict[str, Any], unused_ids: Iterator[str]) -> dict[str, Any]:
    rule = {name: value for name, value in fields.items() if value is not None}
    if "attribute" in rule and "conditions" not in rule:
        rule["conditions"] = [{name: rule.pop(name) for name in _CONDITION_FIELDS if name in rule}]
    if "variant" not in rule and "split" not in rule:
        rule["variant"] = "on"
    return rule if "id" in rule else {"id": next(unused_ids), **rule}


def _unused_ids(rules: list[Any]) -> Iterator[str]:
    """Yields `rule-1`, `rule-2`, … except ids that are taken, so equal rules get equal ids."""
    taken = {str(rule.get("id")) for rule in rules if isinstance(rule, dict)}
    return (name for name in (f"rule-{number}" for number in count(1)) if name not in taken)

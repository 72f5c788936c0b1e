"""The difference between two flag sets."""

from __future__ import annotations

from typing import Any

from pennon_openfeature._engine import (
    FlagSetChanges,
    compile,  # noqa: A004
    diff_flag_sets,
    evaluate,
    same_json,
)

FLAG = {
    "type": "boolean",
    "enabled": True,
    "variants": {"on": True, "off": False},
    "defaultVariant": "on",
}


def flag_with(condition: dict[str, Any]) -> dict[str, Any]:
    rule = {"id": "r", "conditions": [{"any": [condition]}], "variant": "off"}
    return {**FLAG, "rules": [rule]}


def flag_on(key: str) -> dict[str, Any]:
    return flag_with({"flag": key, "variants": ["on"]})


PREVIOUS: dict[str, Any] = {
    "removed": FLAG,
    "replaced": FLAG,
    "on-removed": flag_on("removed"),
    "on-added": flag_on("added"),
    "on-replaced": flag_on("replaced"),
    "on-on-replaced": flag_on("on-replaced"),
    "unrelated": FLAG,
}
CURRENT: dict[str, Any] = {
    **{key: flag for key, flag in PREVIOUS.items() if key != "removed"},
    "added": FLAG,
    "replaced": {**FLAG, "enabled": False},
}


def test_changed_flags_and_all_that_depend_on_them_are_affected() -> None:
    diff = diff_flag_sets({"flags": PREVIOUS}, {"flags": CURRENT})
    assert diff.changed == FlagSetChanges(frozenset({"added", "removed", "replaced"}), frozenset())
    assert diff.affected == (CURRENT.keys() | {"removed"}) - {"unrelated"}


def test_flags_that_refer_to_a_changed_segment_are_affected() -> None:
    flags = {
        "direct": flag_with({"segment": "payers"}),
        "indirect": flag_on("direct"),
        "other": flag_with({"segment": "others"}),
    }
    before = {"flags": flags, "segments": {"payers": {"conditions": []}, "others": {}}}
    after = {"flags": flags, "segments": {"payers": {"conditions": [1]}, "others": {}}}
    diff = diff_flag_sets(before, after)
    assert diff.changed == FlagSetChanges(frozenset(), frozenset({"payers"}))
    assert diff.affected == {"direct", "indirect"}


def test_a_new_version_alone_affects_neither_the_flag_nor_its_dependents() -> None:
    flags = {"edited": FLAG, "on-edited": flag_on("edited"), "payer": flag_with({"segment": "s"})}
    segment = {"conditions": [{"attribute": "a", "operator": "exists"}], "version": 1}
    before = {"flags": flags, "segments": {"s": segment}}
    after = {
        "flags": {**flags, "edited": {**FLAG, "version": 2, "description": "new"}},
        "segments": {"s": {**segment, "version": 2}},
    }
    diff = diff_flag_sets(before, after)
    assert diff.changed == FlagSetChanges(frozenset({"edited"}), frozenset({"s"}))
    assert diff.affected == frozenset()


def test_only_the_keys_of_the_hint_are_compared() -> None:
    hint = FlagSetChanges(frozenset({"added", "unrelated", "unknown"}), frozenset())
    diff = diff_flag_sets({"flags": PREVIOUS}, {"flags": CURRENT}, hint)
    assert diff.changed == FlagSetChanges(frozenset({"added"}), frozenset())
    assert diff.affected == {"added", "on-added"}


def test_a_flag_set_does_not_differ_from_an_equal_one() -> None:
    reordered = {key: dict(reversed(flag.items())) for key, flag in reversed(PREVIOUS.items())}
    diff = diff_flag_sets({"flags": PREVIOUS}, {"flags": reordered})
    assert (diff.changed.flags, diff.affected) == (frozenset(), frozenset())


def test_unaffected_flags_have_equal_results() -> None:
    previous, current = {"flags": PREVIOUS}, {"flags": CURRENT}
    unaffected = CURRENT.keys() - diff_flag_sets(previous, current).affected
    compiled = compile(previous), compile(current)
    for key in unaffected:
        before, after = (evaluate(each, key, {}) for each in compiled)
        assert before == after


def test_all_flags_are_affected_if_there_is_no_previous_flag_set() -> None:
    assert diff_flag_sets(None, {"flags": CURRENT}).affected == CURRENT.keys()
    assert diff_flag_sets({"flags": CURRENT}, None).affected == CURRENT.keys()


def test_a_value_that_is_too_deep_counts_as_changed() -> None:
    def nested() -> Any:
        value: Any = 1
        for _ in range(100_000):
            value = [value]
        return value

    diff = diff_flag_sets({"flags": {"deep": nested()}}, {"flags": {"deep": nested()}})
    assert diff.changed.flags == {"deep"}


def test_values_are_compared_as_json() -> None:
    assert same_json({"a": [1, 2.0]}, {"a": [1.0, 2]})
    assert not same_json(1, True)
    assert not same_json(0, False)
    assert not same_json([], {})
    assert not same_json({"a": None}, {})

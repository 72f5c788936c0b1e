"""Properties of the engine that hold for every input."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import strategies as st
from json_forms import evaluation_json
from properties import given

from pennon_openfeature._engine import Served, compile, evaluate  # noqa: A004
from pennon_openfeature._engine.hash import DRAWS, draw, draw_seed
from pennon_openfeature._engine.text import number_text, well_formed
from pennon_openfeature._engine.values import InvalidValueError, copy_json

any_text = st.text(st.characters(exclude_categories=()))
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)
field_names = st.sampled_from(
    "type enabled variants defaultVariant rules seed metadata id conditions variant split weight "
    "percentage bucketBy attribute operator value segment flag any all not key".split()
)
json_of_flags = st.recursive(
    any_json | st.sampled_from(["boolean", "on", "equals", "in", "matches", "f", "s"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(field_names, inner, max_size=6),
    max_leaves=20,
)


def flag_with(rule: dict[str, Any]) -> dict[str, Any]:
    return {
        "flags": {
            "f": {
                "type": "string",
                "enabled": True,
                "variants": {"a": "A", "b": "B", "c": "C"},
                "defaultVariant": None,
                "rules": [{"id": "r", **rule}],
            }
        }
    }


def variant_for(rule: dict[str, Any], targeting_key: object) -> str | None:
    result = evaluate(compile(flag_with(rule)), "f", {"targetingKey": targeting_key})
    return result.variant if isinstance(result, Served) else None


@given(any_json, any_json)
def test_compiling_and_evaluating_never_raise_for_any_json(flag_set: Any, context: Any) -> None:
    evaluate(compile(flag_set), "f", context)


@given(json_of_flags, json_of_flags, any_json)
def test_compiling_and_evaluating_never_raise_for_any_flag_or_segment(
    flag: Any, segment: Any, context: Any
) -> None:
    compiled = compile({"flags": {"f": flag, "g": flag}, "segments": {"s": segment}})
    result = evaluation_json(evaluate(compiled, "f", context))
    assert (result.get("errorCode") == "PARSE_ERROR") == (
        "f" in {problem.flag_key for problem in compiled.problems}
    )


def test_deeply_nested_json_neither_raises_nor_overflows_the_stack() -> None:
    deep: Any = 1
    group: Any = {"attribute": "a", "operator": "exists"}
    for _ in range(100_000):
        deep = {"deeper": [deep]}
        group = {"any": [group]}
    flag = {"type": "object", "enabled": True, "variants": {"on": deep}, "defaultVariant": "on"}
    compiled = compile({"flags": {"deep": flag, "g": {**flag, "rules": [{"conditions": [group]}]}}})
    assert evaluate(compiled, "deep", {"targetingKey": deep}).reason == "ERROR"
    assert {problem.flag_key for problem in compiled.problems} == {"deep", "g"}


def test_a_chain_of_ten_thousand_flags_does_not_overflow_the_stack() -> None:
    chain = flag_with({"variant": "a"})["flags"]
    for number in range(10_000):
        below = "f" if number == 0 else str(number - 1)
        condition = {"flag": below, "variants": ["a"]}
        chain[str(number)] = flag_with({"conditions": [condition], "variant": "a"})["flags"]["f"]
    compiled = compile({"flags": chain})
    assert len({problem.flag_key for problem in compiled.problems}) == 10_000 - 10
    assert isinstance(evaluate(compiled, "9", {}), Served)


@given(any_text, any_text, st.sampled_from([0, 1]))
def test_a_draw_is_an_integer_below_100_000(value: str, seed: str, which: int) -> None:
    assert 0 <= draw(value, draw_seed(seed, which)) < DRAWS


@given(any_text)
def test_a_text_and_its_well_formed_copy_have_the_same_draw(text: str) -> None:
    assert draw(text, 1) == draw(well_formed(text), 1)
    assert well_formed(text).encode().decode() == well_formed(well_formed(text))


@given(st.text(min_size=1), st.integers(0, 100_000), st.integers(0, 100_000))
def test_raising_a_percentage_only_adds_subjects(key: str, one: int, other: int) -> None:
    low, high = sorted((one, other))
    if variant_for({"variant": "a", "percentage": low / 1000}, key):
        assert variant_for({"variant": "a", "percentage": high / 1000}, key)


@given(st.text(min_size=1), st.lists(st.integers(0, 30_000), min_size=3, max_size=3))
def test_weights_never_change_who_is_admitted(key: str, weights: list[int]) -> None:
    split = [{"variant": v, "weight": w} for v, w in zip("abc", weights, strict=True)]
    split[0]["weight"] = weights[0] + 1
    divided = variant_for({"split": split, "percentage": 50}, key)
    assert (divided is None) == (variant_for({"variant": "a", "percentage": 50}, key) is None)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number_parses_to_the_same_number(number: float) -> None:
    text = number_text(number)
    assert float(text) == number
    assert not text.endswith(".0")


def test_the_text_of_a_number_is_that_of_ecmascript() -> None:
    texts = {
        1.0: "1",
        -0.0: "0",
        1e16: "10000000000000000",
        123456789012345680000.0: "123456789012345680000",
        1e21: "1e+21",
        1.5e300: "1.5e+300",
        0.000001: "0.000001",
        1e-7: "1e-7",
        -1.25e-9: "-1.25e-9",
        5e-324: "5e-324",
        0.1: "0.1",
        -1234.5: "-1234.5",
    }
    assert {number: number_text(number) for number in texts} == texts


@given(any_json)
def test_a_copy_is_equal_and_shares_no_mutable_object(value: Any) -> None:
    with suppress(InvalidValueError):
        copy = copy_json([value])
        assert copy_json(copy) == copy
        assert copy_json(copy) is not copy


def test_a_pattern_never_matches_between_the_bytes_of_one_character() -> None:
    def matches(pattern: str, text: str) -> bool:
        condition = {"attribute": "text", "operator": "matches", "value": pattern}
        compiled = compile(flag_with({"conditions": [condition], "variant": "a"}))
        return isinstance(evaluate(compiled, "f", {"text": text}), Served)

    assert not matches(r"\B", "a😀b")
    assert matches(r"\B", "a😀")
    assert matches(r"\B", "😀b")
    assert matches(r"\Bb", "ab")
    assert matches(r"é\Bé", "éé")

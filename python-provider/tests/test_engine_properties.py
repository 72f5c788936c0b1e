"""What must hold of the engine for every input."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from wire import answer_json

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


def variant_of(rule: dict[str, Any], unit: object) -> str | None:
    answer = evaluate(compile(flag_with(rule)), "f", {"targetingKey": unit})
    return answer.variant if isinstance(answer, Served) else None


@given(any_json, any_json)
def test_no_json_at_all_makes_compiling_or_evaluating_raise(flag_set: Any, context: Any) -> None:
    evaluate(compile(flag_set), "f", context)


@given(json_of_flags, json_of_flags, any_json)
def test_no_flag_and_no_segment_makes_compiling_or_evaluating_raise(
    flag: Any, segment: Any, context: Any
) -> None:
    compiled = compile({"flags": {"f": flag, "g": flag}, "segments": {"s": segment}})
    answer = answer_json(evaluate(compiled, "f", context))
    assert (answer.get("errorCode") == "PARSE_ERROR") == (
        "f" in {problem.flag_key for problem in compiled.problems}
    )


def test_json_of_any_depth_neither_raises_nor_overflows_the_stack() -> None:
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
def test_a_draw_is_a_whole_number_below_a_hundred_thousand(unit: str, seed: str, n: int) -> None:
    assert 0 <= draw(unit, draw_seed(seed, n)) < DRAWS


@given(any_text)
def test_text_and_its_well_formed_self_draw_alike(unit: str) -> None:
    assert draw(unit, 1) == draw(well_formed(unit), 1)
    assert well_formed(unit).encode().decode() == well_formed(well_formed(unit))


@given(st.text(min_size=1), st.integers(0, 100_000), st.integers(0, 100_000))
def test_raising_a_percentage_only_adds_subjects(unit: str, one: int, other: int) -> None:
    low, high = sorted((one, other))
    if variant_of({"variant": "a", "percentage": low / 1000}, unit):
        assert variant_of({"variant": "a", "percentage": high / 1000}, unit)


@given(st.text(min_size=1), st.lists(st.integers(0, 30_000), min_size=3, max_size=3))
def test_weights_never_change_who_is_admitted(unit: str, weights: list[int]) -> None:
    split = [{"variant": v, "weight": w} for v, w in zip("abc", weights, strict=True)]
    split[0]["weight"] = weights[0] + 1
    divided = variant_of({"split": split, "percentage": 50}, unit)
    assert (divided is None) == (variant_of({"variant": "a", "percentage": 50}, unit) is None)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_written_with_the_digits_that_give_it_back(number: float) -> None:
    written = number_text(number)
    assert float(written) == number
    assert written[-2:] != ".0"


def test_numbers_are_written_as_ecmascript_writes_them() -> None:
    written = {
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
    assert {number: number_text(number) for number in written} == written


@given(any_json)
def test_a_copy_is_equal_and_shares_nothing_that_can_change(value: Any) -> None:
    with suppress(InvalidValueError):
        copy = copy_json([value])
        assert copy_json(copy) == copy
        assert copy_json(copy) is not copy


def test_a_pattern_never_holds_between_the_bytes_of_one_character() -> None:
    def holds(pattern: str, text: str) -> bool:
        condition = {"attribute": "text", "operator": "matches", "value": pattern}
        compiled = compile(flag_with({"conditions": [condition], "variant": "a"}))
        return isinstance(evaluate(compiled, "f", {"text": text}), Served)

    assert not holds(r"\B", "a😀b")
    assert holds(r"\B", "a😀")
    assert holds(r"\B", "😀b")
    assert holds(r"\Bb", "ab")
    assert holds(r"é\Bé", "éé")

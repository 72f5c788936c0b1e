"""Numbers that a double cannot represent are refused in offline files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import SteadyProvider
from hypothesis import strategies as st
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import GeneralError
from properties import given
from repository import read_spec

from pennon_openfeature import PennonProvider
from pennon_openfeature._engine.exact_numbers import find_inexact_numbers, is_inexact
from pennon_openfeature._errors import SyncError
from pennon_openfeature._flag_file import read_cache_file, read_flag_file

CASES = read_spec("exact-numbers.json")


@pytest.mark.parametrize("text", CASES["inexact"])
def test_a_number_that_a_double_cannot_represent_is_found(text: str) -> None:
    (found,) = find_inexact_numbers(f'{{"a": [true, {{"b\\"": "x,{{", "c": {text}}}]}}')
    assert (found.path, found.text) == (("a", 1, "c"), text)


@pytest.mark.parametrize("text", CASES["exact"])
def test_another_number_is_not_found(text: str) -> None:
    assert find_inexact_numbers(f"[{text}]") == []


@pytest.mark.parametrize("place", CASES["places"], ids=[each["json"] for each in CASES["places"]])
def test_the_path_of_a_number_is_found(place: dict[str, Any]) -> None:
    assert [list(each.path) for each in find_inexact_numbers(place["json"])] == [place["path"]]


@pytest.mark.parametrize("case", CASES["yaml"], ids=[each["yaml"] for each in CASES["yaml"]])
def test_a_yaml_file_is_refused_with_the_field_and_the_remedy(
    tmp_path: Path, case: dict[str, Any]
) -> None:
    file = tmp_path / "flags.yaml"
    file.write_text(case["yaml"])
    if "path" not in case:
        assert read_flag_file(file).flags
        return
    with pytest.raises(SyncError, match=f"{case['path']} is .*write it as text"):
        read_flag_file(file)


@pytest.mark.parametrize("case", CASES["flags"], ids=[str(each) for each in CASES["flags"]])
def test_the_option_flags_is_refused_with_the_field_and_the_remedy(case: dict[str, Any]) -> None:
    if "path" not in case:
        PennonProvider(flags=case["flags"])
        return
    with pytest.raises(ValueError, match=f"flags: {case['path']} is .*write it as text"):
        PennonProvider(flags=case["flags"])


@pytest.mark.parametrize(
    "number", [2.0**53, 2**70, 10**400, 10**5_000], ids=["double", "wide", "infinite", "endless"]
)
def test_values_that_json_text_would_not_keep_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match=r"f\.id\.0 is .*write it as text"):
        PennonProvider(flags={"f": {"id": [number]}})


@pytest.mark.parametrize("number", [1e21, 0.1, 2**53 - 1, -0.0])
def test_other_values_are_accepted(number: float) -> None:
    PennonProvider(flags={"f": {"id": (number,)}})


def test_digits_in_text_are_not_numbers() -> None:
    assert find_inexact_numbers(json.dumps({"9007199254740993": '"9007199254740993'})) == []


@given(st.integers(2**53, 10**30), st.booleans())
def test_every_integer_beyond_the_safe_ones_is_inexact(integer: int, is_negative: bool) -> None:
    assert is_inexact(str(-integer if is_negative else integer))


# JSON writes the doubles between as integers.
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(FLOATS.filter(lambda number: not 2**53 <= abs(number) < 1e21))
def test_the_text_of_every_other_double_is_exact(number: float) -> None:
    assert find_inexact_numbers(json.dumps([number])) == []


def test_an_offline_file_is_refused_with_the_field_and_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "flags.json"
    file.write_text('{"flags": {"f": {"enabled": true, "metadata": {"id": 9007199254740993}}}}')
    with pytest.raises(SyncError, match=r"flags\.f\.metadata\.id is 9007.*: write it as text"):
        read_flag_file(file)


VARIANTS = {"a": 9007199254740993}
FLAG = {"type": "number", "enabled": True, "variants": VARIANTS, "defaultVariant": "a"}
EXPORTED = {"formatVersion": 1, "flags": {"f": FLAG}}
MESSAGE = r"flags\.f\.variants\.a is 9007.*: write it as text"


def test_a_file_in_the_full_form_is_refused_if_a_person_has_edited_its_numbers(
    tmp_path: Path,
) -> None:
    file = tmp_path / "flags.json"
    file.write_text(json.dumps(EXPORTED))
    with pytest.raises(SyncError, match=MESSAGE):
        read_flag_file(file)
    assert read_cache_file(file, "key").flag_set.flags["f"] == FLAG


@pytest.mark.parametrize("number", [2**53, 1152921504606847000, -100000000000000000000], ids=str)
def test_a_server_may_have_written_a_rounded_number(tmp_path: Path, number: int) -> None:
    file = tmp_path / "flags.json"
    file.write_text(json.dumps(EXPORTED).replace("9007199254740993", str(number)))
    assert read_flag_file(file).flags["f"]["variants"] == {"a": number}


@pytest.mark.parametrize("form", ["file", "object"])
def test_the_option_bootstrap_is_refused(
    tmp_path: Path, unreachable_url: str, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    file = tmp_path / "flags.json"
    file.write_text(json.dumps(EXPORTED))
    options: dict[str, Any] = {
        "bootstrap": file if form == "file" else {"flags": EXPORTED["flags"]}
    }
    provider = SteadyProvider(url=unreachable_url, key="key", init_timeout_ms=50, **options)
    with pytest.raises(GeneralError):
        provider.initialize(EvaluationContext())
    assert re.search(MESSAGE, caplog.text)
    provider.shutdown()

"""Numbers that a double cannot represent are refused in offline files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pennon_openfeature._engine.exact_numbers import find_inexact_numbers, is_inexact
from pennon_openfeature._errors import SyncError
from pennon_openfeature._flag_file import read_flag_file


@pytest.mark.parametrize(
    "text",
    [
        "9007199254740992",
        "-9007199254740993",
        "9007199254740993.0",
        "9007199254740991.5",
        "9007199254740993e0",
        "90071992547409930e-1",
        "1e400",
        "1" + "0" * 400,
    ],
)
def test_a_number_that_a_double_cannot_represent_is_found(text: str) -> None:
    (found,) = find_inexact_numbers(f'{{"a": [true, {{"b\\"": "x,{{", "c": {text}}}]}}')
    assert (found.path, found.text) == (("a", 1, "c"), text)


@pytest.mark.parametrize(
    "text",
    ["9007199254740991", "0.1", "0.10000000000000001", "1e21", "1.0E+21", "1e-400", "-0"],
)
def test_another_number_is_not_found(text: str) -> None:
    assert find_inexact_numbers(f"[{text}]") == []


def test_digits_in_text_are_not_numbers() -> None:
    assert find_inexact_numbers(json.dumps({"9007199254740993": '"9007199254740993'})) == []


@given(st.integers(2**53, 10**30), st.booleans())
def test_every_integer_beyond_the_safe_ones_is_inexact(integer: int, is_negative: bool) -> None:
    assert is_inexact(str(-integer if is_negative else integer))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_every_double_is_exact(number: float) -> None:
    assert find_inexact_numbers(json.dumps([number])) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("flags.json", '{"flags": {"f": {"enabled": true, "metadata": {"id": 9007199254740993}}}}'),
        ("flags.yaml", "flags:\n  f: { enabled: true, metadata: { id: 9007199254740993 } }"),
        ("flags.yaml", "flags:\n  f: { enabled: true, metadata: { id: 9007199254740993.0 } }"),
    ],
)
def test_an_offline_file_is_refused_with_the_field_and_the_remedy(
    tmp_path: Path, name: str, text: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    place = r"(flags\.f\.metadata\.id|number on line 2)"
    with pytest.raises(SyncError, match=place + r" is 9007199254740993.*: write it as text"):
        read_flag_file(file)


def test_a_file_of_a_server_may_have_such_numbers(tmp_path: Path) -> None:
    variants = {"a": 9007199254740992}
    flag = {"type": "number", "enabled": True, "variants": variants, "defaultVariant": "a"}
    file = tmp_path / "flags.json"
    file.write_text(json.dumps({"formatVersion": 1, "flags": {"f": flag}}))
    assert read_flag_file(file).flags["f"] == flag

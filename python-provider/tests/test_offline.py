"""Offline mode: a file instead of a server."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import EventRecorder, SteadyProvider, Use, eventually
from flag_server import boolean_flag
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import GeneralError
from openfeature.provider import ProviderStatus

from pennon_openfeature._json import parse_json
from pennon_openfeature._yaml import parse_yaml


def rewrite(file: Path, text: str) -> None:
    """Replaces the file atomically, as editors do."""
    draft = file.with_suffix(".new")
    draft.write_text(text, "utf-8")
    os.replace(draft, file)


def test_a_json_file_from_the_server_is_read(
    client: OpenFeatureClient, use: Use, tmp_path: Path
) -> None:
    file = tmp_path / "flags.json"
    flags = {"new-checkout": boolean_flag(version=3)}
    envelope = {"formatVersion": 1, "environment": "dev", "id": "x", "revision": 5, "segments": {}}
    file.write_text(json.dumps({**envelope, "flags": flags}))
    provider = use(SteadyProvider(offline_file=file))
    details = client.get_boolean_details("new-checkout", False)
    assert details.value is True
    assert details.flag_metadata == {"version": 3, "flagSetId": "dev"}
    assert (provider.freshness().mode, provider.freshness().revision) == ("file", 5)


SHORT = """
flags:
  new-checkout:
    enabled: true
    rules:
      - attribute: plan
        operator: equals
        value: pro
      - attribute: country
        operator: in
        value: [no, on]
        variant: on
  theme:
    enabled: yes please
  since:
    enabled: true
    type: string
    variants: {off: 2026-01-31, on: "on"}
    defaultVariant: off
"""


def test_flags_in_the_short_form_are_read_from_yaml(
    client: OpenFeatureClient, use: Use, tmp_path: Path
) -> None:
    file = tmp_path / "flags.yaml"
    file.write_text(SHORT)
    use(SteadyProvider(offline_file=file))
    contexts = [{"plan": "pro"}, {"plan": "free"}, {"country": "no"}]
    values = [
        client.get_boolean_value("new-checkout", False, EvaluationContext(None, attributes))
        for attributes in contexts
    ]
    assert values == [True, False, True]
    assert client.get_string_value("since", "") == "2026-01-31"
    assert client.get_boolean_details("theme", False).error_code == "PARSE_ERROR"


def test_edits_are_followed_and_reported(
    client: OpenFeatureClient, use: Use, tmp_path: Path
) -> None:
    file = tmp_path / "flags.json"
    file.write_text(json.dumps({"flags": {"a": boolean_flag(), "b": boolean_flag()}}))
    use(SteadyProvider(offline_file=file))
    recorder = EventRecorder(client)
    rewrite(file, json.dumps({"flags": {"a": boolean_flag("off"), "b": boolean_flag()}}))
    eventually(lambda: client.get_boolean_value("a", True) is False)
    eventually(lambda: recorder.changed_flags() == [["a"]])


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"flags": []}', '{"flags": {}, "formatVersion": 2}']
)
def test_a_malformed_edit_keeps_the_last_good_flags_and_is_reported(
    client: OpenFeatureClient, use: Use, tmp_path: Path, damage: str
) -> None:
    file = tmp_path / "flags.json"
    good = json.dumps({"flags": {"a": boolean_flag()}})
    file.write_text(good)
    provider = use(SteadyProvider(offline_file=file))
    rewrite(file, damage)
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    assert client.get_boolean_value("a", False) is True
    assert "last good" in str(provider.freshness().last_error)
    rewrite(file, good + " ")
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)


def test_a_file_that_is_moved_away_and_back_is_read_again(
    client: OpenFeatureClient, use: Use, tmp_path: Path
) -> None:
    file, elsewhere = tmp_path / "flags.json", tmp_path / "elsewhere"
    file.write_text('{"flags": {"new-checkout": {"enabled": true}}}')
    use(SteadyProvider(offline_file=file))
    file.rename(elsewhere)
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    assert client.get_boolean_value("new-checkout", False) is True
    elsewhere.rename(file)
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_file_that_hangs_is_an_error_after_the_time_limit(domain: str, tmp_path: Path) -> None:
    pipe = tmp_path / "flags.json"
    os.mkfifo(pipe)
    provider = SteadyProvider(offline_file=pipe, init_timeout_ms=50)
    with pytest.raises(GeneralError, match="within 50 ms: the offline file has not responded"):
        api.set_provider_and_wait(provider, domain)
    provider.shutdown()


@pytest.mark.parametrize("content", [None, "{", '{"flags": 1}'])
def test_a_file_that_cannot_be_read_at_the_start_is_an_error(
    domain: str, tmp_path: Path, content: Any
) -> None:
    file = tmp_path / "flags.json"
    if content is not None:
        file.write_text(content)
    provider = SteadyProvider(offline_file=file)
    with pytest.raises(GeneralError, match="offline file"):
        api.set_provider_and_wait(provider, domain)
    provider.shutdown()


def test_the_bootstrap_is_used_until_the_file_can_be_read(
    client: OpenFeatureClient, use: Use, tmp_path: Path
) -> None:
    file = tmp_path / "flags.json"
    provider = use(SteadyProvider(offline_file=file, bootstrap={"flags": {"a": boolean_flag()}}))
    assert client.get_boolean_value("a", False) is True
    assert (provider.freshness().source, provider.freshness().revision) == ("bootstrap", None)
    file.write_text(json.dumps({"flags": {"a": boolean_flag("off")}}))
    eventually(lambda: client.get_boolean_value("a", True) is False)
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)


@pytest.mark.parametrize("bootstrap", ["missing.json", {"flags": 1}, {"formatVersion": 2}])
def test_an_invalid_bootstrap_is_ignored_if_the_file_is_valid(
    client: OpenFeatureClient, use: Use, tmp_path: Path, bootstrap: Any
) -> None:
    file = tmp_path / "flags.json"
    file.write_text('{"flags": {"new-checkout": {"enabled": true}}}')
    provider = use(SteadyProvider(offline_file=file, bootstrap=bootstrap))
    assert client.get_boolean_value("new-checkout", False) is True
    assert "bootstrap" in str(provider.freshness().last_error)


def test_the_problem_of_a_flag_is_reported_in_freshness(use: Use, tmp_path: Path) -> None:
    file = tmp_path / "flags.json"
    file.write_text(json.dumps({"flags": {"a": boolean_flag("onn")}}))
    error = use(SteadyProvider(offline_file=file)).freshness().last_error
    assert error is not None
    assert 'flag "a": defaultVariant' in error.message


def test_a_file_with_a_format_version_is_not_expanded(
    client: OpenFeatureClient, use: Use, tmp_path: Path
) -> None:
    file = tmp_path / "flags.json"
    file.write_text(json.dumps({"formatVersion": 1, "flags": {"short": {"enabled": True}}}))
    use(SteadyProvider(offline_file=file))
    assert client.get_boolean_details("short", False).error_code == "PARSE_ERROR"


def test_yaml_is_parsed_as_version_1_2() -> None:
    text = """
text: [on, no, y, 1:30, 2026-01-31, 1_000, 0b1, "true", <<]
numbers: [012, 0o17, 0xff, -1, +2, 1e3, 1.5, .5, .inf]
others: [true, FALSE, null, ~, ]
"""
    assert parse_yaml(text) == {
        "text": ["on", "no", "y", "1:30", "2026-01-31", "1_000", "0b1", "true", "<<"],
        "numbers": [12, 15, 255, -1, 2, 1000.0, 1.5, 0.5, float("inf")],
        "others": [True, False, None, None],
    }


def test_keys_in_yaml_become_the_text_that_json_writes() -> None:
    text = "{1: a, true: b, 1.50: c, 1e21: d, ~: e}"
    assert list(parse_yaml(text)) == ["1", "true", "1.5", "1e+21", ""]
    with pytest.raises(ValueError, match="same key twice"):
        parse_yaml("{1: a, 1.0: b}")


def test_a_surrogate_pair_in_yaml_is_one_character() -> None:
    assert parse_yaml(r'"\ud83d\ude00"') == "\U0001f600"


@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_a_number_of_any_length_affects_only_its_flag(
    client: OpenFeatureClient, use: Use, tmp_path: Path, ending: str
) -> None:
    file = tmp_path / f"flags.{ending}"
    number = {"type": "number", "enabled": True, "variants": {"a": 7}, "defaultVariant": "a"}
    text = json.dumps({"flags": {"big": number, "other": {"enabled": True}}})
    # Some editors write a byte order mark.
    file.write_text(text.replace("7", "7" * 5_000), "utf-8-sig")
    use(SteadyProvider(offline_file=file))
    assert client.get_boolean_value("other", False) is True
    assert client.get_float_details("big", 1.0).error_code == "PARSE_ERROR"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_nan_and_infinity_are_not_valid_json(constant: str) -> None:
    with pytest.raises(ValueError, match="not valid JSON"):
        parse_json(f'{{"a": {constant}}}')


@pytest.mark.parametrize("damage", ["a: 1\na: 2", "a: [", "!!python/object:os.system {}", "{a"])
def test_invalid_yaml_and_duplicate_keys_are_rejected(damage: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_yaml(damage)

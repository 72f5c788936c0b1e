"""Flags that an application passes itself, as its tests do."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from conftest import EventRecorder, SteadyProvider, Use, eventually
from flag_server import boolean_flag
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider import ProviderStatus

from pennon_openfeature import PennonProvider


def test_the_values_of_flags_are_returned(client: OpenFeatureClient, use: Use) -> None:
    theme = {"color": "blue", "sizes": [1, 2]}
    use(PennonProvider(flags={"a": True, "b": False, "c": "x", "d": 7, "e": 0.5, "f": theme}))
    assert client.get_boolean_value("a", False) is True
    assert client.get_boolean_value("b", True) is False
    assert client.get_string_value("c", "") == "x"
    assert client.get_integer_value("d", 0) == 7
    assert client.get_float_value("e", 0.0) == 0.5
    assert client.get_object_value("f", {}) == theme
    assert client.get_boolean_details("a", False).variant == "on"
    assert client.get_boolean_details("missing", False).error_code == "FLAG_NOT_FOUND"
    assert client.get_provider_status() == ProviderStatus.READY


def test_flags_in_the_short_and_in_the_full_form_are_evaluated(
    client: OpenFeatureClient, use: Use
) -> None:
    rule = {"attribute": "plan", "operator": "equals", "value": "pro"}
    flags = {
        "short": {"enabled": True, "rules": [rule]},
        "disabled": {"enabled": False},
        "full": boolean_flag("off", metadata={"team": "checkout"}, version=3),
    }
    use(PennonProvider(flags=flags))
    assert client.get_boolean_value("short", False, EvaluationContext("ada", {"plan": "pro"}))
    assert not client.get_boolean_value("short", True, EvaluationContext("bob", {"plan": "free"}))
    assert client.get_boolean_details("disabled", True).reason == "DISABLED"
    details = client.get_boolean_details("full", True)
    assert (details.value, details.reason) == (False, "STATIC")
    assert details.flag_metadata == {"team": "checkout", "version": 3}


def test_set_flags_replaces_all_flags_and_reports_those_that_changed(
    client: OpenFeatureClient, use: Use
) -> None:
    provider = use(SteadyProvider(flags={"same": True, "changed": True, "removed": True}))
    recorder = EventRecorder(client)
    provider.set_flags({"same": True, "changed": False, "added": 1})
    eventually(lambda: recorder.changed_flags() == [["added", "changed", "removed"]])
    assert client.get_boolean_value("changed", True) is False
    assert client.get_boolean_details("removed", False).error_code == "FLAG_NOT_FOUND"
    assert client.get_integer_value("added", 0) == 1
    provider.set_flags({"same": True, "changed": False, "added": 1})
    provider.set_flags({})
    eventually(lambda: recorder.changed_flags()[1:] == [["added", "changed", "same"]])


def test_flags_survive_a_shutdown(client: OpenFeatureClient, use: Use) -> None:
    provider = use(PennonProvider(flags={"a": 1}))
    provider.set_flags({"a": 2})
    provider.shutdown()
    provider.set_flags({"a": 3})
    provider.initialize(EvaluationContext())
    assert provider.evaluate("a").enabled is True
    assert client.get_integer_value("a", 0) == 3


def test_the_application_may_modify_its_flags_afterwards(
    client: OpenFeatureClient, use: Use
) -> None:
    flags = {"a": True}
    use(PennonProvider(flags=flags))
    flags["a"] = False
    assert client.get_boolean_value("a", False) is True


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"a": {"enabled": True, "defaultVariant": "onn"}}, 'flag "a": defaultVariant'),
        ({"a": None}, 'flag "a": must be a flag, or its value'),
        ({"a": {"enabled": "x"}}, 'flag "a": must have true or false as "enabled"'),
        ({"a": {"enabled": None}}, 'must have true or false as "enabled"'),
        (
            {"a": {"enabled": True, "defaultVarient": "off"}},
            'there is no field "defaultVarient"; did you mean "defaultVariant"',
        ),
        (
            {"a": {"enabled": True, "colour": "red"}},
            'there is no field "colour"; the fields are key, ',
        ),
        ({"a": {"defaultVariant": "x"}}, 'must have true or false as "enabled"'),
        ({"a": float("nan")}, 'flag "a"'),
        ({"a": [1]}, 'flag "a": must be a flag, or its value'),
        ({1: True}, "flags cannot have the key 1: "),
        ([], "flags must be a mapping"),
    ],
)
def test_malformed_flags_are_refused_and_the_current_flags_remain(
    client: OpenFeatureClient, use: Use, flags: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        PennonProvider(flags=flags)
    provider = use(PennonProvider(flags={"a": True}))
    with pytest.raises(ValueError, match=message):
        provider.set_flags(flags)
    assert client.get_boolean_value("a", False) is True


def test_a_provider_with_a_server_has_no_flags_to_set(tmp_path: Any) -> None:
    for provider in (
        PennonProvider(url="http://x", key="k"),
        PennonProvider(offline_file=tmp_path / "flags.json"),
    ):
        with pytest.raises(ValueError, match="requires a provider with the option flags"):
            provider.set_flags({})


def test_no_thread_is_started(use: Use) -> None:
    before = set(threading.enumerate())
    provider = use(PennonProvider(flags={"a": True}))
    provider.set_flags({"a": False})
    started = {each.name for each in set(threading.enumerate()) - before}
    assert not any(name.startswith("pennon") for name in started)
    assert (provider.freshness().mode, provider.freshness().source) == ("flags", "flags")

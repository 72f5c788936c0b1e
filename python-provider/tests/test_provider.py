"""Evaluation, contexts, changes and options, without failures."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from typing import Any

import pytest
from conftest import EventRecorder, QuickProvider, Use, eventually, provider_for, streaming
from flag_server import FlagServer, boolean_flag
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from openfeature.provider import ProviderStatus

from pennon_openfeature import PennonProvider
from pennon_openfeature._engine import Failed


def flag_of_type(flag_type: str, value: Any) -> dict[str, Any]:
    return {"type": flag_type, "enabled": True, "variants": {"it": value}, "defaultVariant": "it"}


FLAGS = {
    "bool": boolean_flag(),
    "text": flag_of_type("string", "blue"),
    "whole": flag_of_type("number", 10),
    "whole-float": flag_of_type("number", 10.0),
    "fraction": flag_of_type("number", 0.5),
    "object": flag_of_type("object", {"list": [1, {"deep": True}]}),
    "code-default": {**boolean_flag(), "defaultVariant": None},
    "disabled": {**boolean_flag(), "enabled": False},
    "broken": {"type": "boolean"},
    "divided": boolean_flag(rules=[{"id": "half", "variant": "on", "percentage": 50}]),
}


@pytest.fixture
def server() -> Any:
    with FlagServer(FLAGS) as running:
        yield running


def test_each_type_is_resolved(server: FlagServer, client: OpenFeatureClient, use: Use) -> None:
    use(provider_for(server))
    assert client.get_boolean_value("bool", False) is True
    assert client.get_string_value("text", "") == "blue"
    assert client.get_integer_value("whole", 0) == 10
    assert client.get_float_value("fraction", 0.0) == 0.5
    assert client.get_object_value("object", {}) == {"list": [1, {"deep": True}]}


def test_whole_numbers_are_converted_between_int_and_float(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(provider_for(server))
    as_float = client.get_float_value("whole", 0.0)
    assert (as_float, type(as_float)) == (10.0, float)
    as_int = client.get_integer_value("whole-float", 0)
    assert (as_int, type(as_int)) == (10, int)


@pytest.mark.parametrize(
    ("flag", "get_details"),
    [
        ("bool", lambda client, key: client.get_integer_details(key, 7)),
        ("bool", lambda client, key: client.get_float_details(key, 7.0)),
        ("whole", lambda client, key: client.get_boolean_details(key, True)),
        ("fraction", lambda client, key: client.get_integer_details(key, 7)),
        ("text", lambda client, key: client.get_object_details(key, {"a": 1})),
        ("object", lambda client, key: client.get_string_details(key, "default")),
    ],
)
def test_a_value_of_another_type_is_a_mismatch_and_the_default_value_applies(
    server: FlagServer, client: OpenFeatureClient, use: Use, flag: str, get_details: Any
) -> None:
    use(provider_for(server))
    details = get_details(client, flag)
    assert (details.error_code, details.reason) == (ErrorCode.TYPE_MISMATCH, Reason.ERROR)
    assert details.value in (7, 7.0, True, {"a": 1}, "default")
    assert f'"{flag}"' in details.error_message


def test_details_contain_reason_variant_and_metadata(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.flags["bool"] = boolean_flag(version=7, metadata={"team": "checkout"})
    use(provider_for(server))
    details = client.get_boolean_details("bool", False)
    assert (details.reason, details.variant) == (Reason.STATIC, "on")
    assert details.flag_metadata == {"team": "checkout", "version": 7, "flagSetId": "production"}


def test_the_metadata_names_the_rule_that_served(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    pro = {"attribute": "plan", "operator": "equals", "value": "pro"}
    rules = [{"id": "payers", "conditions": [pro], "variant": "on"}]
    server.flags["bool"] = boolean_flag("off", version=7, rules=rules)
    use(provider_for(server))
    details = client.get_boolean_details("bool", False, EvaluationContext("ada", {"plan": "pro"}))
    assert details.reason == Reason.TARGETING_MATCH
    assert details.flag_metadata == {"version": 7, "flagSetId": "production", "ruleId": "payers"}


@pytest.mark.parametrize(
    ("flag", "reason"), [("code-default", Reason.DEFAULT), ("disabled", Reason.DISABLED)]
)
def test_the_default_value_applies_without_an_error_if_no_variant_is_served(
    server: FlagServer, client: OpenFeatureClient, use: Use, flag: str, reason: Reason
) -> None:
    use(provider_for(server))
    details = client.get_boolean_details(flag, True)
    assert (details.value, details.reason, details.error_code) == (True, reason, None)


@pytest.mark.parametrize("key", [None, 5, object()])
def test_a_key_that_is_not_text_is_not_that_of_a_flag(key: Any) -> None:
    provider = PennonProvider(flags={"None": True})
    provider.initialize(EvaluationContext())
    result = provider.evaluate(key)
    assert isinstance(result, Failed)
    assert result.error_code == "FLAG_NOT_FOUND"
    assert result.error_message == f"there is no flag with a key of the type {type(key).__name__}"


@pytest.mark.parametrize(
    ("flag", "code"),
    [
        ("missing", ErrorCode.FLAG_NOT_FOUND),
        ("__proto__", ErrorCode.FLAG_NOT_FOUND),
        ("broken", ErrorCode.PARSE_ERROR),
        ("divided", ErrorCode.TARGETING_KEY_MISSING),
    ],
)
def test_the_default_value_applies_with_an_error_if_evaluation_fails(
    server: FlagServer, client: OpenFeatureClient, use: Use, flag: str, code: ErrorCode
) -> None:
    use(provider_for(server))
    details = client.get_boolean_details(flag, True)
    assert (details.value, details.error_code) == (True, code)
    assert flag in (details.error_message or "")


def test_the_async_resolvers_return_the_same_results(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(provider_for(server))

    async def evaluate() -> list[Any]:
        mismatch = await client.get_boolean_details_async("text", True)
        return [
            await client.get_boolean_value_async("bool", False),
            await client.get_string_value_async("text", ""),
            await client.get_integer_value_async("whole", 0),
            await client.get_float_value_async("whole", 0.0),
            await client.get_object_value_async("object", {}),
            (mismatch.value, mismatch.error_code),
        ]

    values = asyncio.run(evaluate())
    assert values[:4] == [True, "blue", 10, 10.0]
    assert values[5] == (True, ErrorCode.TYPE_MISMATCH)


def test_modifying_an_object_value_does_not_affect_other_evaluations(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(provider_for(server))
    value: Any = client.get_object_value("object", {})
    value["list"].append("added")
    assert client.get_object_value("object", {}) == {"list": [1, {"deep": True}]}


class Plan(str, Enum):
    PRO = "pro"


@pytest.mark.parametrize(
    ("condition", "attributes"),
    [
        (
            {"attribute": "when", "operator": "equals", "value": "2026-01-31T11:00:00.123Z"},
            {"when": datetime(2026, 1, 31, 12, 0, 0, 123999, timezone(timedelta(hours=1)))},
        ),
        (
            {"attribute": "when", "operator": "before", "value": "2026-01-31T12:00:00.001Z"},
            {"when": datetime(2026, 1, 31, 12)},
        ),
        (
            {"attribute": "when", "operator": "equals", "value": "2026-01-31T00:00:00.000Z"},
            {"when": date(2026, 1, 31)},
        ),
        (
            {"attribute": "when", "operator": "exists", "not": True},
            {"when": datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))},
        ),
        ({"attribute": "plan", "operator": "equals", "value": "pro"}, {"plan": Plan.PRO}),
        ({"attribute": "list", "operator": "equals", "value": "b"}, {"list": ("a", "b")}),
        ({"attribute": "user.plan", "operator": "equals", "value": "x"}, {"user": {"plan": "x"}}),
        ({"attribute": "odd", "operator": "exists", "not": True}, {"odd": object()}),
        ({"attribute": "targetingKey", "operator": "equals", "value": "ada"}, {}),
    ],
)
def test_values_in_contexts_are_converted_to_json(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    condition: dict[str, Any],
    attributes: dict[str, Any],
) -> None:
    rule = {"id": "r", "conditions": [condition], "variant": "on"}
    server.flags["conditional"] = boolean_flag("off", rules=[rule])
    use(provider_for(server))
    assert client.get_boolean_value("conditional", False, EvaluationContext("ada", attributes))


def test_a_recursive_context_does_not_fail(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(provider_for(server))
    deep: Any = {}
    deep["self"] = deep
    assert client.get_boolean_value("bool", False, EvaluationContext("ada", {"deep": deep}))


def test_tracking_does_nothing_and_does_not_raise(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(provider_for(server))
    client.track("bought", EvaluationContext("ada"))


def test_modifying_details_does_not_affect_other_evaluations(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(provider_for(server))
    fields = dataclasses.asdict(client.get_boolean_details("bool", False))
    fields["flag_metadata"]["flagSetId"] = "another"
    details = client.get_boolean_details("bool", False)
    assert details.flag_metadata["flagSetId"] == "production"


def test_one_provider_serves_two_domains_and_survives_the_end_of_one(
    server: FlagServer, domain: str
) -> None:
    rules = [{"attribute": "user", "operator": "equals", "value": "ada"}]
    server.flags = {
        "for-ada": {
            **boolean_flag("off"),
            "rules": [{"id": "ada", "conditions": rules, "variant": "on"}],
        }
    }
    provider = provider_for(server)
    domains = [f"{domain}-{number}" for number in range(2)]
    ada, bob = (api.get_client(each) for each in domains)
    for each in domains:
        api.set_provider_and_wait(provider, each)
    ada.context = EvaluationContext("ada", {"user": "ada"})
    bob.context = EvaluationContext("bob", {"user": "bob"})
    assert (ada.get_boolean_value("for-ada", False), bob.get_boolean_value("for-ada", True)) == (
        True,
        False,
    )
    assert server.requests["flag-set"] == 1
    api.set_provider_and_wait(QuickProvider(flags={}), domains[0])
    eventually(streaming(provider))
    server.change({"for-ada": boolean_flag()})
    eventually(lambda: bob.get_boolean_value("for-ada", False))
    assert bob.get_provider_status() == ProviderStatus.READY
    provider.shutdown()


def test_an_edit_without_an_effect_is_not_reported_and_the_version_is_current(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.flags = {"new-checkout": boolean_flag(version=1)}
    provider = use(provider_for(server))
    recorder = EventRecorder(client)
    eventually(streaming(provider))
    server.change({"new-checkout": boolean_flag(version=2)})
    eventually(lambda: provider.freshness().revision == 2)
    details = client.get_boolean_details("new-checkout", False)
    assert details.flag_metadata["version"] == 2
    server.change({"new-checkout": boolean_flag(version=3, metadata={"team": "checkout"})})
    server.change({"new-checkout": boolean_flag("off", version=4)})
    eventually(lambda: len(recorder.changed_flags()) >= 2)
    assert recorder.changed_flags() == [["new-checkout"], ["new-checkout"]]

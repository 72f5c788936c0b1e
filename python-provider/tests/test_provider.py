"""What an application gets from the provider, in process, while all is well."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from typing import Any

import pytest
from conftest import Listened, QuickProvider, connected, eventually
from flag_server import KEY, FlagServer, boolean_flag
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from openfeature.provider import ProviderStatus

from pennon_openfeature import PennonProvider, Served

Use = Callable[[PennonProvider], PennonProvider]


def typed(kind: str, value: Any) -> dict[str, Any]:
    return {"type": kind, "enabled": True, "variants": {"it": value}, "defaultVariant": "it"}


FLAGS = {
    "bool": boolean_flag(),
    "text": typed("string", "blue"),
    "whole": typed("number", 10),
    "whole-float": typed("number", 10.0),
    "fraction": typed("number", 0.5),
    "object": typed("object", {"list": [1, {"deep": True}]}),
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
    use(connected(server))
    assert client.get_boolean_value("bool", False) is True
    assert client.get_string_value("text", "") == "blue"
    assert client.get_integer_value("whole", 0) == 10
    assert client.get_float_value("fraction", 0.0) == 0.5
    assert client.get_object_value("object", {}) == {"list": [1, {"deep": True}]}


def test_an_int_for_a_float_flag_is_coerced_and_a_whole_float_for_an_int_flag(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(connected(server))
    as_float = client.get_float_value("whole", 0.0)
    assert (as_float, type(as_float)) == (10.0, float)
    as_int = client.get_integer_value("whole-float", 0)
    assert (as_int, type(as_int)) == (10, int)


@pytest.mark.parametrize(
    ("flag", "ask"),
    [
        ("bool", lambda client, key: client.get_integer_details(key, 7)),
        ("bool", lambda client, key: client.get_float_details(key, 7.0)),
        ("whole", lambda client, key: client.get_boolean_details(key, True)),
        ("fraction", lambda client, key: client.get_integer_details(key, 7)),
        ("text", lambda client, key: client.get_object_details(key, {"a": 1})),
        ("object", lambda client, key: client.get_string_details(key, "mine")),
    ],
)
def test_another_type_than_was_asked_for_is_a_mismatch_and_answers_the_default_value(
    server: FlagServer, client: OpenFeatureClient, use: Use, flag: str, ask: Any
) -> None:
    use(connected(server))
    details = ask(client, flag)
    assert (details.error_code, details.reason) == (ErrorCode.TYPE_MISMATCH, Reason.ERROR)
    assert details.value in (7, 7.0, True, {"a": 1}, "mine")
    assert f'"{flag}"' in details.error_message


def test_reasons_variants_and_metadata_are_told(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.flags["bool"] = boolean_flag(version=7, metadata={"team": "checkout"})
    use(connected(server))
    details = client.get_boolean_details("bool", False)
    assert (details.reason, details.variant) == (Reason.STATIC, "on")
    assert details.flag_metadata == {"team": "checkout", "version": 7, "flagSetId": "production"}


@pytest.mark.parametrize(
    ("flag", "reason"), [("code-default", Reason.DEFAULT), ("disabled", Reason.DISABLED)]
)
def test_a_flag_that_serves_no_variant_answers_the_default_value_without_an_error(
    server: FlagServer, client: OpenFeatureClient, use: Use, flag: str, reason: Reason
) -> None:
    use(connected(server))
    details = client.get_boolean_details(flag, True)
    assert (details.value, details.reason, details.error_code) == (True, reason, None)


@pytest.mark.parametrize(
    ("flag", "code"),
    [
        ("missing", ErrorCode.FLAG_NOT_FOUND),
        ("__proto__", ErrorCode.FLAG_NOT_FOUND),
        ("broken", ErrorCode.PARSE_ERROR),
        ("divided", ErrorCode.TARGETING_KEY_MISSING),
    ],
)
def test_a_flag_that_cannot_be_decided_answers_the_default_value_and_says_why(
    server: FlagServer, client: OpenFeatureClient, use: Use, flag: str, code: ErrorCode
) -> None:
    use(connected(server))
    details = client.get_boolean_details(flag, True)
    assert (details.value, details.error_code) == (True, code)
    assert flag in (details.error_message or "")


def test_the_async_resolvers_answer_as_the_others_do(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(connected(server))

    async def ask() -> list[Any]:
        mismatch = await client.get_boolean_details_async("text", True)
        return [
            await client.get_boolean_value_async("bool", False),
            await client.get_string_value_async("text", ""),
            await client.get_integer_value_async("whole", 0),
            await client.get_float_value_async("whole", 0.0),
            await client.get_object_value_async("object", {}),
            (mismatch.value, mismatch.error_code),
        ]

    answers = asyncio.run(ask())
    assert answers[:4] == [True, "blue", 10, 10.0]
    assert answers[5] == (True, ErrorCode.TYPE_MISMATCH)


def test_what_an_application_does_to_an_object_value_reaches_nobody_else(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(connected(server))
    mine: Any = client.get_object_value("object", {})
    mine["list"].append("mine")
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
def test_contexts_are_read_in_the_words_of_json(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    condition: dict[str, Any],
    attributes: dict[str, Any],
) -> None:
    rule = {"id": "r", "conditions": [condition], "variant": "on"}
    server.flags["asks"] = boolean_flag("off", rules=[rule])
    use(connected(server))
    assert client.get_boolean_value("asks", False, EvaluationContext("ada", attributes))


def test_a_context_of_any_depth_is_survived(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(connected(server))
    deep: Any = {}
    deep["again"] = deep
    assert client.get_boolean_value("bool", False, EvaluationContext("ada", {"deep": deep}))


def test_tracking_does_nothing_and_does_not_raise(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(connected(server))
    client.track("bought", EvaluationContext("ada"))


def test_a_change_arrives_and_names_exactly_the_flags_that_changed(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(connected(server))
    listened = Listened(client)
    eventually(lambda: provider.freshness().mode == "streaming")
    server.change({"bool": boolean_flag("off"), "text": None, "new": boolean_flag()})
    eventually(lambda: client.get_boolean_value("bool", True) is False)
    eventually(lambda: listened.changed() == [["bool", "new", "text"]])
    assert client.get_string_details("text", "mine").error_code == ErrorCode.FLAG_NOT_FOUND


def test_flags_that_depend_on_what_changed_are_named_too(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    payers = {"conditions": [{"attribute": "plan", "operator": "equals", "value": "pro"}]}
    server.segments["payers"] = payers
    rule = {"id": "r", "conditions": [{"segment": "payers"}], "variant": "on"}
    on_flag = {"id": "r", "conditions": [{"flag": "a", "variants": ["on"]}], "variant": "on"}
    server.flags |= {
        "a": boolean_flag("off", rules=[rule]),
        "b": boolean_flag("off", rules=[on_flag]),
    }
    provider = use(connected(server))
    listened = Listened(client)
    eventually(lambda: provider.freshness().mode == "streaming")
    server.change(segments={"payers": {"conditions": [{**payers["conditions"][0], "not": True}]}})
    eventually(lambda: listened.changed() == [["a", "b"]])
    assert client.get_boolean_value("b", False) is True


def test_several_flags_are_read_from_one_revision(server: FlagServer, use: Use) -> None:
    provider = use(connected(server))
    eventually(lambda: provider.freshness().mode == "streaming")
    snapshot = provider.snapshot()
    server.change({"bool": boolean_flag("off")})
    eventually(lambda: provider.snapshot().revision == 2)
    before, after = snapshot.evaluate("bool"), provider.evaluate("bool", {"targetingKey": "ada"})
    assert isinstance(before, Served)
    assert isinstance(after, Served)
    assert (snapshot.revision, before.value, after.value) == (1, True, False)


def test_several_providers_live_in_one_process(server: FlagServer) -> None:
    with FlagServer({"bool": boolean_flag("off")}) as other:
        providers = {"one": connected(server), "other": connected(other)}
        for name, provider in providers.items():
            api.set_provider_and_wait(provider, name)
        answers = [api.get_client(name).get_boolean_value("bool", False) for name in providers]
        for provider in providers.values():
            provider.shutdown()
    assert answers == [True, False]


def test_the_environment_of_a_key_of_all_environments_is_named(
    server: FlagServer, use: Use
) -> None:
    use(connected(server, environment="blue & green"))
    assert server.asked[0][0] == "/api/v1/flag-set?environment=blue%20%26%20green"


def test_a_provider_that_was_shut_down_can_be_used_again(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(connected(server))
    provider.shutdown()
    assert provider.freshness().mode == "stopped"
    details = provider.resolve_boolean_details("bool", False)
    assert details.error_code == ErrorCode.PROVIDER_NOT_READY
    provider.initialize(EvaluationContext())
    assert provider.resolve_boolean_details("bool", False).value is True
    assert client.get_provider_status() == ProviderStatus.READY


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "url and key"),
        ({"url": "http://x"}, "together"),
        ({"url": "flags.example.com", "key": KEY}, "https://"),
        ({"url": "http://x:99999", "key": KEY}, "https://"),
        ({"url": "http://[::1", "key": KEY}, "https://"),
        ({"url": 5, "key": KEY}, "https://"),
        ({"url": "http://x", "key": "a b"}, "visible"),
        ({"url": "http://x", "key": 5}, "visible"),
        ({"url": "http://x", "key": KEY, "mode": "magic"}, "in-process"),
        ({"url": "http://x", "key": KEY, "init_timeout_ms": 0}, "init_timeout_ms"),
        ({"url": "http://x", "key": KEY, "init_timeout_ms": "5"}, "init_timeout_ms"),
        ({"url": "http://x", "key": KEY, "poll_interval_ms": float("inf")}, "poll_interval_ms"),
        ({"url": "http://x", "key": KEY, "cache_ttl_ms": None}, "cache_ttl_ms"),
        ({"url": "http://x", "key": KEY, "cache_entries": -1}, "cache_entries"),
        ({"url": "http://x", "key": KEY, "offline_file": "f.json"}, "uses no server"),
        ({"offline_file": "f.json", "mode": "remote"}, "remote"),
    ],
)
def test_options_that_cannot_be_are_refused_at_once(options: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        QuickProvider(**options)


def test_the_key_is_nowhere_to_be_read() -> None:
    provider = QuickProvider(url="http://x", key=KEY)
    assert KEY not in repr(provider)
    assert KEY not in repr(vars(provider))


def test_details_are_the_applications_own(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(connected(server))
    written = dataclasses.asdict(client.get_boolean_details("bool", False))
    written["flag_metadata"]["flagSetId"] = "another"
    details = client.get_boolean_details("bool", False)
    assert details.flag_metadata["flagSetId"] == "production"

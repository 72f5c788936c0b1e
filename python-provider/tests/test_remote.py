"""Remote mode: the server decides, and the provider remembers for a while."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from conftest import QuickProvider, connected, eventually
from flag_server import KEY, FlagServer, answers, boolean_flag, send_json, silent, trickling
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, GeneralError, ProviderFatalError
from openfeature.provider import ProviderStatus

from pennon_openfeature import PennonProvider

Use = Callable[[PennonProvider], PennonProvider]

HALF = {"id": "half", "variant": "on", "percentage": 50}
FLAGS = {
    "new-checkout": boolean_flag(version=4, metadata={"team": "checkout"}),
    "divided": boolean_flag("off", rules=[HALF]),
    "broken": {"type": "boolean"},
    "disabled": {**boolean_flag(), "enabled": False},
}


@pytest.fixture
def server() -> Iterator[FlagServer]:
    with FlagServer(FLAGS) as running:
        yield running


def remote(server: FlagServer, **options: Any) -> QuickProvider:
    return connected(server, mode="remote", **{"request_timeout_ms": 300, **options})


def test_the_server_is_asked_and_its_answer_told(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(remote(server))
    details = client.get_boolean_details("new-checkout", False)
    assert (details.value, details.reason, details.variant) == (True, "STATIC", "on")
    assert details.flag_metadata["team"] == "checkout"
    assert client.get_boolean_details("disabled", True).reason == "DISABLED"


@pytest.mark.parametrize(
    ("flag", "code"),
    [
        ("missing", ErrorCode.FLAG_NOT_FOUND),
        ("broken", ErrorCode.PARSE_ERROR),
        ("divided", ErrorCode.TARGETING_KEY_MISSING),
    ],
)
def test_what_the_server_cannot_decide_is_told_as_it_says(
    server: FlagServer, client: OpenFeatureClient, use: Use, flag: str, code: ErrorCode
) -> None:
    use(remote(server))
    details = client.get_boolean_details(flag, True)
    assert (details.value, details.error_code) == (True, code)
    assert client.get_provider_status() == ProviderStatus.READY


def test_the_same_question_is_asked_once_and_another_context_is_another_question(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(remote(server))
    eventually(lambda: server.open_streams() == 1 and provider.freshness().revision == 1)
    for _ in range(100):
        client.get_boolean_value("new-checkout", False, EvaluationContext("ada", {"a": 1, "b": 2}))
        client.get_boolean_value("new-checkout", False, EvaluationContext("ada", {"b": 2, "a": 1}))
    assert server.requests["evaluate"] == 1
    client.get_boolean_value("new-checkout", False, EvaluationContext("bob"))
    assert server.requests["evaluate"] == 2


def test_an_answer_is_asked_for_again_after_its_time(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(remote(server, cache_ttl_ms=0.001))
    client.get_boolean_value("new-checkout", False)
    client.get_boolean_value("new-checkout", False)
    assert server.requests["evaluate"] == 2


def test_a_change_drops_what_is_remembered(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(remote(server))
    eventually(lambda: provider.freshness().revision == 1)
    assert client.get_boolean_value("new-checkout", False) is True
    server.change({"new-checkout": boolean_flag("off")})
    eventually(lambda: client.get_boolean_value("new-checkout", True) is False)


def test_an_answer_of_a_server_that_lags_behind_a_change_does_not_last(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(remote(server))
    eventually(lambda: server.open_streams() == 1 and provider.freshness().revision == 1)

    def as_before(request: BaseHTTPRequestHandler) -> None:
        send_json(
            request, 200, {"enabled": True, "reason": "STATIC", "variant": "on", "value": True}
        )

    server.faults["evaluate"] = as_before
    server.change({"new-checkout": boolean_flag("off")})
    eventually(lambda: provider.freshness().revision == 2)
    assert client.get_boolean_value("new-checkout", False) is True
    server.faults = {}
    eventually(lambda: client.get_boolean_value("new-checkout", True) is False, seconds=2)
    assert server.requests["evaluate"] == 2


def test_no_more_than_so_many_answers_are_remembered(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(remote(server, cache_entries=2))
    eventually(lambda: provider.freshness().revision == 1)
    for key in ("a", "b", "c", "c", "b", "a"):
        client.get_boolean_value("new-checkout", False, EvaluationContext(key))
    assert server.requests["evaluate"] == 4


def test_where_the_server_cannot_be_asked_the_flags_that_are_here_decide(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(remote(server))
    server.faults["evaluate"] = answers(503)
    assert client.get_boolean_value("new-checkout", False) is True
    assert client.get_boolean_details("disabled", False).reason == "DISABLED"
    assert client.get_provider_status() == ProviderStatus.READY


def test_with_a_key_that_may_only_evaluate_the_last_answer_serves_and_is_stale(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = {"flag-set": answers(403), "flag-set/stream": answers(403)}
    use(remote(server, cache_ttl_ms=0.001))
    assert client.get_boolean_value("new-checkout", False) is True
    server.faults["evaluate"] = answers(503)
    assert client.get_boolean_value("new-checkout", False) is True
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    details = client.get_boolean_details("disabled", True)
    assert (details.value, details.error_code) == (True, ErrorCode.GENERAL)
    del server.faults["evaluate"]
    eventually(lambda: client.get_boolean_details("disabled", True).error_code is None)
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)


def test_a_question_that_is_refused_says_so_and_others_are_still_asked(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(remote(server))
    server.faults["evaluate"] = answers(413)
    details = client.get_boolean_details("new-checkout", False)
    assert (details.value, details.error_code) == (False, ErrorCode.INVALID_CONTEXT)
    server.faults = {}
    assert client.get_boolean_value("new-checkout", False) is True


def test_what_json_has_no_word_for_is_missing(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(remote(server))
    odd: Any = {"nan": float("nan"), "list": [float("inf"), {"deep": float("-inf")}]}
    assert client.get_boolean_details("new-checkout", False, EvaluationContext("ada", odd)).value
    assert server.requests["evaluate"] == 1


def test_nobody_waits_long_for_a_silent_server(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(remote(server))
    released = threading.Event()
    server.faults["evaluate"] = silent(released)
    began = time.monotonic()
    assert client.get_boolean_value("new-checkout", False) is True
    assert client.get_boolean_value("disabled", True) is True
    assert time.monotonic() - began < 2
    released.set()


def test_nobody_waits_long_for_an_answer_that_comes_byte_by_byte(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = {"flag-set": answers(403), "flag-set/stream": answers(403)}
    use(remote(server))
    server.faults["evaluate"] = trickling
    began = time.monotonic()
    details = client.get_boolean_details("new-checkout", False)
    assert (details.error_code, details.value) == (ErrorCode.GENERAL, False)
    assert "within 300 ms" in str(details.error_message)
    context = EvaluationContext("ada")
    asked = asyncio.run(client.get_boolean_details_async("new-checkout", False, context))
    assert (asked.error_code, asked.value) == (ErrorCode.GENERAL, False)
    assert time.monotonic() - began < 2


def test_a_start_is_bounded_where_the_answer_to_the_probe_comes_byte_by_byte(
    server: FlagServer, domain: str
) -> None:
    server.faults = {"flag-set": answers(403), "flag-set/stream": answers(403)}
    server.faults["evaluations"] = trickling
    provider = remote(server, init_timeout_ms=200)
    began = time.monotonic()
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider, domain)
    assert time.monotonic() - began < 2
    provider.shutdown()


def test_nothing_is_kept_of_those_who_ask_while_the_server_is_left_alone(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = {"flag-set": answers(403), "flag-set/stream": answers(403)}
    provider = use(remote(server))
    server.faults["evaluate"] = answers(503, retry_after="100")
    provider.evaluate("new-checkout")
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(1_000):
        provider.evaluate("new-checkout")
    gc.collect()
    assert len(gc.get_objects()) < before + 500


def test_a_number_that_is_not_finite_hides_what_a_path_would_lead_to(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    asks = {"attribute": "a.b", "operator": "exists"}
    rules = [{"id": "r", "variant": "off", "conditions": [asks]}]
    server.flags = {"new-checkout": boolean_flag(rules=rules)}
    use(remote(server))
    for number in (float("nan"), 10**400, 10**5_000):
        odd: Any = {"a.b": number, "a": {"b": 1}, "un": {"sayable", 1}}
        assert (
            client.get_boolean_value("new-checkout", False, EvaluationContext("ada", odd)) is True
        )


def test_a_refused_key_is_fatal(client: OpenFeatureClient, server: FlagServer, domain: str) -> None:
    provider = QuickProvider(url=server.url, key="another-key", mode="remote")
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider, domain)
    assert client.get_provider_status() == ProviderStatus.FATAL
    provider.shutdown()


def test_a_key_that_may_only_evaluate_is_enough(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = {"flag-set": answers(403), "flag-set/stream": answers(403)}
    use(remote(server))
    assert client.get_boolean_value("new-checkout", False) is True
    assert client.get_provider_status() == ProviderStatus.READY


def test_initialize_is_bounded(server: FlagServer, domain: str) -> None:
    server.faults = dict.fromkeys(("flag-set", "flag-set/stream", "evaluations"), answers(500))
    provider = remote(server, init_timeout_ms=150)
    with pytest.raises(GeneralError, match="within 150 ms"):
        api.set_provider_and_wait(provider, domain)
    provider.shutdown()


def test_the_async_resolvers_do_not_hold_the_loop_while_the_server_is_asked(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(remote(server))
    released = threading.Event()
    server.faults["evaluate"] = silent(released)

    async def ask() -> list[str]:
        order: list[str] = []

        async def evaluate() -> None:
            await client.get_boolean_value_async("new-checkout", True)
            order.append("answer")

        async def other() -> None:
            await asyncio.sleep(0)
            order.append("loop")
            released.set()

        await asyncio.gather(evaluate(), other())
        return order

    assert asyncio.run(ask()) == ["loop", "answer"]


def test_many_threads_get_their_own_answers(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(connected(server))
    subjects = [f"user-{number}" for number in range(200)]
    expected = [provider.evaluate("divided", {"targetingKey": each}).enabled for each in subjects]
    asking = PennonProvider(url=server.url, key=KEY, mode="remote", cache_ttl_ms=0.001)
    use(asking)
    with ThreadPoolExecutor(16) as pool:
        answered = list(
            pool.map(lambda each: asking.evaluate("divided", {"targetingKey": each}), subjects)
        )
    assert [answer.enabled for answer in answered] == expected

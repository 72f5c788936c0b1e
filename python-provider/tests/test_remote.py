"""Remote mode: the server evaluates, and the provider caches its results."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import (
    EventRecorder,
    QuickProvider,
    SteadyProvider,
    Use,
    eventually,
    provider_for,
    streaming,
)
from faults import Hang, fails_with, send_json, trickles
from flag_server import FLAG_SET_ROUTES, KEY, FlagServer, boolean_flag
from forward_proxy import ForwardProxy
from hypothesis import strategies as st
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, GeneralError, ProviderFatalError
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagResolutionDetails
from openfeature.provider import ProviderStatus
from properties import given

from pennon_openfeature import _remote
from pennon_openfeature._evaluate_client import body_of

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


def remote(server: FlagServer, **options: Any) -> SteadyProvider:
    return provider_for(server, mode="remote", **options)


def test_the_result_of_the_server_is_returned(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(remote(server))
    details = client.get_boolean_details("new-checkout", False)
    assert (details.value, details.reason, details.variant) == (True, "STATIC", "on")
    assert details.flag_metadata == {
        "team": "checkout",
        "version": 4,
        "flagSetId": "production",
    }
    assert client.get_boolean_details("disabled", True).reason == "DISABLED"


@pytest.mark.parametrize(
    ("flag", "code"),
    [
        ("missing", ErrorCode.FLAG_NOT_FOUND),
        ("broken", ErrorCode.PARSE_ERROR),
        ("divided", ErrorCode.TARGETING_KEY_MISSING),
    ],
)
def test_an_error_about_the_flag_is_returned_as_it_is(
    server: FlagServer, client: OpenFeatureClient, use: Use, flag: str, code: ErrorCode
) -> None:
    use(remote(server))
    details = client.get_boolean_details(flag, True)
    assert (details.value, details.error_code) == (True, code)
    assert client.get_provider_status() == ProviderStatus.READY


def test_results_are_cached_by_flag_and_context(
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


def test_a_result_from_the_cache_has_the_reason_cached_and_the_same_metadata(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    rules = [{"id": "everyone", "conditions": [], "variant": "on"}]
    server.flags = {**FLAGS, "ruled": boolean_flag("off", version=9, rules=rules)}
    provider = use(remote(server))
    first, second = (client.get_boolean_details("ruled", False) for _ in range(2))
    assert (first.reason, second.reason) == ("TARGETING_MATCH", "CACHED")
    expected = {"version": 9, "flagSetId": "production", "ruleId": "everyone"}
    assert first.flag_metadata == second.flag_metadata == expected
    assert (first.value, first.variant) == (second.value, second.variant)
    assert provider.evaluate("ruled").reason == "CACHED"
    reasons = [client.get_boolean_details("disabled", True).reason for _ in range(2)]
    assert reasons == ["DISABLED", "CACHED"]
    assert [client.get_boolean_details("missing", True).error_code for _ in range(2)] == [
        ErrorCode.FLAG_NOT_FOUND
    ] * 2
    assert client.get_boolean_details("missing", True).reason == "ERROR"


def test_an_older_server_sends_no_version_so_that_of_the_flag_set_is_used(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.sends_telemetry = False
    use(remote(server))
    details = client.get_boolean_details("new-checkout", False)
    assert details.flag_metadata["version"] == 4
    assert details.flag_metadata["flagSetId"] == "production"


def test_an_edit_without_an_effect_updates_the_version_of_cached_results(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    eventually(streaming(use(remote(server))))
    assert client.get_boolean_details("new-checkout", False).flag_metadata["version"] == 4
    server.change({"new-checkout": boolean_flag(version=5)})

    def version() -> object:
        return client.get_boolean_details("new-checkout", False).flag_metadata["version"]

    eventually(lambda: version() == 5)


def test_no_context_receives_the_cached_result_of_another(server: FlagServer, use: Use) -> None:
    values: list[Any] = [1, 1.5, True, "1", "true", None, [], [1], {}, {"a": 1}, {"a": {"b": 1}}]
    contexts: list[dict[str, Any]] = [{}, *({"a": value} for value in values)]
    contexts += [{"targetingKey": "a"}, {"targetingKey": "b"}, {"a.b": 1}, {"a": {"b": "1"}}]

    def echo(request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["content-length"])).decode()
        result = {"reason": "STATIC", "variant": body, "value": True, "enabled": True}
        send_json(request, 200, result)

    provider = use(remote(server))
    server.faults["evaluate"] = echo

    def variants() -> list[str | None]:
        with ThreadPoolExecutor(8) as pool:
            keys = ["new-checkout", "other"]
            return list(
                pool.map(
                    lambda pair: provider.evaluate(*pair).variant,  # type: ignore[union-attr]
                    [(key, context) for context in contexts for key in keys],
                )
            )

    first = variants()
    assert len(set(first)) == 2 * len(contexts)
    assert variants() == first
    assert server.requests["evaluate"] == 2 * len(contexts)


def test_the_provider_recovers_without_an_evaluation(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    use(remote(server))
    server.faults |= dict.fromkeys(("evaluate", "evaluations"), fails_with(503))
    client.get_boolean_value("new-checkout", False)
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    del server.faults["evaluate"], server.faults["evaluations"]
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)
    assert server.requests["evaluate"] == 1


def test_an_expired_result_is_requested_again(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(remote(server, cache_ttl_ms=0.001))
    client.get_boolean_value("new-checkout", False)
    client.get_boolean_value("new-checkout", False)
    assert server.requests["evaluate"] == 2


def test_a_change_removes_cached_results(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(remote(server))
    eventually(lambda: provider.freshness().revision == 1)
    assert client.get_boolean_value("new-checkout", False) is True
    server.change({"new-checkout": boolean_flag("off")})
    eventually(lambda: client.get_boolean_value("new-checkout", True) is False)


def test_a_result_from_a_server_that_lags_behind_expires_soon(
    server: FlagServer, client: OpenFeatureClient, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = time.monotonic()
    monkeypatch.setattr(_remote, "time", SimpleNamespace(monotonic=lambda: now_s))
    recorder = EventRecorder(client)
    eventually(streaming(use(remote(server))))

    def previous_result(request: BaseHTTPRequestHandler) -> None:
        send_json(
            request, 200, {"enabled": True, "reason": "STATIC", "variant": "on", "value": True}
        )

    server.faults["evaluate"] = previous_result
    server.change({"new-checkout": boolean_flag("off")})
    # By then, the change has reached the cache.
    eventually(recorder.changed_flags)
    assert client.get_boolean_value("new-checkout", False) is True
    server.faults = {}
    assert client.get_boolean_value("new-checkout", False) is True
    now_s += SteadyProvider._timing.server_lag_ms / 1_000
    assert client.get_boolean_value("new-checkout", True) is False
    assert server.requests["evaluate"] == 2


def test_the_least_recently_used_result_is_evicted(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(remote(server, cache_entries=2))
    eventually(lambda: provider.freshness().revision == 1)
    for key in ("a", "b", "c", "c", "b", "a"):
        client.get_boolean_value("new-checkout", False, EvaluationContext(key))
    assert server.requests["evaluate"] == 4


def test_cached_results_take_at_most_16_mib_with_their_contexts(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(remote(server))
    eventually(lambda: provider.freshness().revision == 1)

    def requests_for(*keys: str) -> int:
        for key in keys:
            context = EvaluationContext(key, {"plan": "pro".ljust(1_000_000)})
            client.get_boolean_value("new-checkout", False, context)
        return server.requests["evaluate"]

    assert requests_for("a", "b", "a", "c", "d", "e", "f", "g", "h", "a") == 8
    assert requests_for("i", "a") == 9
    assert requests_for("b") == 10


def test_local_flags_are_evaluated_if_the_server_fails(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(remote(server))
    server.faults["evaluate"] = fails_with(503)
    assert client.get_boolean_value("new-checkout", False) is True
    assert client.get_boolean_details("disabled", False).reason == "DISABLED"
    assert client.get_provider_status() == ProviderStatus.READY


def test_an_expired_result_is_used_if_the_key_may_only_evaluate(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    use(remote(server, cache_ttl_ms=0.001))
    assert client.get_boolean_value("new-checkout", False) is True
    # A probe that succeeds would end the outage at once.
    server.faults |= dict.fromkeys(("evaluate", "evaluations"), fails_with(503))
    assert client.get_boolean_value("new-checkout", False) is True
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    details = client.get_boolean_details("disabled", True)
    assert (details.value, details.error_code) == (True, ErrorCode.GENERAL)
    del server.faults["evaluate"], server.faults["evaluations"]
    eventually(lambda: client.get_boolean_details("disabled", True).error_code is None)
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)


def assert_evaluates_ten_times(client: OpenFeatureClient) -> None:
    """With blocking and with asynchronous calls, none of which is in the cache."""

    async def evaluate(context: EvaluationContext) -> FlagEvaluationDetails[bool]:
        return await client.get_boolean_details_async("new-checkout", False, context)

    for number in range(5):
        context = EvaluationContext(f"subject {number}")
        assert client.get_boolean_details("new-checkout", False, context).error_code is None
        context = EvaluationContext(f"other subject {number}")
        assert asyncio.run(evaluate(context)).error_code is None


def test_connections_that_the_server_closes_after_a_response_are_replaced(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    server.closes_connections = True
    use(remote(server))
    assert_evaluates_ten_times(client)
    assert server.requests["evaluate"] == 10
    assert client.get_provider_status() == ProviderStatus.READY


def test_connections_that_a_proxy_closes_after_a_response_are_replaced(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    server.closes_connections = True
    with ForwardProxy() as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        use(remote(server, proxy=f"http://127.0.0.1:{proxy.port}"))
        assert_evaluates_ten_times(client)
        proxy.shutdown()
    assert server.requests["evaluate"] == 10


class RareFollower(QuickProvider):
    """Requests the flag set, which the key cannot read, once only."""

    _timing = replace(QuickProvider._timing, rejected_key_ms=600_000)


def test_a_lost_server_is_noticed_although_all_results_are_cached(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    provider = use(RareFollower(url=server.url, key=KEY, mode="remote", cache_ttl_ms=3_600_000))
    assert client.get_boolean_value("new-checkout", False) is True
    server.go_away()
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    assert provider.freshness().mode == "disconnected"
    assert client.get_boolean_details("new-checkout", False).reason == "CACHED"
    server.come_back()
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)


def test_a_rejected_request_does_not_stop_other_requests(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(remote(server))
    server.faults["evaluate"] = fails_with(413)
    details = client.get_boolean_details("new-checkout", False)
    assert (details.value, details.error_code) == (False, ErrorCode.INVALID_CONTEXT)
    server.faults = {}
    assert client.get_boolean_value("new-checkout", False) is True


def test_values_without_a_json_form_do_not_fail(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(remote(server))
    odd: Any = {"nan": float("nan"), "list": [float("inf"), {"deep": float("-inf")}]}
    assert client.get_boolean_details("new-checkout", False, EvaluationContext("ada", odd)).value
    assert server.requests["evaluate"] == 1


def test_callers_do_not_wait_for_a_server_that_hangs(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    class PatientProvider(SteadyProvider):
        _timing = replace(SteadyProvider._timing, first_backoff_ms=1e9, longest_backoff_ms=1e9)

    use(PatientProvider(url=server.url, key=KEY, mode="remote", request_timeout_ms=1_000))
    hang = server.faults["evaluate"] = Hang()
    assert client.get_boolean_value("new-checkout", False) is True
    assert client.get_boolean_value("disabled", True) is True
    assert hang.is_active
    # While the circuit breaker is open, no further request is sent.
    eventually(lambda: hang.has_request)
    assert server.requests["evaluate"] == 1
    hang.release()


def test_callers_do_not_wait_for_a_response_that_trickles(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    use(remote(server, request_timeout_ms=300))
    server.faults["evaluate"] = trickles
    details = client.get_boolean_details("new-checkout", False)
    assert (details.error_code, details.value) == (ErrorCode.GENERAL, False)
    assert "within 300 ms" in str(details.error_message)
    context = EvaluationContext("ada")
    details = asyncio.run(client.get_boolean_details_async("new-checkout", False, context))
    assert (details.error_code, details.value) == (ErrorCode.GENERAL, False)


def test_initialize_is_bounded_if_the_response_to_the_probe_trickles(
    server: FlagServer, domain: str
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    server.faults["evaluations"] = trickles
    # Longer than a busy server needs to reject the first request.
    provider = remote(server, init_timeout_ms=2_000)
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider, domain)
    provider.shutdown()


def test_evaluations_leave_no_garbage_while_the_circuit_breaker_is_open(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    provider = use(RareFollower(url=server.url, key=KEY, mode="remote"))
    server.faults["evaluate"] = fails_with(503, retry_after="100")
    provider.evaluate("new-checkout")
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(1_000):
        provider.evaluate("new-checkout")
    gc.collect()
    assert len(gc.get_objects()) < before + 500


def test_a_number_that_is_not_finite_hides_a_dotted_path(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    condition = {"attribute": "a.b", "operator": "exists"}
    rules = [{"id": "r", "variant": "off", "conditions": [condition]}]
    server.flags = {"new-checkout": boolean_flag(rules=rules)}
    use(remote(server))
    for number in (float("nan"), 10**400, 10**5_000):
        odd: Any = {"a.b": number, "a": {"b": 1}, "un": {"ordered", 1}}
        assert (
            client.get_boolean_value("new-checkout", False, EvaluationContext("ada", odd)) is True
        )


def test_a_rejected_key_is_fatal(
    client: OpenFeatureClient, server: FlagServer, domain: str
) -> None:
    provider = QuickProvider(url=server.url, key="another-key", mode="remote")
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider, domain)
    assert client.get_provider_status() == ProviderStatus.FATAL
    provider.shutdown()


def test_a_key_that_may_only_evaluate_is_enough(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    use(remote(server))
    assert client.get_boolean_value("new-checkout", False) is True
    assert client.get_provider_status() == ProviderStatus.READY


def test_initialize_is_bounded(server: FlagServer, domain: str) -> None:
    server.faults = dict.fromkeys((*FLAG_SET_ROUTES, "evaluations"), fails_with(500))
    provider = remote(server, init_timeout_ms=150)
    with pytest.raises(GeneralError, match="within 150 ms"):
        api.set_provider_and_wait(provider, domain)
    provider.shutdown()


def test_the_async_resolvers_do_not_block_the_loop(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(remote(server))
    hang = server.faults["evaluate"] = Hang()

    async def evaluate_both() -> list[str]:
        order: list[str] = []

        async def evaluate() -> None:
            await client.get_boolean_value_async("new-checkout", True)
            order.append("result")

        async def other() -> None:
            await asyncio.sleep(0)
            order.append("loop")
            hang.release()

        await asyncio.gather(evaluate(), other())
        return order

    assert asyncio.run(evaluate_both()) == ["loop", "result"]


def test_callers_with_the_same_context_share_one_request(server: FlagServer, use: Use) -> None:
    provider = use(remote(server))
    result = {"enabled": True, "reason": "STATIC", "variant": "on", "value": True}
    hang = server.faults["evaluate"] = Hang(lambda request: send_json(request, 200, result))

    async def evaluate_together() -> list[bool]:
        def evaluate() -> Coroutine[Any, Any, FlagResolutionDetails[bool]]:
            return provider.resolve_boolean_details_async("new-checkout", False)

        cancelled, *tasks = [asyncio.create_task(evaluate()) for _ in range(5)]
        # Every task has sent or joined the request after one turn of the loop.
        await asyncio.sleep(0)
        cancelled.cancel()
        hang.release()
        return [details.value for details in await asyncio.gather(*tasks)]

    assert asyncio.run(evaluate_together()) == [True] * 4
    assert server.requests["evaluate"] == 1


def test_many_threads_get_their_own_results(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    subjects = [f"user-{number}" for number in range(200)]
    expected = [provider.evaluate("divided", {"targetingKey": each}).enabled for each in subjects]
    remote_provider = use(remote(server, cache_ttl_ms=0.001))
    with ThreadPoolExecutor(16) as pool:
        results = list(
            pool.map(
                lambda each: remote_provider.evaluate("divided", {"targetingKey": each}), subjects
            )
        )
    assert [result.enabled for result in results] == expected


_scalars = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "x"])
_contexts = st.dictionaries(
    st.sampled_from(["targetingKey", "email", "a"]),
    _scalars | st.lists(_scalars, max_size=2) | st.dictionaries(st.just("b"), _scalars),
)


@given(_contexts, _contexts)
def test_two_contexts_share_a_cache_entry_only_if_they_are_equal(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    is_same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (body_of("f", one) == body_of("f", other)) == is_same
    assert body_of("f", one) == body_of("f", dict(reversed(one.items())))
    assert body_of("f", one) != body_of("g", one)

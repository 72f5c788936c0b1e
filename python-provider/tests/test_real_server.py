"""The provider with the real server, behind a proxy that injects faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import (
    LONG_MS,
    ApplicationProvider,
    EventRecorder,
    QuickProvider,
    Use,
    eventually,
    streaming,
)
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, GeneralError, ProviderFatalError
from openfeature.provider import ProviderStatus
from real_server import ADMIN_KEY, ENVIRONMENT, FaultProxy, RealServer, real_server

from pennon_openfeature import EventCounts


class RetryingProvider(ApplicationProvider):
    """Retries quickly, with the idle timeout that the heartbeats of the real server need."""

    _timing = replace(
        ApplicationProvider._timing,
        first_backoff_ms=10,
        longest_backoff_ms=100,
        rejected_key_ms=50,
        event_delay_ms=10,
    )


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("data")) as server:
        server.create("new-checkout")
        rule = {"attribute": "plan", "operator": "equals", "value": "pro", "percentage": 50}
        server.create("divided", rules=[rule])
        yield server


@pytest.fixture
def proxy(real: RealServer) -> Iterator[FaultProxy]:
    proxy = FaultProxy(real.url)
    yield proxy
    proxy.close()


@pytest.fixture
def flag(real: RealServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """A flag for this test only, which is on at first."""
    key = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:100]
    real.create(key)
    yield key
    real.remove(key)


@pytest.mark.parametrize("mode", ["in-process", "remote"])
def test_flags_are_loaded_and_changes_arrive(
    real: RealServer, client: OpenFeatureClient, use: Use, flag: str, mode: Any
) -> None:
    provider = use(RetryingProvider(url=real.url, key=real.key(), mode=mode))
    eventually(lambda: provider.freshness().revision)
    recorder = EventRecorder(client)
    assert client.get_boolean_value(flag, False) is True
    real.patch(flag, enabled=False, description="a change")
    eventually(lambda: client.get_boolean_details(flag, False).reason == "DISABLED")
    eventually(lambda: [flag] in recorder.changed_flags())
    assert client.get_boolean_details("missing", False).error_code == ErrorCode.FLAG_NOT_FOUND


def test_an_edit_of_the_description_is_not_reported(
    real: RealServer, client: OpenFeatureClient, use: Use, flag: str
) -> None:
    provider = use(RetryingProvider(url=real.url, key=real.key()))
    recorder = EventRecorder(client)
    eventually(streaming(provider))
    real.patch(flag, description="the checkout with fewer steps")
    eventually(lambda: client.get_boolean_details(flag, False).flag_metadata["version"] == 2)
    real.patch(flag, enabled=False)
    eventually(lambda: client.get_boolean_details(flag, False).reason == "DISABLED")
    eventually(recorder.changed_flags)
    assert recorder.changed_flags() == [[flag]]


@pytest.mark.parametrize("mode", ["in-process", "remote"])
def test_an_unknown_environment_is_reported_at_once_with_its_name(
    real: RealServer, client: OpenFeatureClient, domain: str, mode: Any
) -> None:
    options: dict[str, Any] = {"url": real.url, "key": ADMIN_KEY, "mode": mode}
    # A minute is longer than this test may take.
    provider = RetryingProvider(**options, environment="produktion", init_timeout_ms=LONG_MS)
    with pytest.raises(GeneralError, match=r'404.*"produktion"'):
        api.set_provider_and_wait(provider, domain)
    assert client.get_provider_status() == ProviderStatus.ERROR
    provider.shutdown()


def test_a_key_of_all_environments_needs_the_environment_option(
    real: RealServer, client: OpenFeatureClient, use: Use, flag: str
) -> None:
    use(RetryingProvider(url=real.url, key=ADMIN_KEY, environment=ENVIRONMENT))
    details = client.get_boolean_details(flag, False)
    assert details.flag_metadata == {"version": 1, "flagSetId": ENVIRONMENT}


def test_both_modes_return_equal_results_for_many_subjects(real: RealServer, use: Use) -> None:
    key = real.key()
    local = use(RetryingProvider(url=real.url, key=key))
    remote = RetryingProvider(url=real.url, key=key, mode="remote")
    remote.initialize(EvaluationContext())
    for number in range(50):
        context = {"targetingKey": f"user-{number}", "plan": "pro"}
        assert local.evaluate("divided", context) == remote.evaluate("divided", context)
    remote.shutdown()


def test_a_connection_that_is_cut_repeatedly_misses_no_change(
    real: RealServer, proxy: FaultProxy, client: OpenFeatureClient, use: Use, flag: str
) -> None:
    provider = use(RetryingProvider(url=proxy.url, key=real.key()))
    for round_number in range(5):
        eventually(streaming(provider))
        proxy.cut()
        real.patch(flag, enabled=round_number % 2 == 1)
        eventually(
            lambda now=round_number % 2 == 1: provider.evaluate(flag).enabled is now  # type: ignore[misc]
        )


def test_a_stalled_connection_is_detected_and_replaced(
    real: RealServer, proxy: FaultProxy, client: OpenFeatureClient, use: Use, flag: str
) -> None:
    provider = use(QuickProvider(url=proxy.url, key=real.key()))
    eventually(streaming(provider))
    proxy.fault = "stall"
    real.patch(flag, enabled=False)
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    assert client.get_boolean_value(flag, False) is True
    proxy.fault = "none"
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)
    eventually(lambda: provider.evaluate(flag).enabled is False)


@pytest.mark.parametrize("fault", ["refuse", "503"])
def test_the_flags_remain_and_are_stale_while_the_server_is_unreachable(
    real: RealServer,
    proxy: FaultProxy,
    client: OpenFeatureClient,
    use: Use,
    flag: str,
    fault: Any,
) -> None:
    provider = use(RetryingProvider(url=proxy.url, key=real.key()))
    eventually(streaming(provider))
    proxy.fault = fault
    proxy.cut()
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    assert client.get_boolean_value(flag, False) is True
    real.patch(flag, enabled=False)
    proxy.fault = "none"
    eventually(lambda: provider.evaluate(flag).enabled is False)
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)


def test_an_application_starts_from_the_cache_file_and_catches_up(
    real: RealServer,
    proxy: FaultProxy,
    client: OpenFeatureClient,
    use: Use,
    flag: str,
    tmp_path: Path,
) -> None:
    options: dict[str, Any] = {
        "url": proxy.url,
        "key": real.key(),
        "cache_file": tmp_path / "flags.json",
    }
    first = use(RetryingProvider(**options))
    # The start and the end wait for the file for a short time only.
    eventually(options["cache_file"].exists)
    first.shutdown()
    real.patch(flag, enabled=False)
    proxy.fault = "refuse"
    provider = use(RetryingProvider(**options))
    assert client.get_boolean_value(flag, False) is True
    proxy.fault = "none"
    eventually(lambda: provider.evaluate(flag).enabled is False)


def test_reconnecting_without_a_change_transfers_no_flags(
    real: RealServer, proxy: FaultProxy, use: Use, flag: str
) -> None:
    for number in range(20):
        real.create(f"{flag[:80]}-{number}", description="x" * 1_000)
    provider = use(RetryingProvider(url=proxy.url, key=real.key()))
    eventually(streaming(provider))
    before = proxy.response_bytes
    proxy.cut()
    eventually(lambda: provider.freshness().last_error and streaming(provider)())
    assert proxy.response_bytes - before < 5_000
    for number in range(20):
        real.remove(f"{flag[:80]}-{number}")


def test_an_unknown_key_is_fatal(real: RealServer, domain: str) -> None:
    provider = RetryingProvider(url=real.url, key="pennon_server_an_unknown_key")
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider, domain)
    provider.shutdown()


def test_a_client_key_evaluates_flags_that_are_visible_to_clients(
    real: RealServer, client: OpenFeatureClient, use: Use, flag: str
) -> None:
    real.patch(flag, clientVisible=True)
    use(RetryingProvider(url=real.url, key=real.key("client"), mode="remote"))
    ada = EvaluationContext("ada")
    first, second = (client.get_boolean_details(flag, False, ada) for _ in range(2))
    assert (first.value, second.value) == (True, True)
    assert (first.reason, second.reason) == ("STATIC", "CACHED")
    expected = {"version": 2, "flagSetId": ENVIRONMENT}
    assert first.flag_metadata == second.flag_metadata == expected
    assert client.get_boolean_details("divided", False).error_code == ErrorCode.FLAG_NOT_FOUND


@pytest.fixture
def experiment(real: RealServer) -> Iterator[str]:
    """An experiment that has not been started, with one metric. Its flag has the same key."""
    key = "measured"
    split = [{"variant": variant, "weight": 1} for variant in ("off", "on")]
    real.create(key, clientVisible=True, rules=[{"id": "test", "split": split}])
    metric = {"kind": "conversion", "event": "bought", "window": {"toMs": 60_000}}
    real.write("POST", "metrics", {"key": "buyers", **metric})
    design = {"flag": key, "rule": "test", "control": "off"}
    metrics = [{"metric": "buyers", "role": "primary"}]
    real.write("POST", "experiments", {"key": key, **design, "metrics": metrics})
    yield key
    real.write("DELETE", f"experiments/{key}")
    real.write("DELETE", "metrics/buyers")
    real.remove(key)


class ProbingProvider(RetryingProvider):
    """Finds out quickly what is measured, with a key that only evaluates."""

    _timing = replace(RetryingProvider._timing, heartbeat_ms=300)


@pytest.mark.parametrize(
    ("role", "hash_units"), [("server", False), ("server", True), ("client", False)]
)
def test_what_a_running_experiment_measures_is_reported(
    real: RealServer,
    use: Use,
    client: OpenFeatureClient,
    experiment: str,
    role: str,
    hash_units: bool,
) -> None:
    if role == "server":
        provider = use(RetryingProvider(url=real.url, key=real.key(), hash_units=hash_units))
    else:
        options: dict[str, Any] = {"mode": "remote", "cache_entries": 0}
        provider = use(ProbingProvider(url=real.url, key=real.key(role), **options))
    ada = EvaluationContext("ada")
    client.get_boolean_details(experiment, False, ada)
    client.track("seen", ada)
    assert provider.events.queued == 0
    real.write("POST", f"experiments/{experiment}/start")

    def is_measured() -> bool:
        details = client.get_boolean_details(experiment, False, ada)
        return details.flag_metadata.get("experiment") == experiment

    eventually(is_measured)
    client.track("bought", ada)
    client.track("seen", ada)
    assert provider.flush(LONG_MS) is True
    assert provider.events == EventCounts(sent=2)
    real.write("POST", f"experiments/{experiment}/stop")

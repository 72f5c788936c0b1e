"""Servers that respond, but are cut off from their store."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from conftest import (
    EventRecorder,
    LateEventsProvider,
    SteadyProvider,
    Use,
    eventually,
    provider_for,
    streaming,
)
from faults import fails_with
from flag_server import FLAG_SET_ROUTES, KEY, FlagServer
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.provider import ProviderStatus

from pennon_openfeature._errors import SyncError
from pennon_openfeature._flag_set import FlagSet, FlagSetUpdate
from pennon_openfeature._follower_state import FollowerCallbacks, FollowerState
from pennon_openfeature._source_age import source_age_of


def flag_set(revision: int) -> FlagSet:
    return FlagSet(f"epoch.{revision}.nonce", revision, "production", {}, {})


def state_with(initial: FlagSet | None) -> FollowerState:
    callbacks = FollowerCallbacks(lambda update: update.flag_set, lambda: None)
    return FollowerState(callbacks, initial, None)


def test_a_provider_is_stale_while_its_server_is_cut_off_and_counts_from_the_store(
    server: FlagServer, use: Use, client: OpenFeatureClient
) -> None:
    provider = use(provider_for(server))
    events = EventRecorder(client)
    eventually(streaming(provider))
    server.source_age_ms = 48_000
    eventually(lambda: events.of(ProviderEvent.PROVIDER_STALE))
    message = events.of(ProviderEvent.PROVIDER_STALE)[0].message
    assert message == "the server is cut off from its store, and its data are 48 s old"
    freshness = provider.freshness()
    assert freshness.mode == "stale"
    assert freshness.source_age_ms == 48_000
    assert freshness.data_age_ms is not None
    assert freshness.data_age_ms >= 48_000
    server.source_age_ms = 100
    eventually(streaming(provider))
    eventually(lambda: client.get_provider_status().value == "READY")


@pytest.mark.parametrize("mode", ["in-process", "remote"])
@pytest.mark.parametrize("routes", [(), FLAG_SET_ROUTES])
def test_a_provider_is_never_ready_if_its_server_is_cut_off_at_the_start(
    server: FlagServer, use: Use, client: OpenFeatureClient, mode: Any, routes: tuple[str, ...]
) -> None:
    server.source_age_ms = 48_000
    # A key that cannot read the flag set is for remote mode.
    server.faults = dict.fromkeys(routes if mode == "remote" else (), fails_with(403))
    use(LateEventsProvider(url=server.url, key=KEY, mode=mode))
    assert client.get_provider_status() == ProviderStatus.STALE


def test_the_event_that_a_provider_is_stale_follows_the_event_of_its_start(
    server: FlagServer, use: Use, client: OpenFeatureClient
) -> None:
    events: list[str] = []
    for event in (ProviderEvent.PROVIDER_READY, ProviderEvent.PROVIDER_STALE):
        client.add_handler(
            event,
            lambda details, name=event.value: events.append(f"{details.provider_name} {name}"),  # type: ignore[misc]
        )
    server.source_age_ms = 48_000
    use(provider_for(server))
    eventually(lambda: "pennon PROVIDER_STALE" in events)
    # The SDK begins with a provider of its own.
    assert events[1:] == ["pennon PROVIDER_READY", "pennon PROVIDER_STALE"]


def test_the_event_that_a_provider_is_stale_waits_for_a_late_thread_of_the_sdk(
    server: FlagServer, use: Use, client: OpenFeatureClient
) -> None:
    class LateThreadProvider(SteadyProvider):
        def initialize(self, evaluation_context: EvaluationContext) -> None:
            super().initialize(evaluation_context)
            # Before the SDK announces the start.
            time.sleep(10 * self._timing.event_delay_ms / 1_000)

    recorder = EventRecorder(client)
    server.source_age_ms = 48_000
    use(LateThreadProvider(url=server.url, key=KEY))
    assert client.get_provider_status() == ProviderStatus.STALE
    eventually(lambda: recorder.of(ProviderEvent.PROVIDER_STALE))
    assert client.get_provider_status() == ProviderStatus.STALE


def test_a_provider_connects_again_while_its_server_is_cut_off(
    server: FlagServer, use: Use
) -> None:
    server.source_age_ms = 48_000
    use(provider_for(server))
    eventually(lambda: server.requests["flag-set/stream"] >= 2)
    assert server.requests["flag-set"] >= 2


def test_a_provider_in_remote_mode_is_stale_by_the_results(
    server: FlagServer, use: Use, client: OpenFeatureClient
) -> None:
    provider = use(provider_for(server, mode="remote", stream=False, cache_entries=0))
    server.source_age_ms = 48_000
    assert client.get_boolean_value("new-checkout", False) is True
    eventually(lambda: client.get_provider_status().value == "STALE")
    assert provider.freshness().mode == "stale"


class PatientProvider(SteadyProvider):
    """Does not probe, and takes a server that is cut off a second time for one of several."""

    _timing = replace(
        SteadyProvider._timing,
        source_check_ms=600_000,
        source_repeat_ms=600_000,
        source_calm_ms=600_000,
    )


def test_one_current_result_ends_the_first_time_that_a_server_is_cut_off(
    server: FlagServer, use: Use, client: OpenFeatureClient
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    use(PatientProvider(url=server.url, key=KEY, mode="remote", cache_entries=0))

    def status_after_evaluation() -> ProviderStatus:
        assert client.get_boolean_value("new-checkout", False) is True
        return client.get_provider_status()

    server.source_age_ms = 48_000
    assert status_after_evaluation() == ProviderStatus.STALE
    server.source_age_ms = 0
    assert status_after_evaluation() == ProviderStatus.READY
    # A load balancer may alternate between two servers.
    server.source_age_ms = 48_000
    assert status_after_evaluation() == ProviderStatus.STALE
    server.source_age_ms = 0
    assert status_after_evaluation() == ProviderStatus.STALE


def test_the_mode_of_a_key_that_only_evaluates_is_that_of_its_results(
    server: FlagServer, use: Use, client: OpenFeatureClient
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    server.source_age_ms = 2_000
    provider = use(provider_for(server, mode="remote", cache_entries=0))
    freshness = provider.freshness()
    assert (freshness.mode, freshness.source, freshness.source_age_ms) == ("polling", "poll", 2_000)
    assert (freshness.data_age_ms or 0) >= 2_000
    server.go_away()
    client.get_boolean_value("new-checkout", False)
    eventually(lambda: provider.freshness().mode == "disconnected")
    server.come_back()
    eventually(lambda: provider.freshness().mode == "polling")


def test_a_provider_that_had_no_flags_is_stale_with_the_first_ones_of_a_server_that_is_cut_off(
    server: FlagServer, client: OpenFeatureClient, domain: str
) -> None:
    server.go_away()
    provider = provider_for(server, init_timeout_ms=50)
    with pytest.raises(Exception, match="no flags available"):
        api.set_provider_and_wait(provider, domain)
    server.source_age_ms = 48_000
    server.come_back()
    try:
        eventually(lambda: client.get_provider_status().value == "STALE")
    finally:
        provider.shutdown()


def test_older_data_of_a_server_that_is_cut_off_never_replace_newer_ones() -> None:
    state = state_with(flag_set(2))
    state.begin()
    with pytest.raises(SyncError, match="cut off"):
        state.set_data(FlagSetUpdate(flag_set(1), source_age_ms=48_000), "poll")
    assert state.data == flag_set(2)
    state.set_data(FlagSetUpdate(flag_set(1), source_age_ms=0), "poll")
    assert state.data == flag_set(1)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("1200", 1_200), ("0", 0), ("-1", None), ("soon", None), ("nan", None), (None, None)],
)
def test_a_source_age_that_is_not_valid_is_unknown(sent: Any, expected: float | None) -> None:
    headers = {} if sent is None else {"pennon-source-age-ms": sent}
    assert source_age_of(headers) == expected

"""Fixtures: a server, providers with short delays, and their shutdown."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import pytest
from flag_server import KEY, FlagServer, boolean_flag
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.event import EventDetails, ProviderEvent
from openfeature.provider import ProviderStatus

from pennon_openfeature import PennonProvider, _process
from pennon_openfeature._timing import Timing

Use: TypeAlias = Callable[[PennonProvider], PennonProvider]


class QuickProvider(PennonProvider):
    """The provider with delays of about a hundredth, so tests of timeouts are quick."""

    _timing = Timing(
        heartbeat_ms=500,
        response_timeout_ms=2_000,
        check_timeout_ms=2_000,
        first_backoff_ms=10,
        longest_backoff_ms=100,
        longest_report_delay_ms=100,
        rejected_key_ms=50,
        stale_retry_ms=300,
        source_check_ms=150,
        source_repeat_ms=150,
        source_calm_ms=50,
        server_lag_ms=100,
        file_check_ms=10,
        event_delay_ms=10,
    )


class SteadyProvider(QuickProvider):
    """The quick provider with timeouts that are not reached just because the machine is busy."""

    # A stream may be silent for the longest time that does not count as a pause.
    _timing = replace(
        QuickProvider._timing,
        heartbeat_ms=_process.LONGEST_PAUSE_S * 500,
        response_timeout_ms=10_000,
        check_timeout_ms=6_000,
    )


class LateEventsProvider(QuickProvider):
    """Holds back the events after its start for longer than a test takes."""

    _timing = replace(QuickProvider._timing, event_delay_ms=600_000)


def eventually(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Returns as soon as the condition holds; fails if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition does not hold"
        time.sleep(0.002)


def streaming(provider: PennonProvider) -> Callable[[], bool]:
    """A condition for `eventually`."""
    return lambda: provider.freshness().mode == "streaming"


def has_status(client: OpenFeatureClient, status: ProviderStatus) -> Callable[[], bool]:
    """A condition for `eventually`."""
    return lambda: client.get_provider_status() == status


def is_off(client: OpenFeatureClient) -> bool:
    return client.get_boolean_value("new-checkout", True) is False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as briefly:
        return int(briefly.getsockname()[1])


class Clocks:
    """The clocks of the module that notices pauses."""

    def __init__(self) -> None:
        self.paused_s = 0.0
        # How far the wall clock is ahead of the monotonic clock.
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.paused_s

    def time(self) -> float:
        return time.time() + self.paused_s + self.ahead_s


class EventRecorder:
    """Records the events that handlers of a client receive."""

    def __init__(self, client: OpenFeatureClient) -> None:
        self._events: list[tuple[ProviderEvent, EventDetails]] = []
        for event in ProviderEvent:
            client.add_handler(event, self._handler(event))

    def _handler(self, event: ProviderEvent) -> Callable[[EventDetails], None]:
        return lambda details: self._events.append((event, details))

    def of(self, event: ProviderEvent) -> list[EventDetails]:
        return [details for recorded, details in self._events if recorded is event]

    def changed_flags(self) -> list[list[str] | None]:
        changes = self.of(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
        return [details.flags_changed for details in changes]


@pytest.fixture
def server() -> Iterator[FlagServer]:
    with FlagServer({"new-checkout": boolean_flag()}) as running:
        yield running


@pytest.fixture
def unreachable_url() -> Iterator[str]:
    """The URL of a port that refuses connections, reserved by a socket that does not listen."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()
    # So that evaluations notice a pause, and not the thread that runs at intervals.
    monkeypatch.setattr(_process, "INTERVAL_S", 60)
    monkeypatch.setattr(_process, "time", clocks)
    return clocks


@pytest.fixture
def domain(request: pytest.FixtureRequest) -> str:
    """An OpenFeature domain for this test only."""
    return str(request.node.nodeid)


@pytest.fixture
def client(domain: str) -> OpenFeatureClient:
    return api.get_client(domain)


@pytest.fixture
def use(domain: str) -> Iterator[Use]:
    """Sets a provider for the client of this test, and shuts it down after the test."""
    used: list[PennonProvider] = []

    def set_provider(provider: PennonProvider) -> PennonProvider:
        used.append(provider)
        api.set_provider_and_wait(provider, domain)
        return provider

    yield set_provider
    for provider in used:
        provider.shutdown()


def provider_for(server: FlagServer, **options: Any) -> QuickProvider:
    return QuickProvider(**{"url": server.url, "key": KEY, **options})

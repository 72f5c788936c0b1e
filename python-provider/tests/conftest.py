"""Fixtures: a server, providers with short delays, and their shutdown."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeAlias

import pytest
from flag_server import KEY, FlagServer, boolean_flag
from openfeature import _event_support, api
from openfeature.client import OpenFeatureClient
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import GeneralError, ProviderFatalError
from openfeature.provider import ProviderStatus

from pennon_openfeature import PennonProvider, _process, _session
from pennon_openfeature._timing import Timing

Use: TypeAlias = Callable[[PennonProvider], PennonProvider]

# Longer than a busy machine delays a test.
LONG_S = 60
LONG_MS = LONG_S * 1_000

# With one thread, handlers receive events in the order in which they were emitted.
_event_support._event_executor = ThreadPoolExecutor(
    1, thread_name_prefix="openfeature-event-handler"
)


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

    def __init__(self, **options: Any) -> None:
        """The options with time limits have limits that only a test that sets them reaches."""
        limits = {} if "flags" in options else {"init_timeout_ms": LONG_MS}
        if options.get("mode") == "remote":
            limits["request_timeout_ms"] = LONG_MS
        super().__init__(**{**limits, **options})


class SteadyProvider(QuickProvider):
    """The quick provider with timeouts that no test reaches."""

    _timing = replace(
        QuickProvider._timing,
        heartbeat_ms=LONG_MS / 2,
        response_timeout_ms=LONG_MS,
        check_timeout_ms=LONG_MS,
        grace_ms=LONG_MS,
    )


class ApplicationProvider(QuickProvider):
    """The provider with the delays of applications, and with limits that no request reaches."""

    _timing = replace(Timing(), response_timeout_ms=LONG_MS, check_timeout_ms=LONG_MS)


class LateEventsProvider(SteadyProvider):
    """Holds back the events after its start for longer than a test takes."""

    _timing = replace(SteadyProvider._timing, event_delay_ms=600_000)


def eventually(condition: Callable[[], Any], seconds: float = LONG_S) -> None:
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


def failed_start(provider: PennonProvider, domain: str, message: str) -> str:
    """Starts a provider, and ends its wait for flags when this error occurs.

    Returns the message of the start.
    """
    with ThreadPoolExecutor(1) as pool:
        start = pool.submit(api.set_provider_and_wait, provider, domain)
        eventually(lambda: message in str(provider.freshness().last_error))
        assert provider._session is not None
        provider._session._flags._settled.set()
        with pytest.raises(GeneralError) as error:
            start.result(LONG_S)
    assert not isinstance(error.value, ProviderFatalError)
    return str(error.value)


def is_off(client: OpenFeatureClient) -> bool:
    return client.get_boolean_value("new-checkout", True) is False


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port for a server that sets SO_REUSEADDR. No other socket gets it."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        yield int(reserved.getsockname()[1])


class Clocks:
    """The clocks of the module that notices pauses. They stand still unless a test sets them."""

    def __init__(self) -> None:
        self._monotonic_s = time.monotonic()
        self._wall_s = time.time()
        self.paused_s = 0.0
        # How far the wall clock is ahead of the monotonic clock.
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return self._monotonic_s + self.paused_s

    def time(self) -> float:
        return self._wall_s + self.paused_s + self.ahead_s


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


@pytest.fixture(autouse=True)
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Without it, providers would notice that a busy machine pauses the tests."""
    clocks = Clocks()
    # So that evaluations notice a pause, and not the thread that runs at intervals.
    monkeypatch.setattr(_process, "INTERVAL_S", LONG_S)
    monkeypatch.setattr(_process, "time", clocks)
    monkeypatch.setattr(_process._monitor, "_last_run", _process._this_run())
    return clocks


@pytest.fixture(autouse=True)
def long_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shutdown waits for the last reports, also if the machine is busy."""
    monkeypatch.setattr(_session, "REPORT_TIMEOUT_S", LONG_S)


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


def provider_for(server: FlagServer, **options: Any) -> SteadyProvider:
    return SteadyProvider(**{"url": server.url, "key": KEY, **options})

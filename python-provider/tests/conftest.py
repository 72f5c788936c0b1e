"""What many tests need: a server, providers that do everything quickly, and their end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flag_server import KEY, FlagServer, boolean_flag
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.event import EventDetails, ProviderEvent

from pennon_openfeature import PennonProvider
from pennon_openfeature._timing import Timing


class QuickProvider(PennonProvider):
    """The provider with all its times a hundredth, so that tests of patience are short."""

    _timing = Timing(
        heartbeat_ms=150,
        response_timeout_ms=300,
        min_backoff_ms=10,
        max_backoff_ms=100,
        rejected_key_ms=50,
        server_lag_ms=100,
        file_check_ms=10,
        event_delay_ms=10,
    )


def eventually(condition: Callable[[], Any], seconds: float = 10) -> None:
    """Returns as soon as the condition holds; fails where it does not come to."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.002)


class Listened:
    """The events that a client's handlers were told, in their order."""

    def __init__(self, client: OpenFeatureClient) -> None:
        self.told: list[tuple[ProviderEvent, EventDetails]] = []
        for event in ProviderEvent:
            client.add_handler(event, self._handler(event))

    def _handler(self, event: ProviderEvent) -> Callable[[EventDetails], None]:
        return lambda details: self.told.append((event, details))

    def of(self, event: ProviderEvent) -> list[EventDetails]:
        return [details for told, details in self.told if told is event]

    def changed(self) -> list[list[str] | None]:
        changes = self.of(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
        return [details.flags_changed for details in changes]


@pytest.fixture
def server() -> Iterator[FlagServer]:
    with FlagServer({"new-checkout": boolean_flag()}) as running:
        yield running


@pytest.fixture
def domain(request: pytest.FixtureRequest) -> str:
    return str(request.node.nodeid)


@pytest.fixture
def client(domain: str) -> OpenFeatureClient:
    """A client of a domain of this test's own."""
    return api.get_client(domain)


@pytest.fixture
def use(domain: str) -> Iterator[Callable[[PennonProvider], PennonProvider]]:
    """Sets a provider for this test's client, and shuts it down in the end."""
    used: list[PennonProvider] = []

    def set_provider(provider: PennonProvider) -> PennonProvider:
        used.append(provider)
        api.set_provider_and_wait(provider, domain)
        return provider

    yield set_provider
    for provider in used:
        provider.shutdown()


def connected(server: FlagServer, **options: Any) -> QuickProvider:
    return QuickProvider(**{"url": server.url, "key": KEY, **options})

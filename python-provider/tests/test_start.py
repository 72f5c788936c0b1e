"""Starting: the first requests, failures of the server, and flags that arrive late."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from conftest import (
    LONG_MS,
    EventRecorder,
    LateEventsProvider,
    SteadyProvider,
    Use,
    eventually,
    failed_start,
    provider_for,
    streaming,
)
from faults import Fault, Hang, fails_with, send_json, truncates
from flag_server import FLAG_SET_ROUTES, KEY, FlagServer
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import GeneralError, ProviderFatalError
from openfeature.provider import ProviderStatus

from pennon_openfeature import PennonProvider


def test_the_first_request_is_a_poll_and_the_stream_continues_from_it(
    server: FlagServer, use: Use
) -> None:
    provider = use(provider_for(server))
    eventually(streaming(provider))
    (poll, _), (stream, headers) = server.received
    assert poll.endswith("/flag-set")
    assert stream.endswith("/flag-set/stream")
    assert headers["last-event-id"] == server.id


def test_no_stream_is_requested_after_a_first_poll_with_a_rejected_key(
    server: FlagServer, domain: str
) -> None:
    provider = PennonProvider(url=server.url, key="another-key", init_timeout_ms=LONG_MS)
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider, domain)
    assert server.requests == {"flag-set": 1}
    provider.shutdown()


def test_a_rejected_key_at_the_start_is_fatal(
    server: FlagServer, client: OpenFeatureClient, domain: str
) -> None:
    provider = SteadyProvider(url=server.url, key="another-key")
    with pytest.raises(ProviderFatalError, match="rejected the key"):
        api.set_provider_and_wait(provider, domain)
    assert client.get_provider_status() == ProviderStatus.FATAL
    provider.shutdown()


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    "body",
    [
        {"message": "refused by a gateway"},
        {"error": "refused"},
        {"error": {}},
        {"error": {"code": 403, "message": "refused"}},
        {"error": {"code": "FORBIDDEN"}},
        {"error": {"code": "PERMISSION_DENIED", "message": "refused"}},
    ],
)
def test_a_refusal_of_a_gateway_is_not_taken_for_a_rejected_key(
    server: FlagServer, domain: str, status: int, body: Any
) -> None:
    def refuse(request: BaseHTTPRequestHandler) -> None:
        send_json(request, status, body)

    server.faults = {"flag-set": refuse, "flag-set/stream": refuse}
    provider = provider_for(server)
    reason = f"gateway in front of the server responded with {status}"
    assert reason in failed_start(provider, domain, reason)
    provider.shutdown()


def test_a_key_that_is_accepted_later_makes_the_provider_ready(
    server: FlagServer, client: OpenFeatureClient, domain: str
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(401))
    provider = provider_for(server)
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider, domain)
    server.faults = {}
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)
    assert client.get_boolean_value("new-checkout", False) is True
    provider.shutdown()


@pytest.mark.parametrize("fault", ["500", "503", "hangs", "truncated"])
def test_initialize_is_bounded_for_every_failure_of_the_server(
    server: FlagServer, client: OpenFeatureClient, domain: str, fault: str
) -> None:
    hang = Hang()
    faults: dict[str, Fault] = {"hangs": hang, "truncated": truncates}
    fail = faults.get(fault) or fails_with(int(fault))
    server.faults = {"flag-set": fail, "flag-set/stream": fail}
    provider = provider_for(server, init_timeout_ms=100)
    with pytest.raises(GeneralError, match="within 100 ms"):
        api.set_provider_and_wait(provider, domain)
    server.faults = {}
    hang.release()
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)
    provider.shutdown()


def test_initialize_is_bounded_if_the_server_never_responds(domain: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        provider = SteadyProvider(url=url, key=KEY, init_timeout_ms=50)
        with pytest.raises(GeneralError):
            api.set_provider_and_wait(provider, domain)
        provider.shutdown()


def test_flags_that_arrive_after_a_failed_start_are_reported_as_changed_and_ready(
    server: FlagServer, client: OpenFeatureClient, domain: str
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(503))
    provider = provider_for(server, init_timeout_ms=50)
    with pytest.raises(GeneralError):
        api.set_provider_and_wait(provider, domain)
    recorder = EventRecorder(client)
    server.faults = {}
    eventually(lambda: recorder.of(ProviderEvent.PROVIDER_READY))
    eventually(lambda: recorder.changed_flags() == [["new-checkout"]])
    assert client.get_provider_status() == ProviderStatus.READY
    provider.shutdown()


def test_flags_that_arrive_just_after_a_failed_start_make_the_provider_ready(
    server: FlagServer, client: OpenFeatureClient, domain: str
) -> None:
    class Late(LateEventsProvider):
        def initialize(self, evaluation_context: EvaluationContext) -> None:
            try:
                super().initialize(evaluation_context)
            finally:
                server.faults = {}
                # Before the SDK emits the error.
                eventually(streaming(self))

    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(503))
    provider = Late(url=server.url, key=KEY, init_timeout_ms=50)
    with pytest.raises(GeneralError):
        api.set_provider_and_wait(provider, domain)
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)
    provider.shutdown()

"""Following a server that fails, loses changes or rejects the key."""

from __future__ import annotations

import random
import threading
import time
from email.utils import formatdate
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
    has_status,
    is_off,
    provider_for,
    streaming,
)
from faults import Fault, Hang, fails_with
from flag_server import FLAG_SET_ROUTES, KEY, OFF, FlagServer, boolean_flag, frame
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.provider import ProviderStatus

from pennon_openfeature import _follower
from pennon_openfeature._follower import CommentTimer
from pennon_openfeature._timing import Timing


def test_a_stream_that_is_cut_is_reopened_without_missing_a_change(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    eventually(streaming(provider))
    server.cut_streams()
    server.change_silently(OFF)
    eventually(lambda: is_off(client))
    eventually(streaming(provider))
    assert provider.freshness().last_error is not None


def test_a_reopened_stream_continues_from_the_last_event(server: FlagServer, use: Use) -> None:
    provider = use(provider_for(server))
    eventually(streaming(provider))
    server.cut_streams()
    eventually(lambda: server.requests["flag-set/stream"] >= 2 and streaming(provider)())
    path, headers = [each for each in server.received if each[0].endswith("/stream")][-1]
    assert headers["last-event-id"] == server.id
    assert KEY not in path


def test_after_a_missing_change_the_whole_flag_set_is_loaded_again(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    eventually(streaming(provider))
    server.change_silently(OFF)
    server.change({"other": boolean_flag()})
    eventually(lambda: is_off(client) and client.get_boolean_value("other", False))


def test_after_a_heartbeat_of_another_revision_the_flags_are_loaded_again(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    eventually(streaming(provider))
    server.change_silently(OFF)
    eventually(lambda: is_off(client))


def test_a_silent_stream_is_replaced_by_polls(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(QuickProvider(url=server.url, key=KEY))
    eventually(streaming(provider))
    server.heartbeat_s = 60
    server.send_to_streams(b": a comment\n\n")
    server.change_silently(OFF)
    eventually(lambda: is_off(client))
    server.heartbeat_s = 0.05


def test_a_stream_of_nothing_but_comments_is_lost(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(QuickProvider(url=server.url, key=KEY))
    eventually(streaming(provider))
    server.heartbeat_s = 60
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(503))

    def is_stale_although_a_proxy_sends_comments() -> bool:
        server.send_to_streams(b": a com")
        server.send_to_streams(b"ment\r\n\r\n")
        return client.get_provider_status() == ProviderStatus.STALE

    eventually(is_stale_although_a_proxy_sends_comments)


def test_an_event_that_arrives_slowly_is_received(
    server: FlagServer, client: OpenFeatureClient, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = time.monotonic()
    monkeypatch.setattr(_follower, "time", SimpleNamespace(monotonic=lambda: now_s))
    received: list[bytes] = []
    ms_after = CommentTimer.ms_after

    def recorded(timer: CommentTimer, chunk: bytes) -> float:
        received.append(chunk)
        return ms_after(timer, chunk)

    monkeypatch.setattr(CommentTimer, "ms_after", recorded)
    provider = use(provider_for(server))
    eventually(streaming(provider))
    server.heartbeat_s = 60
    data = {"previous": server.id, "revision": 2, "flags": OFF, "segments": {}}
    event = frame("change", data, "epoch.2.nonce")
    # An unknown field, which is ignored.
    part = b"x: :\n"
    for number in range(1, 5):
        now_s += 0.9 * SteadyProvider._timing.idle_timeout_ms / 1_000
        server.send_to_streams(part)
        eventually(lambda parts=number: b"".join(received).count(part) == parts)  # type: ignore[misc]
    server.send_to_streams(event)
    eventually(lambda: is_off(client))
    assert server.requests["flag-set/stream"] == 1


@pytest.mark.parametrize(
    "frames",
    [
        b"event: change\nid: x\ndata: {not json\n\n",
        b"event: change\nid: x\ndata: []\n\n",
        b'event: change\nid: x\ndata: {"previous": "epoch.1.nonce"}\n\n',
        b"event: set\ndata: null\n\n",
        b"event: heartbeat\ndata: \xff\xfe\n\n",
        frame("set", {"revision": 1, "flags": [], "segments": {}}),
        frame("set", {"formatVersion": 2, "revision": 9, "flags": {}, "segments": {}}, "x"),
    ],
)
def test_invalid_events_on_the_stream_leave_the_last_good_flags_in_use(
    server: FlagServer, client: OpenFeatureClient, use: Use, frames: bytes
) -> None:
    provider = use(provider_for(server))
    eventually(streaming(provider))
    server.send_to_streams(frames)
    eventually(lambda: provider.freshness().last_error is not None)
    assert client.get_boolean_value("new-checkout", False) is True
    eventually(streaming(provider))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"error": {"code": "UNAVAILABLE", "message": "the store is closed"}},
            "the server ended the stream with UNAVAILABLE: the store is closed",
        ),
        ({}, "the server ended the stream with an error: "),
    ],
)
def test_an_error_of_the_server_on_the_stream_is_reported(
    server: FlagServer, use: Use, caplog: pytest.LogCaptureFixture, body: Any, message: str
) -> None:
    provider = use(provider_for(server))
    eventually(streaming(provider))
    server.send_to_streams(frame("error", body))
    eventually(lambda: provider.freshness().last_error is not None)
    error = provider.freshness().last_error
    assert error is not None
    assert error.message == message
    assert message in caplog.messages
    eventually(streaming(provider))


@pytest.mark.parametrize("event", ["change", "heartbeat"])
def test_the_event_that_a_stream_cannot_start_with_is_reported(
    server: FlagServer, use: Use, event: str
) -> None:
    def start_stream(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("content-type", "text/event-stream")
        request.end_headers()
        request.wfile.write(frame(event, {"revision": server.revision}, server.id))

    server.faults = {"flag-set/stream": start_stream}
    provider = use(provider_for(server))
    eventually(lambda: provider.freshness().last_error is not None)
    error = provider.freshness().last_error
    assert error is not None
    assert error.message == f'the stream started with the event "{event}"'


def test_unknown_events_are_ignored(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    eventually(streaming(provider))
    server.send_to_streams(frame("unknown", {"field": True}))
    server.change(OFF)
    eventually(lambda: is_off(client))
    assert provider.freshness().last_error is None


@pytest.mark.parametrize("status", [404, 500, 503])
def test_polls_keep_the_flags_current_if_there_is_no_stream(
    server: FlagServer, client: OpenFeatureClient, use: Use, status: int
) -> None:
    server.faults["flag-set/stream"] = fails_with(status)
    use(provider_for(server, poll_interval_ms=20))
    server.change(OFF)
    eventually(lambda: is_off(client))
    eventually(has_status(client, ProviderStatus.READY))


def test_with_streaming_off_the_provider_only_polls(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server, stream=False, poll_interval_ms=10))
    server.change(OFF)
    eventually(lambda: is_off(client))
    assert provider.freshness().mode == "polling"
    assert server.requests["flag-set/stream"] == 0


def test_polls_for_unchanged_flags_send_the_etag(server: FlagServer, use: Use) -> None:
    use(provider_for(server, stream=False, poll_interval_ms=10))
    eventually(lambda: server.requests["flag-set"] >= 3)
    assert server.received[-1][1]["if-none-match"] == f'"{server.id}"'


def limits(clock: float, seconds: float) -> Fault:
    """The server, with this clock, accepts no requests until some seconds later."""
    headers = {
        "date": formatdate(clock, usegmt=True),
        "retry-after": formatdate(clock + seconds, usegmt=True),
        "content-length": "0",
    }

    def fail(request: BaseHTTPRequestHandler) -> None:
        request.send_response_only(429)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()

    return fail


DAY_S = 86_400


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(fails_with(429, retry_after="3600"), id="seconds"),
        pytest.param(limits(time.time(), 3_600), id="a date"),
        pytest.param(limits(time.time() - DAY_S, 3_600), id="a date of a clock that is behind"),
    ],
)
def test_retry_after_delays_the_next_poll(server: FlagServer, use: Use, limit: Fault) -> None:
    def polls(environment: str) -> int:
        return sum(path.endswith(f"environment={environment}") for path, _ in server.received)

    def fail(request: BaseHTTPRequestHandler) -> None:
        if request.path.endswith("environment=limited"):
            limit(request)
        else:
            fails_with(503)(request)

    options: dict[str, Any] = {"stream": False, "poll_interval_ms": 10}
    limited = use(provider_for(server, environment="limited", **options))
    other = provider_for(server, environment="other", **options)
    other.initialize(EvaluationContext())
    server.faults["flag-set"] = fail
    eventually(lambda: limited.freshness().last_error is not None)
    error = limited.freshness().last_error
    assert error is not None
    assert error.status == 429
    polls_before, other_polls_before = polls("limited"), polls("other")
    eventually(lambda: polls("other") >= other_polls_before + 10)
    assert polls("limited") == polls_before
    other.shutdown()


def test_a_clock_of_the_server_that_is_ahead_does_not_delay_the_next_poll(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(provider_for(server, stream=False, poll_interval_ms=10))
    server.faults["flag-set"] = limits(time.time() + DAY_S, 0)
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    server.faults = {}
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)


def test_the_provider_is_stale_while_the_server_is_down_and_ready_afterwards(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    recorder = EventRecorder(client)
    eventually(streaming(provider))
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(503))
    server.cut_streams()
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    assert client.get_boolean_value("new-checkout", False) is True
    # Just after a start the event follows the status, unless the flags are current by then.
    eventually(lambda: recorder.of(ProviderEvent.PROVIDER_STALE))
    server.faults = {}
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)
    assert len(recorder.of(ProviderEvent.PROVIDER_STALE)) == 1


def test_a_revoked_key_keeps_the_flags_and_makes_the_provider_stale(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    eventually(streaming(provider))
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(401))
    server.cut_streams()
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    error = provider.freshness().last_error
    assert error is not None
    assert error.status == 401
    assert client.get_boolean_value("new-checkout", False) is True


def test_shutdown_leaves_no_thread_and_no_connection(server: FlagServer, use: Use) -> None:
    def threads() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name.startswith("pennon")}

    before = threads()
    provider = use(provider_for(server))
    eventually(streaming(provider))
    provider.shutdown()
    # A shutdown waits for a short time only.
    eventually(lambda: threads() <= before)
    server.change(OFF)
    assert provider.freshness().mode == "stopped"


def test_a_server_that_freezes_makes_the_provider_stale(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(QuickProvider(url=server.url, key=KEY))
    eventually(streaming(provider))
    hang = Hang()
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, hang)
    server.heartbeat_s = 60
    server.send_to_streams(b": the thread of the stream waits for the new interval\n\n")
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    assert hang.is_active
    assert "did not respond in time" in str(provider.freshness().last_error)
    assert client.get_boolean_value("new-checkout", False) is True
    server.faults, server.heartbeat_s = {}, 0.05
    hang.release()
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)


def test_a_frozen_server_is_noticed_within_two_and_a_half_heartbeats() -> None:
    timing = Timing()
    longest_ms = timing.idle_timeout_ms + timing.first_backoff_ms + timing.check_timeout_ms
    assert longest_ms < 2.5 * timing.heartbeat_ms


def test_random_delays_do_not_change_the_random_numbers_of_the_application() -> None:
    random.seed(1)
    state = random.getstate()
    timing = Timing()
    delays = {timing.backoff_delay(3), timing.stale_retry_delay(), timing.source_check_delay()}
    assert len(delays) == 3
    assert random.getstate() == state


def test_flags_with_too_large_patterns_leave_the_last_good_flags_in_use(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    eventually(streaming(provider))
    matches = {"attribute": "a", "operator": "matches", "value": f"({'.' * 249}){{100}}"}
    rules = [{"id": "r", "conditions": [matches], "variant": "off"}]
    heavy = {f"f{at}": {**boolean_flag(rules=rules), "key": f"f{at}"} for at in range(41)}
    server.change({**OFF, **heavy})
    eventually(lambda: provider.freshness().last_error is not None)
    assert "at most 1000000 is possible" in str(provider.freshness().last_error)
    assert client.get_boolean_value("new-checkout", False) is True

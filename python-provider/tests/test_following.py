"""Following a server that fails, loses changes or rejects the key."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from conftest import EventRecorder, QuickProvider, eventually, provider_for
from faults import Fault, Hang, fails_with, truncates
from flag_server import KEY, FlagServer, boolean_flag, frame
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import GeneralError, ProviderFatalError
from openfeature.provider import ProviderStatus

from pennon_openfeature import PennonProvider
from pennon_openfeature._cache_file import write_cache_file
from pennon_openfeature._flag_set import FlagSet

Use = Callable[[PennonProvider], PennonProvider]
OFF = {"new-checkout": boolean_flag("off")}


def is_off(client: OpenFeatureClient) -> bool:
    return client.get_boolean_value("new-checkout", True) is False


def streaming(provider: PennonProvider) -> Callable[[], bool]:
    return lambda: provider.freshness().mode == "streaming"


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
    provider = PennonProvider(url=server.url, key="another-key")
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider, domain)
    assert server.requests == {"flag-set": 1}
    provider.shutdown()


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
    provider = use(provider_for(server))
    eventually(streaming(provider))
    server.heartbeat_s = 60
    server.send_to_streams(b": a comment\n\n")
    server.change_silently(OFF)
    eventually(lambda: is_off(client))
    server.heartbeat_s = 0.05


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
    assert client.get_provider_status() == ProviderStatus.READY


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


def test_retry_after_delays_the_next_poll(server: FlagServer, use: Use) -> None:
    def polls(environment: str) -> int:
        return sum(path.endswith(f"environment={environment}") for path, _ in server.received)

    def fail(request: BaseHTTPRequestHandler) -> None:
        if request.path.endswith("environment=limited"):
            fails_with(429, retry_after="3600")(request)
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


def test_the_provider_is_stale_while_the_server_is_down_and_ready_afterwards(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    recorder = EventRecorder(client)
    eventually(streaming(provider))
    server.faults = {"flag-set": fails_with(503), "flag-set/stream": fails_with(503)}
    server.cut_streams()
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    assert client.get_boolean_value("new-checkout", False) is True
    server.faults = {}
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)
    eventually(lambda: len(recorder.of(ProviderEvent.PROVIDER_STALE)) == 1)


def test_a_rejected_key_at_the_start_is_fatal(
    server: FlagServer, client: OpenFeatureClient, domain: str
) -> None:
    provider = QuickProvider(url=server.url, key="another-key")
    with pytest.raises(ProviderFatalError, match="rejected the key"):
        api.set_provider_and_wait(provider, domain)
    assert client.get_provider_status() == ProviderStatus.FATAL
    provider.shutdown()


def test_a_key_that_is_accepted_later_makes_the_provider_ready(
    server: FlagServer, client: OpenFeatureClient, domain: str
) -> None:
    server.faults = {"flag-set": fails_with(401), "flag-set/stream": fails_with(401)}
    provider = provider_for(server)
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider, domain)
    server.faults = {}
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)
    assert client.get_boolean_value("new-checkout", False) is True
    provider.shutdown()


def test_a_revoked_key_keeps_the_flags_and_makes_the_provider_stale(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    eventually(streaming(provider))
    server.faults = {"flag-set": fails_with(401), "flag-set/stream": fails_with(401)}
    server.cut_streams()
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    error = provider.freshness().last_error
    assert error is not None
    assert error.status == 401
    assert client.get_boolean_value("new-checkout", False) is True


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
        provider = QuickProvider(url=url, key=KEY, init_timeout_ms=50)
        with pytest.raises(GeneralError):
            api.set_provider_and_wait(provider, domain)
        provider.shutdown()


def test_the_cache_file_is_used_while_the_server_is_down(
    server: FlagServer, client: OpenFeatureClient, use: Use, tmp_path: Path, unreachable_url: str
) -> None:
    cache_file = tmp_path / "flags.json"
    first = use(provider_for(server, cache_file=cache_file))
    server.change(OFF)
    eventually(lambda: cache_file.exists() and json.loads(cache_file.read_text())["revision"] == 2)
    first.shutdown()
    hour_ago = time.time() - 3_600
    os.utime(cache_file, (hour_ago, hour_ago))
    provider = use(QuickProvider(url=unreachable_url, key=KEY, cache_file=cache_file))
    assert is_off(client)
    assert provider.freshness().source == "cache_file"
    hour_ms = 3_600_000
    assert hour_ms <= (provider.freshness().data_age_ms or 0) < 2 * hour_ms
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)


def test_a_cached_flag_set_that_is_current_is_not_loaded_again(
    server: FlagServer, client: OpenFeatureClient, use: Use, tmp_path: Path
) -> None:
    cache_file = tmp_path / "flags.json"
    cache_file.write_text(json.dumps(server.flag_set()))
    use(provider_for(server, cache_file=cache_file, stream=False))
    assert server.received[0][1]["if-none-match"] == f'"{server.id}"'
    assert client.get_provider_status() == ProviderStatus.READY
    assert client.get_boolean_value("new-checkout", False) is True


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"flags": 1}', "\x00", '{"formatVersion": 2}'])
def test_a_damaged_cache_file_is_ignored_and_replaced(
    server: FlagServer, client: OpenFeatureClient, use: Use, tmp_path: Path, damage: str
) -> None:
    cache_file = tmp_path / "flags.json"
    cache_file.write_text(damage)
    provider = use(provider_for(server, cache_file=cache_file))
    assert client.get_boolean_value("new-checkout", False) is True
    assert json.loads(cache_file.read_text())["id"] == server.id
    assert "cache_file" in str(provider.freshness().last_error)


def test_a_rejected_key_is_fatal_even_with_a_cache_file(
    server: FlagServer, client: OpenFeatureClient, tmp_path: Path, domain: str
) -> None:
    cache_file = tmp_path / "flags.json"
    cache_file.write_text(json.dumps(server.flag_set()))
    provider = QuickProvider(url=server.url, key="another-key", cache_file=cache_file)
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider, domain)
    assert client.get_provider_status() == ProviderStatus.FATAL
    provider.shutdown()


def test_a_cache_file_of_another_environment_is_not_used(
    server: FlagServer, tmp_path: Path, unreachable_url: str, domain: str
) -> None:
    cache_file = tmp_path / "flags.json"
    cache_file.write_text(json.dumps(server.flag_set()))
    options: dict[str, Any] = {"url": unreachable_url, "key": KEY, "cache_file": cache_file}
    provider = QuickProvider(**options, environment="staging", init_timeout_ms=50)
    with pytest.raises(GeneralError):
        api.set_provider_and_wait(provider, domain)
    provider.shutdown()


def test_flags_are_available_if_the_cache_file_cannot_be_written(
    server: FlagServer, client: OpenFeatureClient, use: Use, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    use(provider_for(server, cache_file=tmp_path / "file" / "flags.json"))
    assert client.get_boolean_value("new-checkout", False) is True


def test_a_slow_disk_delays_no_change_and_receives_only_the_latest_flags(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk_ready = threading.Event()
    revisions: list[object] = []

    def write_slowly(path: Path, flag_set: FlagSet) -> None:
        revisions.append(flag_set.revision)
        disk_ready.wait(20)
        write_cache_file(path, flag_set)

    monkeypatch.setattr("pennon_openfeature._cache_file.write_cache_file", write_slowly)
    cache_file = tmp_path / "flags.json"
    provider = use(provider_for(server, cache_file=cache_file, init_timeout_ms=200))
    eventually(streaming(provider))
    for _ in range(20):
        server.change({"new-checkout": boolean_flag()})
    server.change(OFF)
    eventually(lambda: is_off(client))
    assert not cache_file.exists()
    disk_ready.set()
    eventually(lambda: cache_file.exists() and json.loads(cache_file.read_text())["revision"] == 22)
    assert revisions == [1, 22]


def test_writing_the_cache_file_leaves_no_temporary_file(
    server: FlagServer, use: Use, tmp_path: Path
) -> None:
    use(provider_for(server, cache_file=tmp_path / "flags.json"))
    assert [file.name for file in tmp_path.iterdir()] == ["flags.json"]


def test_the_bootstrap_is_used_without_a_cache_file(
    client: OpenFeatureClient, use: Use, unreachable_url: str
) -> None:
    short = {"flags": {"new-checkout": {"enabled": True, "rules": [{"percentage": 0}]}}}
    use(QuickProvider(url=unreachable_url, key=KEY, bootstrap=short))
    assert is_off(client)
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)


def test_flags_that_arrive_after_the_bootstrap_are_reported_as_changed(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = {"flag-set": fails_with(503), "flag-set/stream": fails_with(503)}
    use(provider_for(server, bootstrap=server.flag_set()))
    recorder = EventRecorder(client)
    server.change(OFF)
    server.faults = {}
    eventually(lambda: recorder.changed_flags() == [["new-checkout"]])
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)


def test_flags_that_arrive_after_a_failed_start_are_reported_as_changed_and_ready(
    server: FlagServer, client: OpenFeatureClient, domain: str
) -> None:
    server.faults = dict.fromkeys(("flag-set", "flag-set/stream"), fails_with(503))
    provider = provider_for(server, init_timeout_ms=50)
    with pytest.raises(GeneralError):
        api.set_provider_and_wait(provider, domain)
    recorder = EventRecorder(client)
    server.faults = {}
    eventually(lambda: recorder.of(ProviderEvent.PROVIDER_READY))
    assert recorder.changed_flags() == [["new-checkout"]]
    assert client.get_provider_status() == ProviderStatus.READY
    provider.shutdown()


def test_flags_that_arrive_just_after_a_failed_start_make_the_provider_ready(
    server: FlagServer, client: OpenFeatureClient, domain: str
) -> None:
    class Late(QuickProvider):
        _timing = replace(QuickProvider._timing, event_delay_ms=1_000)

        def initialize(self, evaluation_context: EvaluationContext) -> None:
            try:
                super().initialize(evaluation_context)
            finally:
                server.faults = {}
                # Before the SDK emits the error.
                eventually(streaming(self))

    server.faults = dict.fromkeys(("flag-set", "flag-set/stream"), fails_with(503))
    provider = Late(url=server.url, key=KEY, init_timeout_ms=50)
    with pytest.raises(GeneralError):
        api.set_provider_and_wait(provider, domain)
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)
    provider.shutdown()


def test_shutdown_leaves_no_thread_and_no_connection(server: FlagServer, use: Use) -> None:
    before = {thread for thread in threading.enumerate() if thread.name.startswith("pennon")}
    provider = use(provider_for(server))
    eventually(streaming(provider))
    provider.shutdown()
    threads = {thread for thread in threading.enumerate() if thread.name.startswith("pennon")}
    assert threads <= before
    server.change(OFF)
    assert provider.freshness().mode == "stopped"

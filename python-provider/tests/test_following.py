"""What happens while things go wrong on the way, shown on a server that fails as it is told."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Listened, QuickProvider, connected, eventually
from flag_server import KEY, FlagServer, answers, boolean_flag, frame, silent, truncated
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


def test_a_stream_that_is_cut_is_opened_again_and_misses_nothing(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(connected(server))
    eventually(streaming(provider))
    server.cut_streams()
    server.change_unheard(OFF)
    eventually(lambda: is_off(client))
    eventually(streaming(provider))
    assert provider.freshness().last_error is not None


def test_a_stream_continues_from_where_it_was(server: FlagServer, use: Use) -> None:
    provider = use(connected(server))
    eventually(streaming(provider))
    server.cut_streams()
    eventually(lambda: server.requests["flag-set/stream"] >= 2 and streaming(provider)())
    path, headers = [each for each in server.asked if each[0].endswith("/stream")][-1]
    assert headers["last-event-id"] == server.id
    assert KEY not in path


def test_a_change_that_does_not_follow_is_a_gap_and_everything_is_asked_for_anew(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(connected(server))
    eventually(streaming(provider))
    server.change_unheard(OFF)
    server.change({"other": boolean_flag()})
    eventually(lambda: is_off(client) and client.get_boolean_value("other", False))


def test_a_heartbeat_of_another_revision_is_a_gap(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(connected(server))
    eventually(streaming(provider))
    server.change_unheard(OFF)
    eventually(lambda: is_off(client))


def test_a_silent_stream_is_given_up_and_polled_meanwhile(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(connected(server))
    eventually(streaming(provider))
    server.heartbeat_s = 60
    server.tell(b": nobody reads comments\n\n")
    server.change_unheard(OFF)
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
def test_whatever_comes_on_the_stream_the_last_good_flags_stay(
    server: FlagServer, client: OpenFeatureClient, use: Use, frames: bytes
) -> None:
    provider = use(connected(server))
    eventually(streaming(provider))
    server.tell(frames)
    eventually(lambda: provider.freshness().last_error is not None)
    assert client.get_boolean_value("new-checkout", False) is True
    eventually(streaming(provider))


def test_unknown_events_say_nothing(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(connected(server))
    eventually(streaming(provider))
    server.tell(frame("weather", {"sun": True}))
    server.change(OFF)
    eventually(lambda: is_off(client))
    assert provider.freshness().last_error is None


@pytest.mark.parametrize("status", [404, 500, 503])
def test_where_there_is_no_stream_polls_keep_the_flags_current(
    server: FlagServer, client: OpenFeatureClient, use: Use, status: int
) -> None:
    server.faults["flag-set/stream"] = answers(status)
    use(connected(server, poll_interval_ms=20))
    server.change(OFF)
    eventually(lambda: is_off(client))
    assert client.get_provider_status() == ProviderStatus.READY


def test_without_a_stream_only_polls_are_made(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(connected(server, stream=False, poll_interval_ms=10))
    server.change(OFF)
    eventually(lambda: is_off(client))
    assert provider.freshness().mode == "polling"
    assert server.requests["flag-set/stream"] == 0


def test_a_poll_that_finds_nothing_new_gets_no_body(server: FlagServer, use: Use) -> None:
    use(connected(server, stream=False, poll_interval_ms=10))
    eventually(lambda: server.requests["flag-set"] >= 3)
    assert server.asked[-1][1]["if-none-match"] == f'"{server.id}"'


def test_retry_after_is_obeyed(server: FlagServer, use: Use) -> None:
    provider = use(connected(server, stream=False, poll_interval_ms=10))
    server.faults["flag-set"] = answers(429, retry_after="3600")
    eventually(lambda: provider.freshness().last_error is not None)
    asked = server.requests["flag-set"]
    error = provider.freshness().last_error
    assert error is not None
    assert error.status == 429
    threading.Event().wait(0.2)
    assert server.requests["flag-set"] == asked


def test_flags_that_cannot_be_confirmed_are_stale_and_ready_again_when_they_can(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(connected(server))
    listened = Listened(client)
    eventually(streaming(provider))
    server.faults = {"flag-set": answers(503), "flag-set/stream": answers(503)}
    server.cut_streams()
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    assert client.get_boolean_value("new-checkout", False) is True
    server.faults = {}
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)
    eventually(lambda: len(listened.of(ProviderEvent.PROVIDER_STALE)) == 1)


def test_a_refused_key_at_the_start_is_fatal(
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
    server.faults = {"flag-set": answers(401), "flag-set/stream": answers(401)}
    provider = connected(server)
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider, domain)
    server.faults = {}
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)
    assert client.get_boolean_value("new-checkout", False) is True
    provider.shutdown()


def test_a_key_that_is_revoked_leaves_the_flags_and_says_they_are_stale(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(connected(server))
    eventually(streaming(provider))
    server.faults = {"flag-set": answers(401), "flag-set/stream": answers(401)}
    server.cut_streams()
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    error = provider.freshness().last_error
    assert error is not None
    assert error.status == 401
    assert client.get_boolean_value("new-checkout", False) is True


@pytest.mark.parametrize("fault", ["500", "503", "silence", "truncated"])
def test_initialize_is_bounded_whatever_the_server_does(
    server: FlagServer, client: OpenFeatureClient, domain: str, fault: str
) -> None:
    released = threading.Event()
    failing = {"silence": silent(released), "truncated": truncated}
    fails = failing.get(fault) or answers(int(fault))
    server.faults = {"flag-set": fails, "flag-set/stream": fails}
    provider = connected(server, init_timeout_ms=100)
    with pytest.raises(GeneralError, match="within 100 ms"):
        api.set_provider_and_wait(provider, domain)
    server.faults = {}
    released.set()
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)
    provider.shutdown()


def test_initialize_is_bounded_where_a_socket_accepts_and_nobody_speaks(domain: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        provider = QuickProvider(url=url, key=KEY, init_timeout_ms=50)
        with pytest.raises(GeneralError):
            api.set_provider_and_wait(provider, domain)
        provider.shutdown()


@pytest.fixture
def nowhere() -> str:
    with socket.create_server(("127.0.0.1", 0)) as briefly:
        return f"http://127.0.0.1:{briefly.getsockname()[1]}"


def test_the_last_known_good_copy_serves_while_the_server_is_away(
    server: FlagServer, client: OpenFeatureClient, use: Use, tmp_path: Path, nowhere: str
) -> None:
    copy = tmp_path / "flags.json"
    first = use(connected(server, cache_file=copy))
    server.change(OFF)
    eventually(lambda: copy.exists() and json.loads(copy.read_text())["revision"] == 2)
    first.shutdown()
    hour_ago = time.time() - 3_600
    os.utime(copy, (hour_ago, hour_ago))
    provider = use(QuickProvider(url=nowhere, key=KEY, cache_file=copy))
    assert is_off(client)
    assert provider.freshness().source == "cache_file"
    hour_ms = 3_600_000
    assert hour_ms <= (provider.freshness().data_age_ms or 0) < 2 * hour_ms
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)


def test_a_copy_that_the_server_confirms_is_not_loaded_again(
    server: FlagServer, client: OpenFeatureClient, use: Use, tmp_path: Path
) -> None:
    copy = tmp_path / "flags.json"
    copy.write_text(json.dumps(server.flag_set()))
    use(connected(server, cache_file=copy, stream=False))
    assert server.asked[0][1]["if-none-match"] == f'"{server.id}"'
    assert client.get_provider_status() == ProviderStatus.READY
    assert client.get_boolean_value("new-checkout", False) is True


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"flags": 1}', "\x00", '{"formatVersion": 2}'])
def test_a_damaged_copy_is_no_copy(
    server: FlagServer, client: OpenFeatureClient, use: Use, tmp_path: Path, damage: str
) -> None:
    copy = tmp_path / "flags.json"
    copy.write_text(damage)
    provider = use(connected(server, cache_file=copy))
    assert client.get_boolean_value("new-checkout", False) is True
    assert json.loads(copy.read_text())["id"] == server.id
    assert "cache_file" in str(provider.freshness().last_error)


def test_a_refused_key_is_fatal_though_there_is_a_copy(
    server: FlagServer, client: OpenFeatureClient, tmp_path: Path, domain: str
) -> None:
    copy = tmp_path / "flags.json"
    copy.write_text(json.dumps(server.flag_set()))
    provider = QuickProvider(url=server.url, key="another-key", cache_file=copy)
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider, domain)
    assert client.get_provider_status() == ProviderStatus.FATAL
    provider.shutdown()


def test_a_copy_of_another_environment_is_not_used(
    server: FlagServer, tmp_path: Path, nowhere: str, domain: str
) -> None:
    copy = tmp_path / "flags.json"
    copy.write_text(json.dumps(server.flag_set()))
    options: dict[str, Any] = {"url": nowhere, "key": KEY, "cache_file": copy}
    provider = QuickProvider(**options, environment="staging", init_timeout_ms=50)
    with pytest.raises(GeneralError):
        api.set_provider_and_wait(provider, domain)
    provider.shutdown()


def test_a_copy_that_cannot_be_written_harms_nobody(
    server: FlagServer, client: OpenFeatureClient, use: Use, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    use(connected(server, cache_file=tmp_path / "file" / "flags.json"))
    assert client.get_boolean_value("new-checkout", False) is True


def test_a_disk_that_hangs_holds_up_no_change_and_gets_the_newest_copy_only(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    goes_on = threading.Event()
    revisions: list[object] = []

    def hang(path: Path, flag_set: FlagSet) -> None:
        revisions.append(flag_set.revision)
        goes_on.wait(20)
        write_cache_file(path, flag_set)

    monkeypatch.setattr("pennon_openfeature._cache_file.write_cache_file", hang)
    copy = tmp_path / "flags.json"
    provider = use(connected(server, cache_file=copy, init_timeout_ms=200))
    eventually(streaming(provider))
    for _ in range(20):
        server.change({"new-checkout": boolean_flag()})
    server.change(OFF)
    eventually(lambda: is_off(client))
    assert not copy.exists()
    goes_on.set()
    eventually(lambda: copy.exists() and json.loads(copy.read_text())["revision"] == 22)
    assert revisions == [1, 22]


def test_a_copy_leaves_no_temporary_file_behind(
    server: FlagServer, use: Use, tmp_path: Path
) -> None:
    use(connected(server, cache_file=tmp_path / "flags.json"))
    assert [file.name for file in tmp_path.iterdir()] == ["flags.json"]


def test_the_bootstrap_serves_where_there_is_no_copy(
    client: OpenFeatureClient, use: Use, nowhere: str
) -> None:
    short = {"flags": {"new-checkout": {"enabled": True, "rules": [{"percentage": 0}]}}}
    use(QuickProvider(url=nowhere, key=KEY, bootstrap=short))
    assert is_off(client)
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)


def test_flags_that_come_after_the_bootstrap_are_told_as_changed(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = {"flag-set": answers(503), "flag-set/stream": answers(503)}
    use(connected(server, bootstrap=server.flag_set()))
    listened = Listened(client)
    server.change(OFF)
    server.faults = {}
    eventually(lambda: listened.changed() == [["new-checkout"]])
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)


def test_flags_that_come_after_a_start_without_any_are_told_as_changed_and_ready(
    server: FlagServer, client: OpenFeatureClient, domain: str
) -> None:
    server.faults = dict.fromkeys(("flag-set", "flag-set/stream"), answers(503))
    provider = connected(server, init_timeout_ms=50)
    with pytest.raises(GeneralError):
        api.set_provider_and_wait(provider, domain)
    listened = Listened(client)
    server.faults = {}
    eventually(lambda: listened.of(ProviderEvent.PROVIDER_READY))
    assert listened.changed() == [["new-checkout"]]
    assert client.get_provider_status() == ProviderStatus.READY
    provider.shutdown()


def test_an_answer_that_comes_just_after_the_start_was_given_up_makes_the_provider_ready(
    server: FlagServer, client: OpenFeatureClient, domain: str
) -> None:
    class Late(QuickProvider):
        _timing = replace(QuickProvider._timing, event_delay_ms=1_000)

        def initialize(self, evaluation_context: EvaluationContext) -> None:
            try:
                super().initialize(evaluation_context)
            finally:
                server.faults = {}
                # Before the SDK has told the error.
                eventually(streaming(self))

    server.faults = dict.fromkeys(("flag-set", "flag-set/stream"), answers(503))
    provider = Late(url=server.url, key=KEY, init_timeout_ms=50)
    with pytest.raises(GeneralError):
        api.set_provider_and_wait(provider, domain)
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)
    provider.shutdown()


def test_shutting_down_leaves_no_thread_and_no_connection(server: FlagServer, use: Use) -> None:
    before = {thread for thread in threading.enumerate() if thread.name.startswith("pennon")}
    provider = use(connected(server))
    eventually(streaming(provider))
    provider.shutdown()
    threads = {thread for thread in threading.enumerate() if thread.name.startswith("pennon")}
    assert threads <= before
    server.change(OFF)
    assert provider.freshness().mode == "stopped"

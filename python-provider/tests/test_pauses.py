"""Processes that are paused or forked without notice, and `refresh`."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import (
    LONG_MS,
    LONG_S,
    ApplicationProvider,
    Clocks,
    EventRecorder,
    LateEventsProvider,
    QuickProvider,
    SteadyProvider,
    Use,
    eventually,
    has_status,
    provider_for,
    streaming,
)
from faults import Hang, fails_with, send_json
from flag_server import FLAG_SET_ROUTES, KEY, OFF, FlagServer
from openfeature.client import OpenFeatureClient
from openfeature.event import ProviderEvent, ProviderEventDetails
from openfeature.provider import ProviderStatus

from pennon_openfeature import PennonProvider, _process

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor SIGSTOP")


def started(use: Use, server: FlagServer, **options: Any) -> PennonProvider:
    """A provider whose follower has started, with the delays that applications have."""
    provider = use(ApplicationProvider(url=server.url, key=KEY, **options))
    # A stream that opens later would not be among those that a test cuts.
    mode = "streaming" if options.get("stream", True) else "polling"
    eventually(lambda: provider.freshness().mode == mode)
    return provider


def go_silent(server: FlagServer) -> None:
    """Changes of flags are noticed only by polls."""
    server.heartbeat_s = 60
    server.send_to_streams(b": the thread of the stream waits for the new interval\n\n")


def test_after_a_short_pause_the_flags_are_confirmed_while_the_provider_remains_ready(
    server: FlagServer, client: OpenFeatureClient, use: Use, clocks: Clocks
) -> None:
    provider = started(use, server)
    recorder = EventRecorder(client)
    hang = Hang()
    server.faults["flag-set"] = hang
    clocks.paused_s = 3
    assert client.get_boolean_value("new-checkout", False) is True
    assert provider.freshness().mode == "connecting"
    assert client.get_provider_status() == ProviderStatus.READY
    server.faults = {}
    server.change_silently(OFF)
    hang.release()
    eventually(lambda: client.get_boolean_value("new-checkout", True) is False)
    eventually(streaming(provider))
    assert recorder.of(ProviderEvent.PROVIDER_STALE) == []


@pytest.mark.parametrize("clock", ["monotonic", "wall"])
def test_after_a_long_pause_the_provider_is_stale_until_the_server_responds(
    server: FlagServer, client: OpenFeatureClient, use: Use, clocks: Clocks, clock: str
) -> None:
    provider = started(use, server)
    hang = Hang()
    server.faults["flag-set"] = hang
    if clock == "monotonic":
        clocks.paused_s = 3_600
    else:
        clocks.ahead_s = 3_600
    assert client.get_boolean_value("new-checkout", False) is True
    eventually(has_status(client, ProviderStatus.STALE))
    freshness = provider.freshness()
    assert freshness.mode == "connecting"
    assert "did not run for 3600." in str(freshness.last_error)
    assert clock == "monotonic" or (freshness.data_age_ms or 0) >= 3_600_000
    server.faults = {}
    hang.release()
    eventually(has_status(client, ProviderStatus.READY))
    eventually(streaming(provider))


def test_the_status_follows_a_pause_just_after_the_start(
    server: FlagServer, client: OpenFeatureClient, use: Use, clocks: Clocks
) -> None:
    use(LateEventsProvider(url=server.url, key=KEY))
    assert client.get_provider_status() == ProviderStatus.READY
    hang = Hang()
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, hang)
    clocks.paused_s = 3_600
    assert client.get_boolean_value("new-checkout", False) is True
    assert client.get_provider_status() == ProviderStatus.STALE
    server.faults = {}
    hang.release()
    eventually(has_status(client, ProviderStatus.READY))


class BlockedLogging(logging.Handler):
    """Keeps the thread that logs that the flags may be out of date from emitting the event."""

    def __init__(self) -> None:
        super().__init__()
        self.is_blocking = threading.Event()
        self.released = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "may be out of date" in record.getMessage():
            self.is_blocking.set()
            self.released.wait(LONG_S)


@pytest.fixture
def blocked_logging() -> Iterator[BlockedLogging]:
    handler = BlockedLogging()
    logger = logging.getLogger("pennon_openfeature")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def test_no_evaluation_ends_before_the_status_if_another_thread_notices_the_pause(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    clocks: Clocks,
    blocked_logging: BlockedLogging,
) -> None:
    provider = started(use, server)
    hang = Hang()
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, hang)

    def evaluate() -> ProviderStatus:
        client.get_boolean_value("new-checkout", False)
        return client.get_provider_status()

    with ThreadPoolExecutor(2) as pool:
        eventually(lambda: provider._state._holds_events is False)
        clocks.paused_s = 3_600
        noticing = pool.submit(provider.freshness)
        eventually(blocked_logging.is_blocking.is_set)
        evaluating = pool.submit(evaluate)
        with pytest.raises(FutureTimeoutError):
            evaluating.result(0.05)
        blocked_logging.released.set()
        assert evaluating.result(LONG_S) == ProviderStatus.STALE
        noticing.result(LONG_S)
    hang.release()


def test_a_handler_of_the_event_may_evaluate_flags(
    server: FlagServer, client: OpenFeatureClient, use: Use, clocks: Clocks
) -> None:
    provider = started(use, server)
    values: list[bool] = []
    client.add_handler(
        ProviderEvent.PROVIDER_STALE,
        lambda _details: values.append(client.get_boolean_value("new-checkout", False)),
    )
    hang = Hang()
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, hang)
    clocks.paused_s = 3_600
    provider.evaluate("new-checkout")
    eventually(lambda: values == [True])
    hang.release()


def test_a_second_pause_before_the_flags_are_confirmed_makes_the_provider_stale(
    server: FlagServer, client: OpenFeatureClient, use: Use, clocks: Clocks
) -> None:
    provider = started(use, server)
    hang = Hang()
    server.faults["flag-set"] = hang
    for paused_s, status in ((3, ProviderStatus.READY), (6, ProviderStatus.STALE)):
        clocks.paused_s = paused_s
        provider.evaluate("new-checkout")
        eventually(has_status(client, status))
    hang.release()


def pause_briefly(provider: PennonProvider, clocks: Clocks) -> None:
    clocks.paused_s += 3
    provider.evaluate("new-checkout")


def refresh_in_vain(provider: PennonProvider, _clocks: Clocks) -> None:
    assert provider.refresh(timeout_ms=50) is False


@pytest.mark.parametrize("expire", [pause_briefly, refresh_in_vain])
@pytest.mark.parametrize("cause", ["away", "cut off", "revoked key"])
def test_a_provider_that_was_stale_remains_so_until_its_flags_are_confirmed(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    clocks: Clocks,
    expire: Callable[[PennonProvider, Clocks], None],
    cause: str,
) -> None:
    provider = started(use, server)
    events = EventRecorder(client)
    if cause == "cut off":
        server.source_age_ms = 48_000
    else:
        fault = fails_with(503 if cause == "away" else 401)
        server.faults = dict.fromkeys(FLAG_SET_ROUTES, fault)
        server.cut_streams()
    eventually(lambda: events.of(ProviderEvent.PROVIDER_STALE))
    hang = Hang()
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, hang)
    ready = len(events.of(ProviderEvent.PROVIDER_READY))
    expire(provider, clocks)
    assert provider.freshness().mode == ("stale" if cause == "cut off" else "disconnected")
    assert client.get_provider_status() == ProviderStatus.STALE
    assert len(events.of(ProviderEvent.PROVIDER_READY)) == ready
    server.faults, server.source_age_ms = {}, 0
    hang.release()
    eventually(has_status(client, ProviderStatus.READY))


def test_a_key_that_only_evaluates_remains_ready_after_a_pause(
    server: FlagServer, client: OpenFeatureClient, use: Use, clocks: Clocks
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    provider = use(ApplicationProvider(url=server.url, key=KEY, mode="remote"))
    hang = Hang()
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, hang)
    clocks.paused_s = 3
    assert provider.evaluate("new-checkout").enabled is True
    assert client.get_provider_status() == ProviderStatus.READY
    hang.release()


@pytest.mark.parametrize("clock", ["monotonic", "wall"])
def test_a_key_that_only_evaluates_is_stale_after_a_long_pause_until_the_server_responds(
    server: FlagServer, client: OpenFeatureClient, use: Use, clocks: Clocks, clock: str
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    provider = use(ApplicationProvider(url=server.url, key=KEY, mode="remote"))
    assert provider.evaluate("new-checkout").enabled is True
    server.change_silently(OFF)
    hang = Hang()
    server.faults["evaluations"] = hang
    if clock == "monotonic":
        clocks.paused_s = 3_600
    else:
        clocks.ahead_s = 3_600
    freshness = provider.freshness()
    assert freshness.mode == "connecting"
    assert clock == "monotonic" or (freshness.data_age_ms or 0) >= 3_600_000
    eventually(has_status(client, ProviderStatus.STALE))
    assert provider.evaluate("new-checkout").enabled is False
    eventually(has_status(client, ProviderStatus.READY))
    freshness = provider.freshness()
    assert freshness.mode == "polling"
    assert (freshness.data_age_ms or 0) < 60_000
    hang.release()


def test_a_key_that_only_evaluates_needs_no_evaluation_to_be_ready_after_a_long_pause(
    server: FlagServer, client: OpenFeatureClient, use: Use, clocks: Clocks
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    provider = use(SteadyProvider(url=server.url, key=KEY, mode="remote"))
    hang = Hang()
    server.faults["evaluations"] = hang
    clocks.paused_s = 3_600
    provider.freshness()
    eventually(has_status(client, ProviderStatus.STALE))
    del server.faults["evaluations"]
    hang.release()
    eventually(has_status(client, ProviderStatus.READY))


def test_a_response_from_before_a_pause_confirms_nothing(
    server: FlagServer, use: Use, clocks: Clocks
) -> None:
    provider = started(use, server)
    old = server.flag_set()
    hang = Hang(lambda request: send_json(request, 200, old))
    server.faults["flag-set"] = hang
    clocks.paused_s = 3
    provider.evaluate("new-checkout")
    eventually(lambda: hang.has_request)
    # The response to the poll arrives after another pause, which no evaluation has noticed.
    clocks.paused_s = 6
    polls = server.requests["flag-set"]
    server.faults = {}
    hang.release()
    eventually(lambda: server.requests["flag-set"] > polls)
    eventually(streaming(provider))


def test_a_wall_clock_that_is_put_back_or_slightly_forward_changes_nothing(
    server: FlagServer, use: Use, clocks: Clocks
) -> None:
    provider = started(use, server)
    eventually(streaming(provider))
    for ahead_s in (-3_600, -3_590):
        clocks.ahead_s = ahead_s
        provider.evaluate("new-checkout")
        assert provider.freshness().mode == "streaming"
    assert server.requests["flag-set"] == 1


def test_after_a_pause_results_of_the_server_are_requested_again(
    server: FlagServer, use: Use, clocks: Clocks
) -> None:
    provider = started(use, server, mode="remote")
    assert provider.evaluate("new-checkout").enabled is True
    server.change_silently(OFF)
    clocks.paused_s = 3
    assert provider.evaluate("new-checkout").enabled is False


def test_after_a_pause_no_request_is_sent_on_connections_from_before(
    server: FlagServer, use: Use, clocks: Clocks
) -> None:
    provider = started(use, server, mode="remote")
    assert provider.evaluate("new-checkout").enabled is True
    # As if the peer had gone without a sign of it.
    hang = Hang()
    server.fail_connections(hang)
    server.change_silently(OFF)
    clocks.paused_s = 3
    assert provider.evaluate("new-checkout").enabled is False
    assert hang.is_active
    hang.release()


def test_refresh_sends_no_request_on_connections_from_before(server: FlagServer, use: Use) -> None:
    provider = started(use, server, mode="remote")
    assert provider.evaluate("new-checkout").enabled is True
    hang = Hang()
    server.fail_connections(hang)
    server.change_silently(OFF)
    assert provider.refresh(LONG_MS) is True
    assert provider.evaluate("new-checkout").enabled is False
    assert hang.is_active
    hang.release()


def test_a_request_that_times_out_in_a_pause_stops_no_other_requests(
    server: FlagServer, use: Use, clocks: Clocks
) -> None:
    class PatientProvider(QuickProvider):
        _timing = replace(QuickProvider._timing, first_backoff_ms=1e9, longest_backoff_ms=1e9)

    # Longer than a busy server needs for a request.
    options: dict[str, Any] = {"mode": "remote", "request_timeout_ms": 3_000}
    provider = use(PatientProvider(url=server.url, key=KEY, **options))
    hang = server.faults["evaluate"] = Hang()
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(provider.evaluate, "new-checkout")
        eventually(lambda: server.requests["evaluate"] == 1)
        clocks.paused_s = 3
        assert pending.result(LONG_S).enabled is True
    server.faults = {}
    server.change_silently(OFF)
    assert provider.evaluate("new-checkout").enabled is False
    hang.release()


def test_a_worker_of_uwsgi_without_threads_is_stale_and_logs_the_remedy(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    clocks: Clocks,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    uwsgi = SimpleNamespace(opt={b"master": True}, worker_id=lambda: 1, mule_id=lambda: 0)
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    provider = started(use, server)
    hang = Hang()
    server.faults["flag-set"] = hang
    clocks.paused_s = 3
    provider.evaluate("new-checkout")
    eventually(has_status(client, ProviderStatus.STALE))
    # Just after a start, the event follows the status.
    eventually(lambda: "enable-threads = true" in caplog.text)
    hang.release()


def test_refresh_waits_for_the_current_flags(server: FlagServer, use: Use) -> None:
    provider = started(use, server)
    go_silent(server)
    server.change_silently(OFF)
    assert provider.refresh(LONG_MS) is True
    assert provider.evaluate("new-checkout").enabled is False
    eventually(streaming(provider))


def test_refresh_returns_true_if_the_server_confirms_the_flags(
    server: FlagServer, use: Use
) -> None:
    provider = started(use, server, stream=False)
    polls = server.requests["flag-set"]
    assert provider.refresh(LONG_MS) is True
    assert server.requests["flag-set"] == polls + 1


def test_refresh_does_not_wait_longer_than_its_timeout(server: FlagServer, use: Use) -> None:
    provider = started(use, server)
    hang = Hang()
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, hang)
    assert provider.refresh(timeout_ms=50) is False
    assert provider.evaluate("new-checkout").enabled is True
    server.faults = {}
    hang.release()
    assert provider.refresh(LONG_MS) is True


def test_refresh_does_not_wait_if_the_server_rejects_the_key(server: FlagServer, use: Use) -> None:
    provider = started(use, server)
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(401))
    began = time.monotonic()
    assert provider.refresh(timeout_ms=60_000) is False
    assert time.monotonic() - began < 30


def test_refresh_ends_the_wait_for_a_server_that_is_back(server: FlagServer, use: Use) -> None:
    provider = started(use, server)
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(503))
    server.cut_streams()
    eventually(lambda: provider.freshness().mode == "disconnected")
    server.faults = {}
    assert provider.refresh(LONG_MS) is True


def test_after_a_refresh_the_status_is_that_of_the_new_flags(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    class SlowProvider(SteadyProvider):
        """Spends time between new flags and the event that announces them."""

        def emit(self, event: ProviderEvent, details: ProviderEventDetails) -> None:
            time.sleep(0.1)
            super().emit(event, details)

    provider = use(SlowProvider(url=server.url, key=KEY))
    eventually(streaming(provider))
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(503))
    server.cut_streams()
    eventually(has_status(client, ProviderStatus.STALE))
    server.faults = {}
    assert provider.refresh(LONG_MS) is True
    assert client.get_provider_status() == ProviderStatus.READY


def waiting_refreshes(provider: PennonProvider) -> int:
    """How many calls wait for the follower."""
    session: Any = provider._session
    return len(session._flags._source._follower._state._changed._waiters)


def test_concurrent_refreshes_share_one_poll(server: FlagServer, use: Use) -> None:
    provider = started(use, server, stream=False)
    polls = server.requests["flag-set"]
    hang = Hang()
    server.faults["flag-set"] = hang
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(provider.refresh, LONG_MS)
        eventually(lambda: server.requests["flag-set"] == polls + 1)
        others = [pool.submit(provider.refresh, LONG_MS) for _ in range(7)]
        eventually(lambda: waiting_refreshes(provider) == 8)
        server.faults = {}
        hang.release()
        assert [each.result() for each in (first, *others)] == [True] * 8
    # That of the first call, which was sent before the others.
    assert server.requests["flag-set"] == polls + 2


def test_refresh_is_not_confirmed_by_a_request_that_was_sent_before_it(
    server: FlagServer, use: Use
) -> None:
    provider = started(use, server, stream=False)
    polls = server.requests["flag-set"]
    old = server.flag_set()
    hang = Hang(lambda request: send_json(request, 200, old))
    server.faults["flag-set"] = hang

    def refresh() -> tuple[bool, bool]:
        return provider.refresh(LONG_MS), provider.evaluate("new-checkout").enabled

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(refresh)
        eventually(lambda: server.requests["flag-set"] == polls + 1)
        server.faults = {}
        server.change_silently(OFF)
        others = [pool.submit(refresh) for _ in range(2)]
        eventually(lambda: waiting_refreshes(provider) == 3)
        hang.release()
        assert [each.result() for each in others] == [(True, False)] * 2
        assert first.result()[0] is True


def test_refresh_in_remote_mode_requests_cached_results_again(server: FlagServer, use: Use) -> None:
    provider = started(use, server, mode="remote")
    go_silent(server)
    assert provider.evaluate("new-checkout").enabled is True
    server.change_silently(OFF)
    assert provider.refresh(LONG_MS) is True
    assert provider.evaluate("new-checkout").enabled is False


def test_refresh_in_remote_mode_works_with_a_key_that_may_only_evaluate(
    server: FlagServer, use: Use
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    provider = use(ApplicationProvider(url=server.url, key=KEY, mode="remote"))
    assert provider.evaluate("new-checkout").enabled is True
    server.change_silently(OFF)
    assert provider.refresh(LONG_MS) is True
    assert provider.evaluate("new-checkout").enabled is False


def test_refresh_reads_an_offline_file_again(use: Use, tmp_path: Path) -> None:
    file = tmp_path / "flags.json"
    file.write_text('{"flags": {"new-checkout": {"enabled": true}}}')
    provider = use(ApplicationProvider(offline_file=file))
    file.write_text('{"flags": {"new-checkout": {"enabled": false}}}')
    assert provider.refresh(LONG_MS) is True
    assert provider.evaluate("new-checkout").enabled is False
    file.write_text("{")
    assert provider.refresh() is False


def test_refresh_of_local_flags_returns_true(use: Use) -> None:
    assert use(PennonProvider(flags={"new-checkout": True})).refresh(float("inf")) is True


def test_refresh_returns_false_before_the_start_and_after_shutdown(
    server: FlagServer, use: Use
) -> None:
    provider = provider_for(server)
    assert provider.refresh() is False
    use(provider)
    provider.shutdown()
    assert provider.refresh() is False


def test_shutdown_ends_a_refresh(server: FlagServer, use: Use) -> None:
    provider = started(use, server)
    hang = Hang()
    server.faults["flag-set"] = hang
    with ThreadPoolExecutor(1) as pool:
        refreshed = pool.submit(provider.refresh, 10 * LONG_MS)
        eventually(lambda: hang.has_request)
        provider.shutdown()
        assert refreshed.result(LONG_S) is False
    hang.release()


@pytest.mark.parametrize("timeout_ms", [0, -1, float("nan"), "2", True, None])
def test_refresh_rejects_a_timeout_that_cannot_work(timeout_ms: Any) -> None:
    with pytest.raises(
        ValueError, match="timeout_ms must be a number of milliseconds greater than 0"
    ):
        PennonProvider(flags={}).refresh(timeout_ms)


# Executes the commands of its standard input, one at a time.
SCRIPT = """
import json, os, sys
from openfeature import api
from openfeature import _event_support
{before_import}
sys.path.insert(0, {tests!r})
from dataclasses import replace
from conftest import SteadyProvider
from pennon_openfeature import _process
class Provider(SteadyProvider):
    # After the longest time that does not count as a pause, flags count as out of date.
    _timing = replace(SteadyProvider._timing, heartbeat_ms=_process.LONGEST_PAUSE_S * 500)
provider = Provider(url={url!r}, key={key!r})
api.set_provider_and_wait(provider)
client = api.get_client()
def report():
    return {{
        "value": client.get_boolean_value("new-checkout", False),
        "status": client.get_provider_status().value,
        "mode": provider.freshness().mode,
    }}
for line in sys.stdin:
    print(json.dumps(eval(line)), flush=True)
"""


class Child:
    """A process with a provider."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def run(self, expression: str) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{expression}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def is_streaming(self) -> bool:
        return bool(self.run("report()")["mode"] == "streaming")


@contextmanager
def child_of(server: FlagServer, before_import: str = "") -> Iterator[Child]:
    tests = str(Path(__file__).parent)
    script = SCRIPT.format(tests=tests, url=server.url, key=KEY, before_import=before_import)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Child(process)
        finally:
            process.kill()


@posix
def test_a_process_that_was_stopped_does_not_vouch_for_its_flags(server: FlagServer) -> None:
    with child_of(server) as child:
        eventually(child.is_streaming)
        os.kill(child.pid, signal.SIGSTOP)
        hang = Hang()
        server.faults = dict.fromkeys(FLAG_SET_ROUTES, hang)
        server.change_silently(OFF)
        time.sleep(_process.LONGEST_PAUSE_S + 0.1)
        os.kill(child.pid, signal.SIGCONT)
        assert child.run("report()") == {"value": True, "status": "STALE", "mode": "connecting"}
        server.faults = {}
        hang.release()
        assert child.run("provider.refresh(60_000)") is True
        report = child.run("report()")
        assert (report["value"], report["status"]) == (False, "READY")


# Only the package has no notice of forks. Without notice to Python, as in uWSGI, the child could
# hang, because its copy of the interpreter's lock is as a thread of the parent used it.
WITHOUT_NOTICE = "os.register_at_fork = lambda **_: None"
# Nor has it notice that a busy machine pauses it.
WITHOUT_PAUSES = f"""{WITHOUT_NOTICE}
from pennon_openfeature import _process
_process.LONGEST_PAUSE_S = {LONG_S}
"""
# The child continues with the commands.
FORK = "os.fork() and os.waitpid(-1, 0)[0] and os._exit(0)"


@posix
@pytest.mark.parametrize("lock", ["_client_lock", "_global_lock", "none"])
def test_a_child_that_was_forked_without_notice_follows_on_its_own(
    server: FlagServer, lock: str
) -> None:
    with child_of(server, WITHOUT_PAUSES) as child:
        eventually(child.is_streaming)
        if lock != "none":
            # As if another thread of the parent had held it.
            acquire = f"_event_support.{lock}.acquire"
            child.run(f"__import__('threading').Thread(target={acquire}).start()")
        streams = server.requests["flag-set/stream"]
        child.run(FORK)
        eventually(child.is_streaming)
        # The parent still has its own stream.
        assert server.requests["flag-set/stream"] == streams + 1
        assert server.open_streams() == 2
        server.change(OFF)
        eventually(lambda: child.run("report()")["value"] is False)
        assert child.run("report()")["status"] == "READY"


@posix
def test_a_child_that_is_shut_down_before_it_notices_the_fork_leaves_its_parent_alone(
    server: FlagServer,
) -> None:
    with child_of(server, WITHOUT_PAUSES) as child:
        eventually(child.is_streaming)
        of_parent = server.streams()
        child.run(FORK)
        # The child may have opened a stream by then, which it must close.
        child.run("provider.shutdown()")
        server.change(OFF)
        eventually(lambda: server.streams() == of_parent)
        assert child.run("report()")["mode"] == "stopped"


@posix
def test_a_child_that_follows_and_is_shut_down_closes_only_its_own_stream(
    server: FlagServer,
) -> None:
    with child_of(server, WITHOUT_PAUSES) as child:
        eventually(child.is_streaming)
        of_parent = server.streams()
        child.run(FORK)
        eventually(child.is_streaming)
        assert server.open_streams() == 2
        child.run("provider.shutdown()")
        eventually(lambda: server.streams() == of_parent)


@posix
def test_a_child_that_was_forked_long_ago_is_stale_until_the_server_responds(
    server: FlagServer,
) -> None:
    with child_of(server, WITHOUT_NOTICE) as child:
        eventually(child.is_streaming)
        hang = Hang()
        server.faults = dict.fromkeys(FLAG_SET_ROUTES, hang)
        child.run(FORK)
        time.sleep(_process.LONGEST_PAUSE_S + 0.1)
        assert child.run("report()") == {"value": True, "status": "STALE", "mode": "connecting"}
        server.faults = {}
        hang.release()
        eventually(lambda: child.run("report()")["status"] == "READY")


def test_a_process_without_further_threads_keeps_its_flags_and_is_stale(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    clocks: Clocks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = use(SteadyProvider(url=server.url, key=KEY))
    eventually(streaming(provider))

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    provider.after_fork(_process.Pause(0, 0, is_fork=True))
    assert client.get_boolean_value("new-checkout", False) is True
    eventually(has_status(client, ProviderStatus.STALE))
    assert "can't start new thread" in str(provider.freshness().last_error)

"""Threads, forks and the exit of the interpreter."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import (
    LONG_MS,
    LONG_S,
    EventRecorder,
    LateEventsProvider,
    Use,
    eventually,
    has_status,
    provider_for,
)
from faults import Hang
from flag_server import KEY, FlagServer, boolean_flag
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.event import ProviderEvent
from openfeature.provider import ProviderStatus

from pennon_openfeature import PennonProvider, Served

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def numbered(number: int) -> dict[str, Any]:
    """Two flags with the number of a change in their value, variant and metadata."""
    flag = {
        "type": "number",
        "enabled": True,
        "variants": {f"v{number}": number},
        "defaultVariant": f"v{number}",
        "version": number,
    }
    return {"one": flag, "other": flag}


def test_32_threads_never_see_a_mix_of_revisions_during_1000_changes(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.flags = numbered(1)
    provider = use(provider_for(server))
    eventually(lambda: provider.freshness().mode == "streaming")
    done = threading.Event()
    mixed: list[object] = []

    def watch() -> None:
        last = 0
        while not done.is_set():
            details = client.get_integer_details("one", 0)
            snapshot = provider.snapshot()
            one, other = snapshot.evaluate("one"), snapshot.evaluate("other")
            assert isinstance(one, Served)
            assert isinstance(other, Served)
            numbers = (details.value, details.flag_metadata["version"], details.variant)
            if numbers != (details.value, details.value, f"v{details.value}"):
                mixed.append(numbers)
            if one.value != other.value or details.value < last:
                mixed.append((one.value, other.value, last))
            last = details.value

    threads = [threading.Thread(target=watch) for _ in range(32)]
    for thread in threads:
        thread.start()
    for number in range(2, 1_002):
        server.change(numbered(number))
    # The follower shares the interpreter with the 32 threads.
    eventually(lambda: client.get_integer_value("one", 0) == 1_001, 10 * LONG_S)
    done.set()
    for thread in threads:
        thread.join()
    assert mixed == []


def _evaluate_in_child(provider: PennonProvider, results: Any) -> None:
    """Sends the result after the fork, and the result after the next change."""
    results.put(provider.evaluate("new-checkout").enabled)
    eventually(lambda: provider.evaluate("new-checkout").enabled is False)
    results.put(provider.evaluate("new-checkout").enabled)


@forks
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("mode", ["in-process", "remote"])
def test_a_forked_worker_evaluates_immediately_and_follows_changes(
    server: FlagServer, use: Use, mode: Any
) -> None:
    provider = use(provider_for(server, mode=mode))
    eventually(lambda: server.open_streams() == 1)
    forking = multiprocessing.get_context("fork")
    results = forking.Queue()
    workers = [
        forking.Process(target=_evaluate_in_child, args=(provider, results)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    assert [results.get(timeout=LONG_S) for _ in workers] == [True, True]
    eventually(lambda: server.open_streams() == 3)
    server.change({"new-checkout": boolean_flag("off")})
    assert [results.get(timeout=LONG_S) for _ in workers] == [False, False]
    for worker in workers:
        worker.join(LONG_S)
    assert [worker.exitcode for worker in workers] == [0, 0]
    eventually(lambda: provider.evaluate("new-checkout").enabled is False)


@pytest.mark.skipif(sys.platform != "linux", reason="calls the C library of Linux")
def test_the_status_of_a_worker_that_was_forked_without_notice_is_that_of_its_own_follower(
    server: FlagServer,
) -> None:
    script = f"""
import ctypes, sys
from openfeature import api
from pennon_openfeature import PennonProvider
provider = PennonProvider(url={server.url!r}, key={KEY!r}, init_timeout_ms={LONG_MS})
api.set_provider_and_wait(provider)
while provider.freshness().mode != "streaming":
    pass
ctypes.PyDLL(None).fork()
api.get_client().get_provider_status()
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as parent:
        try:
            eventually(lambda: server.open_streams() == 2)
        finally:
            # Both processes have the end of the pipe from which they read.
            parent.communicate()


@forks
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_handlers_of_the_parent_receive_every_change_in_a_forked_worker(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    # Called immediately, so the SDK starts a thread for handlers in the parent.
    client.add_handler(ProviderEvent.PROVIDER_READY, lambda _details: None)
    recorder = EventRecorder(client)
    use(provider_for(server))
    eventually(lambda: recorder.of(ProviderEvent.PROVIDER_READY))

    def record(results: Any) -> None:
        results.put("listening")
        eventually(recorder.changed_flags)
        results.put(recorder.changed_flags())

    forking = multiprocessing.get_context("fork")
    results = forking.Queue()
    worker = forking.Process(target=record, args=(results,))
    worker.start()
    assert results.get(timeout=LONG_S) == "listening"
    eventually(lambda: server.open_streams() == 2)
    server.change({"new-checkout": boolean_flag("off")})
    assert results.get(timeout=LONG_S) == [["new-checkout"]]
    worker.join(LONG_S)


def _status_in_child(client: OpenFeatureClient, results: Any) -> None:
    eventually(lambda: client.get_boolean_value("new-checkout", False) is True)
    # The status follows the first flags.
    eventually(has_status(client, ProviderStatus.READY))
    results.put(client.get_provider_status().value)


@forks
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_worker_that_is_forked_while_the_provider_starts_becomes_ready(
    server: FlagServer, client: OpenFeatureClient, domain: str
) -> None:
    hang = Hang()
    server.faults["flag-set"] = hang
    provider = PennonProvider(url=server.url, key=KEY, init_timeout_ms=LONG_MS)
    api.set_provider(provider, domain)
    eventually(lambda: server.requests["flag-set"] == 1)
    forking = multiprocessing.get_context("fork")
    results = forking.Queue()
    worker = forking.Process(target=_status_in_child, args=(client, results))
    worker.start()
    eventually(lambda: server.requests["flag-set"] >= 2)
    server.faults = {}
    hang.release()
    assert results.get(timeout=LONG_S) == "READY"
    worker.join(LONG_S)
    eventually(lambda: client.get_boolean_value("new-checkout", False) is True)
    provider.shutdown()


@forks
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_worker_that_is_forked_just_after_a_start_with_old_flags_becomes_ready(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.source_age_ms = 48_000
    use(LateEventsProvider(url=server.url, key=KEY))

    def report(results: Any) -> None:
        results.put(client.get_provider_status().value)
        eventually(has_status(client, ProviderStatus.READY))
        results.put(client.get_provider_status().value)

    forking = multiprocessing.get_context("fork")
    results = forking.Queue()
    worker = forking.Process(target=report, args=(results,))
    worker.start()
    assert results.get(timeout=LONG_S) == "STALE"
    server.source_age_ms = 0
    assert results.get(timeout=LONG_S) == "READY"
    worker.join(LONG_S)


@forks
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted in /proc")
def test_a_forked_worker_holds_no_connection_of_its_parent(server: FlagServer, use: Use) -> None:
    provider = use(provider_for(server))
    eventually(lambda: server.open_streams() == 1)

    def connections() -> int:
        port = int(server.url.rsplit(":", 1)[1])
        # Listing the directory opens one more descriptor, which is closed afterwards.
        descriptors = [int(name) for name in os.listdir("/proc/self/fd")]
        return sum(_is_connected_to(each, port) for each in descriptors)

    def count(results: Any) -> None:
        provider.shutdown()
        results.put(connections())

    forking = multiprocessing.get_context("fork")
    results = forking.Queue()
    worker = forking.Process(target=count, args=(results,))
    assert connections() == 1
    worker.start()
    assert results.get(timeout=LONG_S) == 0
    worker.join(LONG_S)
    assert connections() == 1


def _is_connected_to(descriptor: int, port: int) -> bool:
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return False
    except OSError:
        return False
    with socket.socket(fileno=os.dup(descriptor)) as duplicate:
        try:
            return bool(duplicate.getpeername()[1] == port)
        except (OSError, IndexError):
            return False


@pytest.mark.parametrize("mode", ["in-process", "remote"])
def test_the_interpreter_exits_quietly_without_shutting_down_the_provider(
    server: FlagServer, mode: str
) -> None:
    script = f"""
from openfeature import api
from pennon_openfeature import PennonProvider
options = {{"mode": {mode!r}, "init_timeout_ms": {LONG_MS}}}
api.set_provider_and_wait(PennonProvider(url={server.url!r}, key={KEY!r}, **options))
print(api.get_client().get_boolean_value("new-checkout", False))
"""
    completed = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "True\n", "")


def test_the_interpreter_exits_quietly_while_changes_arrive(
    server: FlagServer, tmp_path: Path
) -> None:
    script = f"""
import atexit, logging
logging.basicConfig(level=logging.WARNING)
from openfeature import api
from openfeature.event import ProviderEvent
client = api.get_client()
atexit.register(lambda: print(client.get_boolean_value("new-checkout", False)))
from pennon_openfeature import PennonProvider, _flag_manager, _provider
# A busy disk must not be the reason for a file that is left behind.
_flag_manager.CACHE_FILE_TIMEOUT_S = _provider.EXIT_TIMEOUT_S = {LONG_S}
for _ in range(50):
    client.add_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, lambda details: None)
copy = {str(tmp_path / "flags.json")!r}
options = {{"cache_file": copy, "init_timeout_ms": {LONG_MS}}}
provider = PennonProvider(url={server.url!r}, key={KEY!r}, **options)
api.set_provider_and_wait(provider)
while provider.freshness().mode != "streaming":
    pass
"""
    done = threading.Event()

    def change() -> None:
        version = 0
        while not done.wait(0.001):
            version += 1
            server.change({"new-checkout": boolean_flag(version=version)})

    threading.Thread(target=change, daemon=True).start()
    command = [sys.executable, "-W", "error", "-c", script]
    runs = [
        subprocess.run(command, capture_output=True, text=True, timeout=LONG_S, check=False)
        for _ in range(8)
    ]
    done.set()
    for run in runs:
        assert (run.returncode, run.stdout, run.stderr) == (0, "True\n", "")
    assert [file.name for file in tmp_path.iterdir()] == ["flags.json"]


def test_the_interpreter_exits_while_a_request_is_pending(
    server: FlagServer,
) -> None:
    hang = Hang()
    server.faults["evaluate"] = hang
    script = f"""
import asyncio, threading, time
from openfeature import api
from pennon_openfeature import PennonProvider
limits = dict.fromkeys(("init_timeout_ms", "request_timeout_ms"), {LONG_MS})
provider = PennonProvider(url={server.url!r}, key={KEY!r}, mode="remote", **limits)
api.set_provider_and_wait(provider)
evaluate = lambda: asyncio.run(api.get_client().get_boolean_value_async("new-checkout", False))
threading.Thread(target=evaluate, daemon=True).start()
while not any(each.name == "pennon-evaluate" for each in threading.enumerate()):
    time.sleep(0.01)
"""
    command = [sys.executable, "-W", "error", "-c", script]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=LONG_S, check=False)
    hang.release()
    assert (completed.returncode, completed.stderr) == (0, "")


def test_importing_the_package_loads_no_optional_dependency() -> None:
    script = "import json, sys, pennon_openfeature; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(subprocess.check_output([sys.executable, "-c", script], text=True))
    assert not {"yaml", "requests", "urllib3"} & set(modules)


def test_a_replaced_provider_is_shut_down(server: FlagServer, domain: str) -> None:
    first, second = provider_for(server), provider_for(server)
    api.set_provider_and_wait(first, domain)
    api.set_provider_and_wait(second, domain)
    eventually(lambda: first.freshness().mode == "stopped")
    assert second.evaluate("new-checkout").enabled is True
    second.shutdown()

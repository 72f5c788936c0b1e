"""WSGI servers that load the application once and fork their workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from urllib.request import urlopen

import pytest
from conftest import LONG_S, eventually, reserved_port
from flag_server import KEY, OFF, FlagServer, boolean_flag

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="uWSGI is installed on Linux only")

UWSGI = ["uwsgi", "--master", "--processes", "2", "--wsgi-file", "wsgi_app.py", "--die-on-term"]
GUNICORN = ["gunicorn", "wsgi_app:application", "--preload", "--workers", "2"]


@contextmanager
def running(
    command: list[str], server: FlagServer, **environment: str
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    program = str(Path(sys.executable).with_name(command[0]))
    bind = "--bind" if command[0] == "gunicorn" else "--http-socket"
    # A pipe that is not read would block the workers once it is full.
    with reserved_port() as port, TemporaryFile() as log:
        process = subprocess.Popen(
            [program, *command[1:], bind, f"127.0.0.1:{port}"],
            env={**os.environ, "PENNON_URL": server.url, "PENNON_KEY": KEY, **environment},
            cwd=Path(__file__).parent,
            stderr=log,
        )
        with process:
            try:
                yield port, process
            finally:
                process.terminate()
        log.seek(0)
        assert process.returncode == 0, log.read().decode()


def responses(port: int) -> dict[str, list[str]]:
    """The last of twenty responses of each worker: result, status and mode."""
    last = {}
    for _ in range(20):
        try:
            with urlopen(f"http://127.0.0.1:{port}/", timeout=LONG_S) as response:
                worker, *rest = response.read().decode().split()
        except OSError:
            return {}
        last[worker] = rest
    return last


def both_respond(port: int, *expected: str) -> bool:
    return list(responses(port).values()) == [list(expected)] * 2


@pytest.mark.parametrize(
    ("command", "application"),
    [
        pytest.param(GUNICORN, "", id="gunicorn with preload"),
        pytest.param(UWSGI, "", id="uWSGI"),
        pytest.param([*UWSGI, "--threads", "2"], "", id="uWSGI with threads"),
        pytest.param([*UWSGI, "--lazy-apps"], "", id="uWSGI with lazy-apps"),
        pytest.param(UWSGI, "replaces the hook", id="uWSGI with a hook of the application"),
    ],
)
def test_workers_evaluate_and_follow_changes(
    server: FlagServer, command: list[str], application: str
) -> None:
    with running(command, server, APPLICATION=application) as (port, _):
        eventually(lambda: both_respond(port, "on", "READY", "streaming"))
        server.change(OFF)
        eventually(lambda: both_respond(port, "off", "READY", "streaming"))


@pytest.mark.parametrize(
    "command", [pytest.param(GUNICORN, id="gunicorn with preload"), pytest.param(UWSGI, id="uWSGI")]
)
def test_each_worker_sends_the_exposures_of_its_own_requests(
    server: FlagServer, command: list[str]
) -> None:
    rule = {"id": "test", "split": [{"variant": "on", "weight": 1}]}
    server.change(
        {"new-checkout": boolean_flag(rules=[rule])},
        measured={
            "experiments": {
                "checkout": {"flag": "new-checkout", "rule": "test", "unit": "targetingKey"}
            }
        },
    )
    served: dict[str, set[str]] = {}

    def are_both_used() -> bool:
        for unit in ("ada", "bob"):
            with urlopen(f"http://127.0.0.1:{port}/?{unit}", timeout=LONG_S) as response:
                served.setdefault(response.read().decode().split()[0], set()).add(unit)
        return len(served) == 2

    with running(command, server) as (port, _):
        # Without a unit, the rule does not serve.
        eventually(lambda: both_respond(port, "off", "READY", "streaming"))
        eventually(are_both_used)

        def are_all_sent() -> bool:
            exposed: dict[str, list[str]] = {}
            once = {(each["instance"], each["sequence"]): each for each in server.batches}
            for batch in once.values():
                units = [event["unit"] for event in batch["events"]]
                exposed.setdefault(batch["instance"], []).extend(units)
            return sorted(map(sorted, exposed.values())) == sorted(map(sorted, served.values()))

        # Workers send what is queued every few seconds.
        eventually(are_all_sent)


def test_a_worker_that_replaces_another_starts_with_current_flags(server: FlagServer) -> None:
    with running(UWSGI, server) as (port, _):
        eventually(lambda: both_respond(port, "on", "READY", "streaming"))
        killed: set[str] = set()

        def are_both_known() -> bool:
            killed.update(responses(port))
            return len(killed) == 2

        eventually(are_both_known)
        server.change(OFF)
        for worker in killed:
            os.kill(int(worker), signal.SIGKILL)
        seen: dict[str, list[str]] = {}

        def are_replaced() -> bool:
            for worker, response in responses(port).items():
                seen.setdefault(worker, response)
            return len(seen.keys() - killed) == 2

        eventually(are_replaced)
        assert [seen[worker][0] for worker in seen.keys() - killed] == ["off", "off"]


def test_the_master_of_uwsgi_runs_no_threads_when_it_forks(server: FlagServer) -> None:
    with running(UWSGI, server) as (port, process):
        eventually(lambda: both_respond(port, "on", "READY", "streaming"))
        # A stream of each worker, and none of the master.
        eventually(lambda: server.open_streams() == 2)
        status = Path(f"/proc/{process.pid}/status")
        eventually(lambda: "Threads:\t1\n" in status.read_text())


def test_workers_are_stale_while_their_server_is_away(server: FlagServer) -> None:
    with running(UWSGI, server, APPLICATION="replaces the hook") as (port, _):
        eventually(lambda: both_respond(port, "on", "READY", "streaming"))
        server.go_away()
        eventually(lambda: both_respond(port, "on", "STALE", "disconnected"))
        server.come_back()
        eventually(lambda: both_respond(port, "on", "READY", "streaming"))


def test_workers_of_which_only_the_status_is_read_follow_the_server(server: FlagServer) -> None:
    with running(UWSGI, server, APPLICATION="replaces the hook") as (port, _):

        def both_follow() -> bool:
            with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as status:
                assert status.read() in (b"READY", b"STALE")
            return server.open_streams() == 2

        eventually(both_follow)

"""How often the application got each variant, as the server receives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import LONG_MS, LONG_S, SteadyProvider, Use, eventually, provider_for
from faults import Hang, fails_with
from flag_server import KEY, FlagServer, boolean_flag
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from real_server import ENVIRONMENT, real_server

from pennon_openfeature import PennonProvider, _session
from pennon_openfeature._session import REPORT_TIMEOUT_S

ADA = EvaluationContext("ada", {"plan": "pro"})


class OftenReportingProvider(SteadyProvider):
    _timing = replace(SteadyProvider._timing, usage_interval_ms=50)


@pytest.fixture
def server() -> Iterator[FlagServer]:
    condition = {"attribute": "plan", "operator": "equals", "value": "pro"}
    flags = {
        "f": boolean_flag("off", rules=[{"conditions": [condition], "variant": "on"}]),
        "g": boolean_flag(),
    }
    with FlagServer(flags) as server:
        yield server


def once(server: FlagServer) -> list[dict[str, Any]]:
    """The reports without repeated ones: a slow response makes the provider repeat a report."""
    return list({(each["instance"], each["sequence"]): each for each in server.reports}.values())


def counts(server: FlagServer) -> list[list[Any]]:
    return sorted((each for report in once(server) for each in report["counts"]), key=str)


def unknown(server: FlagServer) -> list[str]:
    return [each for report in once(server) for each in report["unknown"]]


def often(server: FlagServer, **options: Any) -> OftenReportingProvider:
    return OftenReportingProvider(url=server.url, key=KEY, **options)


def test_what_the_application_got_is_reported_at_the_end(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    client.get_boolean_value("f", False, ADA)
    client.get_boolean_value("f", False, ADA)
    client.get_boolean_value("f", False)
    client.get_string_value("g", "text")
    client.get_boolean_value("missing", False)
    provider.evaluate("g")
    provider.snapshot().evaluate("g")
    provider.snapshot().evaluate_all()
    assert server.reports == []
    provider.shutdown()
    assert counts(server) == [
        ["f", "off", "DEFAULT", 1],
        ["f", "on", "TARGETING_MATCH", 2],
        ["g", "on", "STATIC", 2],
        ["g", None, "ERROR", 1],
    ]
    assert unknown(server) == ["missing"]
    (report,) = server.reports
    assert report["sequence"] == 1
    assert report["sdk"].startswith("pennon-openfeature ")


def test_each_report_has_what_was_counted_since_the_previous_one(
    server: FlagServer, use: Use
) -> None:
    provider = use(often(server))
    provider.evaluate("g")
    eventually(lambda: len(server.reports) == 1)
    provider.evaluate("g")
    provider.evaluate("g")
    eventually(lambda: len(server.reports) >= 2)
    provider.shutdown()
    assert sum(count for *_, count in counts(server)) == 3
    sequences = [each["sequence"] for each in once(server)]
    assert sequences == list(range(1, len(sequences) + 1))
    assert len({each["instance"] for each in server.reports}) == 1


def test_a_report_that_is_not_accepted_is_sent_again(server: FlagServer, use: Use) -> None:
    server.faults["usage"] = fails_with(503)
    provider = use(often(server))
    provider.evaluate("g")
    eventually(lambda: server.requests["usage"] >= 3)
    del server.faults["usage"]
    eventually(lambda: server.reports)
    provider.shutdown()
    assert [(each["sequence"], each["counts"]) for each in once(server)] == [
        (1, [["g", "on", "STATIC", 1]])
    ]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
def test_a_report_that_is_refused_is_given_up_with_one_warning(
    server: FlagServer, use: Use, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    server.faults["usage"] = fails_with(status)
    provider = use(often(server))

    def has_received(reports: int) -> bool:
        return server.requests["usage"] == reports

    for reports in (1, 2, 3):
        provider.evaluate("g")
        eventually(partial(has_received, reports))
    messages = [each for each in caplog.messages if "usage" in each]
    eventually(lambda: messages or [each for each in caplog.messages if "usage" in each])
    assert len([each for each in caplog.messages if "usage" in each]) == 1
    assert f"usage is not reported: the server responded with {status}" in caplog.text


def test_the_end_does_not_wait_for_a_server_that_does_not_respond(
    server: FlagServer, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_session, "REPORT_TIMEOUT_S", REPORT_TIMEOUT_S)
    hang = Hang()
    server.faults["usage"] = hang
    provider = use(provider_for(server))
    provider.evaluate("g")
    closing = threading.Thread(target=provider.shutdown, daemon=True)
    closing.start()
    closing.join(LONG_S)
    assert not closing.is_alive()
    assert hang.is_active
    hang.release()


def test_threads_lose_no_evaluation(server: FlagServer, use: Use) -> None:
    provider = use(often(server))

    def evaluate() -> None:
        for _ in range(2_000):
            provider.evaluate("g")

    threads = [threading.Thread(target=evaluate) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    provider.shutdown()
    assert sum(count for *_, count in counts(server)) == 16_000


def test_many_flags_are_reported_in_several_requests(server: FlagServer, use: Use) -> None:
    server.flags = {f"{index}".ljust(100, "x"): boolean_flag() for index in range(3_000)}
    provider = use(provider_for(server))
    for key in server.flags:
        provider.evaluate(key)
    provider.shutdown()
    assert {key for key, *_ in counts(server)} == set(server.flags)
    assert max(len(json.dumps(each)) for each in server.reports) <= 65_536
    assert max(len(each["counts"]) for each in server.reports) <= 2_000


def test_unknown_keys_are_limited(server: FlagServer, use: Use) -> None:
    provider = use(provider_for(server))
    for index in range(3_000):
        provider.evaluate(f"key-{index}")
    provider.evaluate("x" * 101)
    provider.evaluate("")
    provider.shutdown()
    assert unknown(server) == [f"key-{index}" for index in range(1_000)]


def test_in_remote_mode_the_provider_counts_what_the_server_has_not_counted(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server, mode="remote"))
    for _ in range(3):
        client.get_boolean_value("f", False, ADA)
    client.get_boolean_value("missing", False)
    server.faults["evaluate"] = fails_with(503)
    client.get_boolean_value("f", False)
    provider.shutdown()
    assert counts(server) == [["f", "off", "DEFAULT", 1], ["f", "on", "CACHED", 2]]
    assert unknown(server) == []


def test_nothing_is_reported_if_the_option_is_false(server: FlagServer, use: Use) -> None:
    provider = use(often(server, usage=False))
    provider.evaluate("g")
    provider.shutdown()
    assert server.requests["usage"] == 0


def test_flags_without_a_server_are_never_reported(use: Use) -> None:
    threads_before = set(threading.enumerate())
    provider = use(PennonProvider(flags={"local": True}))
    assert provider.evaluate("local").enabled is True
    started = set(threading.enumerate()) - threads_before
    assert "pennon-usage" not in {each.name for each in started}


SCRIPT = """
import os
from openfeature import api
from pennon_openfeature import PennonProvider, _session
_session.REPORT_TIMEOUT_S = {seconds}
provider = PennonProvider(url={url!r}, key={key!r}, init_timeout_ms={seconds} * 1_000)
api.set_provider_and_wait(provider)
client = api.get_client()
{more}
"""


def run(server: FlagServer, more: str, warnings: str) -> None:
    script = SCRIPT.format(url=server.url, key=KEY, seconds=LONG_S, more=more)
    command = [sys.executable, "-W", warnings, "-c", script]
    subprocess.run(command, check=True, timeout=2 * LONG_S)


def test_a_script_that_ends_without_shutdown_reports_what_it_got(server: FlagServer) -> None:
    run(server, 'client.get_boolean_value("g", False)', warnings="error")
    assert counts(server) == [["g", "on", "STATIC", 1]]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks on this platform")
def test_a_forked_worker_reports_only_what_it_got(server: FlagServer) -> None:
    more = """
client.get_boolean_value("f", False)
child = os.fork()
client.get_boolean_value("g", False)
api.shutdown()
if not child:
    os._exit(0)
os.waitpid(child, 0)
"""
    run(server, more, warnings="default")
    assert counts(server) == [
        ["f", "off", "DEFAULT", 1],
        ["g", "on", "STATIC", 1],
        ["g", "on", "STATIC", 1],
    ]
    assert len({each["instance"] for each in server.reports}) == 2


def test_a_real_server_has_what_the_application_got(
    tmp_path: Path, client: OpenFeatureClient, use: Use
) -> None:
    with real_server(tmp_path) as server:
        server.create("checkout")
        key = server.key()
        provider = use(PennonProvider(url=server.url, key=key, init_timeout_ms=LONG_MS))
        for _ in range(3):
            client.get_boolean_value("checkout", False)
        client.get_boolean_value("no-such-flag", False)
        provider.shutdown()
        usage = f"usage?environment={ENVIRONMENT}&flag=checkout"
        # The server stores counts every 10 s.
        eventually(lambda: server.request("GET", usage)["total"] == 3)
        unknown_keys = f"usage/unknown?environment={ENVIRONMENT}"
        eventually(lambda: server.request("GET", unknown_keys)["keys"] == ["no-such-flag"])

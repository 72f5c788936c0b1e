"""Exposures to experiments and tracking events, as the server receives them."""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from hashlib import sha256
from typing import Any

import pytest
from conftest import LONG_MS, LONG_S, SteadyProvider, Use, eventually
from faults import Hang, fails_with, send_json
from flag_server import KEY, FlagServer, boolean_flag
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from pennon_openfeature import EventCounts, PennonProvider, Snapshot, _events, _session
from pennon_openfeature._event_format import Event
from pennon_openfeature._event_queue import EventQueue
from pennon_openfeature._exposures import Exposure, RecentExposures
from pennon_openfeature._measured import Measured
from pennon_openfeature._session import REPORT_TIMEOUT_S
from pennon_openfeature._timing import Timing

ADA = EvaluationContext("ada", {"companyId": 9, "plan": "pro"})
SPLIT = [{"variant": "on", "weight": 1}, {"variant": "off", "weight": 1}]
EXPERIMENTS = {"checkout-2": {"flag": "checkout", "rule": "test", "unit": "targetingKey"}}
BY_COMPANY = {"by-company": {"flag": "other", "rule": "test", "unit": "companyId"}}
MEASURED = {"experiments": {**EXPERIMENTS, **BY_COMPANY}, "tracked": ["bought", "left"]}


@pytest.fixture
def server() -> Iterator[FlagServer]:
    pro = {"attribute": "plan", "operator": "equals", "value": "pro"}
    rule = {"id": "test", "conditions": [pro], "split": SPLIT}
    by_company = {**rule, "bucketBy": "companyId"}
    flags = {
        "checkout": boolean_flag(rules=[rule]),
        "other": boolean_flag(rules=[by_company]),
        "plain": boolean_flag(rules=[rule]),
    }
    with FlagServer(flags, envelope=MEASURED) as server:
        yield server


def events(server: FlagServer) -> list[dict[str, Any]]:
    """The events without those of repeated requests, each without its time."""
    once = {(each["instance"], each["sequence"]): each for each in server.batches}
    return [
        {name: value for name, value in event.items() if name != "timeMs"}
        for batch in once.values()
        for event in batch["events"]
    ]


def exposed(server: FlagServer) -> list[tuple[str, str]]:
    return [(each["experiment"], each["unit"]) for each in events(server)]


def names(server: FlagServer) -> list[str]:
    return [each["name"] for each in events(server)]


class EventsProvider(SteadyProvider):
    """Sends a batch when it is full or a test requires it, and none because time has passed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"events_flush_ms": 600_000, **options})


def provider_for(server: FlagServer, **options: Any) -> EventsProvider:
    return EventsProvider(url=server.url, key=KEY, **options)


def in_queue(provider: PennonProvider, queued: int) -> None:
    assert provider.events == EventCounts(queued=queued)


def context(unit: str) -> dict[str, Any]:
    return {"targetingKey": unit, "companyId": 9, "plan": "pro"}


def test_a_result_of_the_rule_of_an_experiment_is_an_exposure_of_its_unit(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    before = time.time() * 1_000
    details = client.get_boolean_details("checkout", False, ADA)
    assert client.get_boolean_details("other", False, ADA).flag_metadata["experiment"] == (
        "by-company"
    )
    assert server.batches == []
    assert provider.flush(LONG_MS) is True
    (batch,) = server.batches
    assert batch["sequence"] == 1
    assert batch["sdk"].startswith("pennon-openfeature ")
    assert not {"dropped", "hashedUnits"} & batch.keys()
    first, second = batch["events"]
    assert before - 1 <= first.pop("timeMs") <= batch["sentAtMs"] <= time.time() * 1_000
    assert first == {
        "type": "exposure",
        "experiment": "checkout-2",
        "variant": details.variant,
        "unit": "ada",
    }
    assert details.flag_metadata["experiment"] == "checkout-2"
    assert (second["experiment"], second["unit"]) == ("by-company", "9")
    assert provider.events == EventCounts(queued=0, sent=2)


def test_other_results_are_not_exposures(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    # Another rule of the flag, another flag, another type, and a flag that does not exist.
    metadata = [
        client.get_boolean_details("checkout", False, EvaluationContext("ada")).flag_metadata,
        client.get_boolean_details("plain", False, ADA).flag_metadata,
        client.get_string_details("checkout", "", ADA).flag_metadata,
        client.get_boolean_details("missing", False, ADA).flag_metadata,
    ]
    assert [each for each in metadata if "experiment" in each] == []
    provider.snapshot().evaluate_all(context("ada"))
    in_queue(provider, 0)


def test_evaluate_and_snapshots_expose_unless_the_option_is_false(
    server: FlagServer, use: Use
) -> None:
    provider = use(provider_for(server))
    provider.evaluate("checkout", context("a"))
    provider.evaluate("checkout", context("b"), expose=False)
    provider.snapshot().evaluate("checkout", context("c"))
    provider.snapshot(expose=False).evaluate("checkout", context("d"))
    assert provider.flush(LONG_MS) is True
    assert exposed(server) == [("checkout-2", "a"), ("checkout-2", "c")]


async def _resolve(client: OpenFeatureClient) -> None:
    await client.get_boolean_value_async("checkout", False, ADA)


@pytest.mark.parametrize("mode", ["in-process", "remote"])
def test_asynchronous_methods_expose(
    server: FlagServer, client: OpenFeatureClient, use: Use, mode: Any
) -> None:
    provider = use(provider_for(server, mode=mode))
    asyncio.run(_resolve(client))
    assert provider.flush(LONG_MS) is True
    assert exposed(server) == [("checkout-2", "ada")]


def test_results_of_the_server_are_exposures_even_if_they_are_cached(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server, mode="remote"))
    eventually(lambda: provider.freshness().revision == 1)
    provider.evaluate("checkout", context("ada"), expose=False)
    details = client.get_boolean_details(
        "checkout", False, EvaluationContext("ada", context("ada"))
    )
    assert details.reason == "CACHED"
    assert details.flag_metadata["experiment"] == "checkout-2"
    assert provider.flush(LONG_MS) is True
    assert exposed(server) == [("checkout-2", "ada")]


class ProbingProvider(EventsProvider):
    """Probes often."""

    _timing = replace(EventsProvider._timing, heartbeat_ms=100)


def test_with_a_key_that_only_evaluates_probes_find_out_what_is_measured(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = dict.fromkeys(("flag-set", "flag-set/stream"), fails_with(403))
    provider = use(ProbingProvider(url=server.url, key=KEY, mode="remote"))
    client.get_boolean_value("checkout", False, ADA)
    client.track("bought", ADA)
    assert provider.flush(LONG_MS) is True
    assert [each["type"] for each in events(server)] == ["exposure", "track"]
    server.envelope = {"experiments": {}, "tracked": ["left"]}

    def is_measured() -> bool:
        client.track("left", ADA)
        assert provider.flush(LONG_MS) is True
        return "left" in [each.get("name") for each in events(server)]

    eventually(is_measured)


def test_an_exposure_is_sent_once_a_day(
    server: FlagServer, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = datetime(2026, 12, 1, 12, tzinfo=timezone.utc).timestamp()
    clock = _Clock(noon)
    monkeypatch.setattr(_events, "time", clock)
    provider = use(provider_for(server))
    for _ in range(3):
        provider.evaluate("checkout", context("ada"))
        provider.evaluate("checkout", context("bob"))
    clock.seconds = noon + 11 * 3_600
    provider.evaluate("checkout", context("ada"))
    in_queue(provider, 2)
    clock.seconds = noon + 12 * 3_600
    provider.evaluate("checkout", context("ada"))
    in_queue(provider, 3)


class _Clock:
    """The wall clock of the module that reports events."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def time(self) -> float:
        return self.seconds


def changing(server: FlagServer, provider: PennonProvider) -> Callable[[int, dict[str, Any]], None]:
    """Returns a function that sets what is measured, and evaluates the flag when it arrives."""

    def change(revision: int, experiments: dict[str, Any]) -> None:
        server.change(measured={"experiments": experiments, "tracked": []})
        eventually(lambda: provider.freshness().revision == revision)
        provider.evaluate("checkout", context("ada"))

    return change


def test_the_next_run_of_an_experiment_has_exposures_of_its_own(
    server: FlagServer, use: Use
) -> None:
    provider = use(provider_for(server))

    change = changing(server, provider)

    provider.evaluate("checkout", context("ada"))
    # Another experiment begins, which changes nothing for this one.
    change(2, EXPERIMENTS)
    in_queue(provider, 1)
    change(3, {})
    in_queue(provider, 1)
    change(4, EXPERIMENTS)
    in_queue(provider, 2)


def test_a_restart_that_the_provider_has_not_seen_begins_with_exposures_of_the_same_units(
    server: FlagServer, use: Use
) -> None:
    provider = use(provider_for(server))

    change = changing(server, provider)

    def of_run(run: str) -> dict[str, Any]:
        return {"checkout-2": {**EXPERIMENTS["checkout-2"], "run": run}}

    change(2, of_run("first"))
    change(3, of_run("second"))
    in_queue(provider, 2)
    # The same run, after a flag set without it.
    change(4, {})
    change(5, of_run("second"))
    in_queue(provider, 2)


def test_each_of_several_experiments_with_one_rule_gets_the_exposure(
    server: FlagServer, use: Use
) -> None:
    server.envelope = {"experiments": {**EXPERIMENTS, "ramp": EXPERIMENTS["checkout-2"]}}
    provider = use(provider_for(server))
    provider.evaluate("checkout", context("ada"))
    assert provider.flush(LONG_MS) is True
    assert exposed(server) == [("checkout-2", "ada"), ("ramp", "ada")]


def test_the_oldest_exposures_are_forgotten_first() -> None:
    (experiment,) = Measured({"experiments": EXPERIMENTS})._experiments.values()
    recent = RecentExposures(2)

    def is_new(unit: str) -> bool:
        return recent.add(Exposure(experiment, unit, "on"), 0)

    assert [is_new(unit) for unit in ("a", "b", "a", "c")] == [True, True, False, True]
    assert [is_new(unit) for unit in ("a", "b")] == [False, True]


def test_tracking_events_have_the_units_of_experiments_and_nothing_else_of_the_context(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    details = TrackingEventDetails(99.77, {"currency": "EUR", "items": [1, {"sku": "x"}]})
    client.track("bought", ADA, details)
    details.add("currency", "USD")
    client.track("left", EvaluationContext("ada"))
    client.track("bought", EvaluationContext(None, {"companyId": "c9"}), TrackingEventDetails(0))
    assert provider.flush(LONG_MS) is True
    assert events(server) == [
        {
            "type": "track",
            "name": "bought",
            "value": 99.77,
            "attributes": {"currency": "EUR", "items": [1, {"sku": "x"}]},
            "units": {"targetingKey": "ada", "companyId": "9"},
        },
        {"type": "track", "name": "left", "units": {"targetingKey": "ada"}},
        {"type": "track", "name": "bought", "value": 0, "units": {"companyId": "c9"}},
    ]


def test_what_no_metric_measures_is_not_sent(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    client.track("seen", ADA)
    client.track("bought", EvaluationContext(None, {"plan": "pro"}))
    in_queue(provider, 0)


@pytest.mark.parametrize(
    ("envelope", "queued"),
    [
        ({}, 0),
        ({"experiments": {}}, 1),
        ({"experiments": {}, "tracked": None}, 1),
        ({"experiments": {}, "tracked": []}, 0),
        ({"experiments": {}, "tracked": ["bought"]}, 1),
        ({"experiments": {"x": 5, "y": {"flag": "checkout"}}, "tracked": "bought"}, 1),
        ({"experiments": 5, "tracked": [5, "bought"]}, 1),
    ],
)
def test_the_flag_set_states_which_events_are_measured(
    server: FlagServer, client: OpenFeatureClient, use: Use, envelope: Any, queued: int
) -> None:
    server.envelope = envelope
    provider = use(provider_for(server))
    client.track("bought", ADA)
    client.get_boolean_value("checkout", False, ADA)
    in_queue(provider, queued)


def test_events_from_before_the_first_flags_wait_for_them(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = dict.fromkeys(("flag-set", "flag-set/stream"), fails_with(503))
    provider = provider_for(server, init_timeout_ms=10, events_queue=2)
    with pytest.raises(Exception, match="no flags available"):
        use(provider)
    for name in ("bought", "left", "seen", "bought"):
        client.track(name, ADA)
    assert provider.events.dropped == 2
    server.faults = {}
    eventually(lambda: provider.events.queued == 1)
    assert provider.flush(LONG_MS) is True
    assert names(server) == ["bought"]


@pytest.mark.parametrize(
    ("name", "details", "message"),
    [
        ("bought" * 20, None, "its name must have 1 to 100 characters"),
        ("", None, "its name must have 1 to 100 characters"),
        ("bought", {str(number): 1 for number in range(21)}, "at most 20 attributes"),
        ("bought", {"note": "x" * 4_096}, "at most 4096 bytes as JSON"),
        ("bought", {"ratio": math.nan}, "its attributes must be JSON"),
    ],
)
def test_an_event_that_the_server_would_reject_is_not_sent(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    caplog: pytest.LogCaptureFixture,
    name: str,
    details: Any,
    message: str,
) -> None:
    server.envelope = {"experiments": EXPERIMENTS}
    provider = use(provider_for(server))
    for _ in range(2):
        client.track(name, ADA, TrackingEventDetails(None, details))
    counts = provider.events
    assert (counts.queued, counts.dropped) == (0, 2)
    assert counts.last_error is not None
    assert message in counts.last_error.message
    assert [each for each in caplog.messages if "is not reported" in each] == [
        counts.last_error.message
    ]
    client.track("left", ADA)
    assert provider.flush(LONG_MS) is True
    assert server.batches[0]["dropped"] == {"exposures": 0, "tracks": 2}


def test_a_unit_that_is_too_long_is_not_sent(server: FlagServer, use: Use) -> None:
    provider = use(provider_for(server))
    provider.evaluate("checkout", context("x" * 257))
    provider.track("bought", EvaluationContext("x" * 257))
    counts = provider.events
    assert (counts.queued, counts.dropped) == (0, 2)
    assert 'the attribute "targetingKey"' in str(counts.last_error)


def test_a_value_that_is_not_a_finite_number_is_left_out(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    values: list[Any] = [math.inf, "5", True, 10**400]
    for value in values:
        client.track("bought", ADA, TrackingEventDetails(value))
    assert provider.flush(LONG_MS) is True
    assert [each.get("value") for each in events(server)] == [None] * 4


class Hostile:
    """Fails however it is used."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    __len__ = __hash__ = __iter__ = __getattr__  # type: ignore[assignment]


def test_track_never_raises(server: FlagServer, use: Use, caplog: pytest.LogCaptureFixture) -> None:
    hostile: Any = Hostile()
    unstarted = provider_for(server)
    unstarted.track("bought", ADA)
    assert unstarted.events == EventCounts()
    provider = use(provider_for(server))
    provider.track("bought")
    provider.track(hostile, ADA)
    provider.track(5, ADA)  # type: ignore[arg-type]
    provider.track("bought", hostile)
    provider.track("bought", ADA, hostile)
    provider.track("bought", EvaluationContext("ada", {"itself": hostile}))
    assert "an event could not be reported" in caplog.text
    provider.shutdown()
    provider.track("bought", ADA)
    assert provider.events == EventCounts()
    assert provider.flush(LONG_MS) is True


def test_units_may_be_hashed(server: FlagServer, client: OpenFeatureClient, use: Use) -> None:
    provider = use(provider_for(server, hash_units=True))
    client.get_boolean_value("checkout", False, ADA)
    client.track("left", EvaluationContext("ada"))
    assert provider.flush(LONG_MS) is True
    hashed = sha256(b"ada").hexdigest()
    first, second = events(server)
    assert first["unit"] == hashed
    assert second["units"] == {"targetingKey": hashed}
    assert server.batches[0]["hashedUnits"] is True


def test_events_are_sent_after_the_interval(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server, events_flush_ms=20))
    client.track("bought", ADA)
    eventually(lambda: names(server) == ["bought"])
    client.track("left", ADA)
    eventually(lambda: provider.events == EventCounts(sent=2))
    assert names(server) == ["bought", "left"]
    assert [each["sequence"] for each in server.batches] == [1, 2]
    assert len({each["instance"] for each in server.batches}) == 1


def test_many_events_are_sent_at_once(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    for _ in range(500):
        client.track("bought", ADA)
    eventually(lambda: provider.events.sent == 500)
    details = TrackingEventDetails(None, {"note": "x" * 3_900})
    for _ in range(26):
        client.track("left", ADA, details)
    eventually(lambda: provider.events.sent == 526)
    assert max(len(each["events"]) for each in server.batches) == 500
    assert max(len(json.dumps(each["events"][0])) for each in server.batches) < 4_096
    assert all(len(json.dumps(each)) < 110_000 for each in server.batches)


def test_a_full_queue_drops_the_oldest_tracking_events_and_exposures_last(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server, events_queue=3))
    provider.evaluate("checkout", context("a"))
    client.track("bought", ADA)
    client.track("left", ADA)
    provider.evaluate("checkout", context("b"))
    provider.evaluate("checkout", context("c"))
    client.track("left", ADA)
    provider.evaluate("checkout", context("d"))
    assert provider.events == EventCounts(queued=3, dropped=4)
    # The exposure that was dropped is new again, and replaces the next one.
    provider.evaluate("checkout", context("a"))
    assert provider.flush(LONG_MS) is True
    assert exposed(server) == [("checkout-2", unit) for unit in "cda"]
    assert server.batches[0]["dropped"] == {"exposures": 2, "tracks": 3}
    client.track("bought", ADA)
    assert provider.flush(LONG_MS) is True
    assert "dropped" not in server.batches[1]


def test_a_queue_keeps_the_order_of_events() -> None:
    (experiment,) = Measured({"experiments": EXPERIMENTS})._experiments.values()
    queue = EventQueue(10)
    exposure = Exposure(experiment, "ada", "on")
    added = [Event(b"1", exposure), Event(b"2"), Event(b"3", exposure), Event(b"4")]
    for event in added:
        assert queue.add(event) is None
    assert queue.oldest_number == 0
    assert queue.take_batch() == added
    assert (len(queue), queue.oldest_number) == (0, 4)


def test_a_batch_that_is_not_accepted_is_sent_again(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    bodies: list[dict[str, Any]] = []

    def refuse(request: Any) -> None:
        bodies.append(json.loads(request.rfile.read(int(request.headers["content-length"]))))
        fails_with(503)(request)

    server.faults["events"] = refuse
    provider = use(provider_for(server, events_flush_ms=5))
    client.track("bought", ADA)
    eventually(lambda: len(bodies) >= 3)
    client.track("left", ADA)
    assert provider.events.queued == 2
    assert "503" in str(provider.events.last_error)
    del server.faults["events"]
    assert provider.flush(LONG_MS) is True
    assert {each["sequence"] for each in bodies} == {1}
    assert {json.dumps(each["events"]) for each in bodies} == {
        json.dumps(server.batches[0]["events"])
    }
    # The server corrects the times of the events by the time of the request.
    assert len({each["sentAtMs"] for each in bodies}) > 1
    assert names(server) == ["bought", "left"]


def test_retry_after_is_obeyed(server: FlagServer, client: OpenFeatureClient, use: Use) -> None:
    received_at: list[float] = []

    def refuse_once(request: Any) -> None:
        received_at.append(time.monotonic())
        if len(received_at) == 1:
            fails_with(429, retry_after="1")(request)
        else:
            send_json(request, 202, {"accepted": 1, "rejected": []})

    server.faults["events"] = refuse_once
    provider = use(provider_for(server))
    client.track("bought", ADA)
    assert provider.flush(LONG_MS) is True
    refused_at, accepted_at = received_at
    assert accepted_at - refused_at > 0.9


class ImpatientProvider(EventsProvider):
    _timing = replace(EventsProvider._timing, give_up_ms=1)


def test_a_batch_is_given_up_after_a_time_and_its_exposures_are_new_again(
    server: FlagServer, use: Use, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults["events"] = fails_with(503)
    provider = use(ImpatientProvider(url=server.url, key=KEY))
    provider.evaluate("checkout", context("ada"))
    provider.track("bought", ADA)
    assert provider.flush(LONG_MS) is False
    assert (provider.events.queued, provider.events.dropped) == (0, 2)
    assert "events are not reported: the server responded with 503" in caplog.text
    del server.faults["events"]
    provider.evaluate("checkout", context("ada"))
    assert provider.flush(LONG_MS) is True
    (batch,) = server.batches
    assert (batch["sequence"], batch["dropped"]) == (2, {"exposures": 1, "tracks": 1})


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
def test_a_batch_that_is_refused_is_not_sent_again(
    server: FlagServer, client: OpenFeatureClient, use: Use, status: int
) -> None:
    server.faults["events"] = fails_with(status)
    provider = use(provider_for(server))
    client.track("bought", ADA)
    assert provider.flush(LONG_MS) is False
    assert server.requests["events"] == 1
    counts = provider.events
    assert (counts.queued, counts.sent, counts.dropped) == (0, 0, 1)
    assert counts.last_error is not None
    assert counts.last_error.status == status


def test_the_delay_before_a_repetition_grows_to_a_minute() -> None:
    timing = Timing()
    delays = [[timing.report_delay(failures) for _ in range(200)] for failures in (0, 2, 9)]
    for limit, each in zip((2_000, 8_000, 60_000), delays, strict=True):
        assert min(each) >= 1_000
        assert limit * 0.8 < max(each) <= limit


def test_events_that_the_server_rejects_are_dropped(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.rejected = [{"index": 1, "code": "unknownExperiment", "message": "it has ended"}]
    provider = use(provider_for(server))
    for name in ("bought", "left"):
        client.track(name, ADA)
    assert provider.flush(LONG_MS) is False
    counts = provider.events
    assert (counts.queued, counts.sent, counts.dropped) == (0, 1, 1)
    assert "rejected 1 of 2 events: it has ended" in str(counts.last_error)


@pytest.mark.parametrize("body", ["", "[]", '{"accepted": "x", "rejected": {}}', "{"])
def test_a_response_of_another_form_accepts_the_events(
    server: FlagServer, client: OpenFeatureClient, use: Use, body: str
) -> None:
    def respond(request: Any) -> None:
        request.send_response(202)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body.encode())

    server.faults["events"] = respond
    provider = use(provider_for(server))
    client.track("bought", ADA)
    assert provider.flush(LONG_MS) is True
    assert provider.events == EventCounts(sent=1)


def test_shutdown_sends_what_is_queued(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    hang = server.faults["events"] = Hang()
    for number in range(501):
        provider.evaluate("checkout", context(str(number)))
    eventually(lambda: hang.has_request)
    server.faults = {}
    client.track("bought", ADA)
    # What is on its way is sent again.
    provider.shutdown()
    hang.release()
    assert len(events(server)) == 502
    assert len({each["sequence"] for each in server.batches}) == 2


def test_shutdown_waits_at_most_two_seconds_for_usage_and_events(
    server: FlagServer, client: OpenFeatureClient, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert REPORT_TIMEOUT_S == 2
    monkeypatch.setattr(_session, "REPORT_TIMEOUT_S", REPORT_TIMEOUT_S)
    hang = Hang()
    server.faults |= {"events": hang, "usage": hang}
    provider = use(provider_for(server))
    provider.evaluate("checkout", context("ada"))
    client.track("bought", ADA)
    began = time.monotonic()
    provider.shutdown()
    # Less than the server and the limit of a request take.
    assert time.monotonic() - began < LONG_S / 2
    assert hang.is_active
    hang.release()
    server.faults = {}
    eventually(lambda: "pennon-events" not in {each.name for each in threading.enumerate()})
    # No other request follows the one without a response.
    assert server.requests["events"] <= 1
    assert server.batches == []


def test_flush_waits_no_longer_than_its_timeout(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    hang = server.faults["events"] = Hang()
    provider = use(provider_for(server))
    assert provider.flush(LONG_MS) is True
    client.track("bought", ADA)
    assert provider.flush(timeout_ms=50) is False
    server.faults = {}
    with ThreadPoolExecutor(4) as pool:
        flushed = [pool.submit(provider.flush, LONG_MS) for _ in range(4)]
        hang.release()
        assert [each.result() for each in flushed] == [True] * 4
    with pytest.raises(ValueError, match="timeout_ms must be a number of milliseconds"):
        provider.flush(0)


def test_threads_lose_no_event(server: FlagServer, use: Use) -> None:
    provider = use(provider_for(server))

    def evaluate(thread: int) -> None:
        for number in range(300):
            provider.evaluate("checkout", context(f"{thread}-{number % 150}"))
            provider.track("bought", ADA)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(evaluate, range(8)))
    provider.shutdown()
    exposures = [each["unit"] for each in events(server) if each["type"] == "exposure"]
    assert len(exposures) == len(set(exposures)) == 8 * 150
    assert len(events(server)) == 8 * 450


def test_nothing_is_sent_if_the_option_is_false(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server, events=False))
    client.track("bought", ADA)
    details = client.get_boolean_details("checkout", False, ADA)
    assert details.flag_metadata["experiment"] == "checkout-2"
    assert provider.flush(LONG_MS) is True
    assert provider.events == EventCounts()
    provider.shutdown()
    assert server.requests["events"] == 0


def test_applications_without_experiments_have_no_thread_for_events(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.envelope = {}
    threads_before = set(threading.enumerate())
    use(provider_for(server))
    client.get_boolean_value("checkout", False, ADA)
    client.track("bought", ADA)
    started = set(threading.enumerate()) - threads_before
    assert "pennon-events" not in {each.name for each in started}


def test_flags_without_a_server_have_no_exposures(client: OpenFeatureClient, use: Use) -> None:
    provider = use(PennonProvider(flags={"local": True}))
    client.get_boolean_value("local", False, ADA)
    client.track("bought", ADA)
    assert provider.events == EventCounts()
    assert Snapshot(None, lambda *_: None).evaluate("local").reason == "ERROR"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"events": {}}, "events must be True or False"),
        ({"events_flush_ms": 0}, "events_flush_ms must be a number of milliseconds"),
        ({"events_queue": 0}, "events_queue must be a whole number of at least 1"),
        ({"events_queue": True}, "events_queue must be a whole number of at least 1"),
        ({"hash_units": 1}, "hash_units must be True or False"),
    ],
)
def test_invalid_options_raise_immediately(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PennonProvider(url="http://x", key=KEY, **options)


def test_options_of_events_that_are_not_sent_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    PennonProvider(url="http://x", key=KEY, events=False, hash_units=True)
    assert caplog.messages == ["the option hash_units has no effect, because events is False"]
    with pytest.raises(ValueError, match="flags cannot be combined with events"):
        PennonProvider(flags={}, events=False)


SCRIPT = """
import os
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from pennon_openfeature import PennonProvider, _session
_session.REPORT_TIMEOUT_S = {seconds}
limits = {{"init_timeout_ms": {seconds} * 1_000, "events_flush_ms": 600_000}}
provider = PennonProvider(url={url!r}, key={key!r}, **limits)
api.set_provider_and_wait(provider)
client = api.get_client()
def use(unit):
    context = EvaluationContext(unit, {{"plan": "pro"}})
    client.get_boolean_value("checkout", False, context)
    client.track("bought", context)
use("parent")
{more}
"""


PYTHON = [sys.executable, "-W", "ignore", "-c"]


def script_of(server: FlagServer, more: str) -> str:
    return SCRIPT.format(url=server.url, key=KEY, seconds=LONG_S, more=more)


def run(server: FlagServer, more: str = "") -> None:
    subprocess.run([*PYTHON, script_of(server, more)], check=True, timeout=2 * LONG_S)


def test_a_script_that_ends_without_shutdown_sends_its_events(server: FlagServer) -> None:
    run(server)
    assert [each["type"] for each in events(server)] == ["exposure", "track"]


FORKED = """
child = {fork}
use("parent" if child else "child")
use("parent")
api.shutdown()
if not child:
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks on this platform")
@pytest.mark.parametrize(
    "fork",
    [
        "os.fork()",
        pytest.param(
            "__import__('ctypes').PyDLL(None).fork()",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="the C library of Linux"),
        ),
    ],
    ids=["with notice", "without notice"],
)
def test_a_forked_worker_has_an_instance_and_exposures_of_its_own(
    server: FlagServer, fork: str
) -> None:
    run(server, FORKED.format(fork=fork))
    by_instance: dict[str, list[dict[str, Any]]] = {}
    for batch in server.batches:
        by_instance.setdefault(batch["instance"], []).extend(batch["events"])
    units = sorted(
        [each["unit"] for each in batch if each["type"] == "exposure"]
        for batch in by_instance.values()
    )
    # The child exposes the unit of its parent again, but does not send what that has queued.
    assert units == [["child", "parent"], ["parent"]]
    tracked = [sum(each["type"] == "track" for each in batch) for batch in by_instance.values()]
    assert sorted(tracked) == [2, 3]
    assert {batch["sequence"] for batch in server.batches} == {1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks on this platform")
def test_a_forked_worker_does_not_disturb_a_request_of_its_parent(server: FlagServer) -> None:
    accepted: list[Any] = []

    def accept(request: Any) -> None:
        accepted.append(json.loads(request.rfile.read(int(request.headers["content-length"]))))
        send_json(request, 202, {"accepted": 2, "rejected": []})

    hang = server.faults["events"] = Hang(accept)
    more = """
import threading
threading.Thread(target=provider.flush, args=(60_000,), daemon=True).start()
input()
child = os.fork()
if not child:
    api.shutdown()
    os._exit(0)
os.waitpid(child, 0)
print("forked", flush=True)
print(provider.flush(60_000), provider.events.sent)
"""
    with subprocess.Popen(
        [*PYTHON, script_of(server, more)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdin
            assert process.stdout
            eventually(lambda: server.requests["events"] == 1)
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "forked\n"
            hang.release()
            assert process.stdout.readline() == "True 2\n"
        finally:
            process.kill()
    assert [each["sequence"] for each in accepted] == [1]

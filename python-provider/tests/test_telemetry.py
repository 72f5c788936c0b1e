"""OpenFeature's own OpenTelemetry hook, with this provider in every mode."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import SteadyProvider, Use, provider_for
from faults import fails_with
from flag_server import FLAG_SET_ROUTES, FlagServer, boolean_flag
from openfeature.client import OpenFeatureClient
from openfeature.contrib.hook.opentelemetry import TracingHook
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagEvaluationOptions
from openfeature.hook import Hook, HookContext, HookHints
from openfeature.telemetry import EvaluationEvent, TelemetryAttribute, create_evaluation_event
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from pennon_openfeature import PennonProvider

FLAGS = {"new-checkout": boolean_flag(version=3)}
ADA = EvaluationContext("ada")


@pytest.fixture
def server() -> Iterator[FlagServer]:
    with FlagServer(FLAGS) as running:
        yield running


class EventHook(Hook):
    """Records the events that OpenFeature's SDK makes of evaluations for telemetry."""

    def __init__(self) -> None:
        self.events: list[EvaluationEvent[Any]] = []

    def finally_after(
        self,
        hook_context: HookContext,
        details: FlagEvaluationDetails[Any],
        hints: HookHints,  # noqa: ARG002 - the interface of hooks
    ) -> None:
        self.events.append(create_evaluation_event(hook_context, details))


def provider_in(mode: str, server: FlagServer, directory: Path) -> PennonProvider:
    if mode == "in-process":
        return provider_for(server)
    if mode == "remote with a client key":
        server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
    if mode.startswith("remote"):
        return provider_for(server, mode="remote")
    file = directory / "flags.json"
    file.write_text(json.dumps(server.flag_set()))
    return SteadyProvider(offline_file=file)


@pytest.mark.parametrize("mode", ["in-process", "remote", "remote with a client key", "offline"])
def test_the_hooks_receive_variant_version_and_flag_set_in_every_mode(
    server: FlagServer, client: OpenFeatureClient, use: Use, tmp_path: Path, mode: str
) -> None:
    use(provider_in(mode, server, tmp_path))
    events = EventHook()
    options = FlagEvaluationOptions(hooks=[events, TracingHook()])
    tracer = TracerProvider().get_tracer(__name__)
    with tracer.start_as_current_span("request"):
        for _ in range(2):
            client.get_boolean_value("new-checkout", False, ADA, options)
        span = trace.get_current_span()
    recorded = [dict(event.attributes or {}) for event in span.events]  # type: ignore[attr-defined]
    assert [event["feature_flag.result.variant"] for event in recorded] == ["on", "on"]
    second = "cached" if mode.startswith("remote") else "static"
    assert [event["feature_flag.result.reason"] for event in recorded] == ["static", second]
    for event in events.events:
        assert event.attributes[TelemetryAttribute.VERSION] == 3
        assert event.attributes[TelemetryAttribute.SET_ID] == "production"
        assert event.attributes[TelemetryAttribute.CONTEXT_ID] == "ada"
        assert event.attributes[TelemetryAttribute.PROVIDER_NAME] == "pennon"


def test_the_hook_records_the_error_of_an_evaluation(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    use(provider_for(server))
    tracer = TracerProvider().get_tracer(__name__)
    with tracer.start_as_current_span("request"):
        options = FlagEvaluationOptions(hooks=[TracingHook()])
        client.get_boolean_value("missing", False, ADA, options)
        span = trace.get_current_span()
    attributes = dict(span.events[-1].attributes)  # type: ignore[attr-defined]
    assert attributes["feature_flag.result.reason"] == "error"
    assert attributes["error.type"] == "flag_not_found"

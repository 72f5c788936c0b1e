"""Changes of flags, snapshots, and several providers."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import EventRecorder, Use, eventually, provider_for
from flag_server import FlagServer, boolean_flag
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.provider import ProviderStatus

from pennon_openfeature import Served

FLAGS = {
    "bool": boolean_flag(),
    "text": {
        "type": "string",
        "enabled": True,
        "variants": {"it": "blue"},
        "defaultVariant": "it",
    },
}


@pytest.fixture
def server() -> Any:
    with FlagServer(FLAGS) as running:
        yield running


def test_a_change_is_reported_with_exactly_the_flags_that_changed(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    recorder = EventRecorder(client)
    eventually(lambda: provider.freshness().mode == "streaming")
    server.change({"bool": boolean_flag("off"), "text": None, "new": boolean_flag()})
    eventually(lambda: client.get_boolean_value("bool", True) is False)
    eventually(lambda: recorder.changed_flags() == [["bool", "new", "text"]])
    assert client.get_string_details("text", "default").error_code == ErrorCode.FLAG_NOT_FOUND


def test_a_change_is_reported_with_dependent_flags(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    payers = {"conditions": [{"attribute": "plan", "operator": "equals", "value": "pro"}]}
    server.segments["payers"] = payers
    rule = {"id": "r", "conditions": [{"segment": "payers"}], "variant": "on"}
    on_flag = {"id": "r", "conditions": [{"flag": "a", "variants": ["on"]}], "variant": "on"}
    server.flags |= {
        "a": boolean_flag("off", rules=[rule]),
        "b": boolean_flag("off", rules=[on_flag]),
    }
    provider = use(provider_for(server))
    recorder = EventRecorder(client)
    eventually(lambda: provider.freshness().mode == "streaming")
    server.change(segments={"payers": {"conditions": [{**payers["conditions"][0], "not": True}]}})
    eventually(lambda: recorder.changed_flags() == [["a", "b"]])
    assert client.get_boolean_value("b", False) is True


def test_a_snapshot_evaluates_flags_of_one_revision(server: FlagServer, use: Use) -> None:
    provider = use(provider_for(server))
    eventually(lambda: provider.freshness().mode == "streaming")
    snapshot = provider.snapshot()
    server.change({"bool": boolean_flag("off")})
    eventually(lambda: provider.snapshot().revision == 2)
    before, after = snapshot.evaluate("bool"), provider.evaluate("bool", {"targetingKey": "ada"})
    assert isinstance(before, Served)
    assert isinstance(after, Served)
    assert (snapshot.revision, before.value, after.value) == (1, True, False)


def test_several_providers_in_one_process_are_independent(server: FlagServer) -> None:
    with FlagServer({"bool": boolean_flag("off")}) as other:
        providers = {"one": provider_for(server), "other": provider_for(other)}
        for name, provider in providers.items():
            api.set_provider_and_wait(provider, name)
        values = [api.get_client(name).get_boolean_value("bool", False) for name in providers]
        for provider in providers.values():
            provider.shutdown()
    assert values == [True, False]


def test_the_environment_option_is_sent_to_the_server(server: FlagServer, use: Use) -> None:
    use(provider_for(server, environment="staging"))
    assert server.received[0][0] == "/api/v1/flag-set?environment=staging"


def test_a_provider_can_be_initialized_again_after_shutdown(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    provider = use(provider_for(server))
    provider.shutdown()
    assert provider.freshness().mode == "stopped"
    details = provider.resolve_boolean_details("bool", False)
    assert details.error_code == ErrorCode.PROVIDER_NOT_READY
    provider.initialize(EvaluationContext())
    assert provider.resolve_boolean_details("bool", False).value is True
    assert client.get_provider_status() == ProviderStatus.READY

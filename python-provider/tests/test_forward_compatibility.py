"""A flag set from a newer server, through each source that a provider may read it from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import SteadyProvider, Use, eventually, provider_for
from flag_server import KEY, FlagServer, boolean_flag
from openfeature.client import OpenFeatureClient
from openfeature.exception import ErrorCode

FLAGS: dict[str, Any] = {
    "described-better": boolean_flag(
        archived=False, lifecycle={"stage": "rollout"}, ramp=[1, 2, 3], requires=[]
    ),
    "newer-feature": boolean_flag(requires=["schedules"], schedules=[{"at": "later"}]),
    "depends-on-it": boolean_flag(
        "off",
        rules=[
            {
                "id": "r",
                "variant": "on",
                "conditions": [{"flag": "newer-feature", "variants": ["on"], "not": True}],
            }
        ],
    ),
    "unknown-rule-field": boolean_flag(rules=[{"id": "r", "variant": "on", "sticky": True}]),
}
ENVELOPE: dict[str, Any] = {
    "formatVersion": 1,
    "environment": "production",
    "id": "epoch.7.nonce",
    "revision": 7,
    "segments": {},
    "signature": "a field of a newer release",
    "rollouts": {"phases": [1, 2]},
}
DESCRIPTION: dict[str, Any] = {
    "name": "A flag",
    "description": "For people.",
    "tags": ["checkout"],
    "owner": "ada@example.com",
    "createdAt": "2026-01-31T12:00:00.000Z",
    "updatedAt": "2026-01-31T12:00:00.000Z",
}


def assert_evaluates(client: OpenFeatureClient) -> None:
    """Only what the engine cannot evaluate correctly is a parse error; the other flags work."""
    assert client.get_boolean_value("described-better", False) is True
    details = client.get_boolean_details("newer-feature", False)
    assert details.error_code == ErrorCode.PARSE_ERROR
    assert '"schedules"' in str(details.error_message)
    assert client.get_boolean_value("depends-on-it", False) is True
    details = client.get_boolean_details("unknown-rule-field", False)
    assert details.error_code == ErrorCode.PARSE_ERROR


@pytest.mark.parametrize("stream", [True, False])
def test_a_flag_set_from_a_newer_server_is_followed(
    client: OpenFeatureClient, use: Use, stream: bool
) -> None:
    with FlagServer(FLAGS, envelope=ENVELOPE) as server:
        provider = use(provider_for(server, stream=stream, poll_interval_ms=10))
        assert_evaluates(client)
        if stream:
            eventually(lambda: provider.freshness().mode == "streaming")
        server.change({"described-better": boolean_flag("off", archived=True)})
        eventually(lambda: client.get_boolean_value("described-better", True) is False)


@pytest.mark.parametrize("option", ["offline_file", "bootstrap", "cache_file"])
def test_a_flag_set_from_a_newer_release_is_read_from_a_file(
    client: OpenFeatureClient, use: Use, tmp_path: Path, unreachable_url: str, option: str
) -> None:
    file = tmp_path / "flags.json"
    described = {key: {**flag, **DESCRIPTION, "key": key} for key, flag in FLAGS.items()}
    file.write_text(json.dumps({**ENVELOPE, "flags": described}))
    options: dict[str, Any] = {option: file}
    if option != "offline_file":
        options |= {"url": unreachable_url, "key": KEY}
    use(SteadyProvider(**options))
    assert_evaluates(client)

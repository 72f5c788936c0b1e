"""The statuses that the providers of all languages must report."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import LONG_MS, LONG_S, QuickProvider, eventually
from faults import Fault, Hang, fails_with
from flag_server import FLAG_SET_ROUTES, KEY, FlagServer
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError
from repository import read_spec

STATUSES = read_spec("statuses.json")
SITUATIONS = [each for each in STATUSES["situations"] if each["mode"] != "web"]

ROUTES = (*FLAG_SET_ROUTES, "evaluate", "evaluations")


class ChangingServer:
    """A server that behaves in the ways of the table."""

    def __init__(self, server: FlagServer) -> None:
        self._server = server
        self._hang = Hang()
        self._behavior: object = "normal"

    def behave(self, behavior: object) -> None:
        if behavior == self._behavior:
            return
        if self._behavior == "refused":
            self._server.come_back()
        self._behavior = behavior
        self._hang.release()
        self._hang = Hang()
        self._server.source_age_ms = 48_000 if str(behavior).endswith("cut-off") else 0
        self._server.faults = self._faults(behavior)
        self._server.cut_connections()
        if behavior == "refused":
            self._server.go_away()

    def _faults(self, behavior: object) -> dict[str, Fault]:
        if behavior == "silent":
            return dict.fromkeys(ROUTES, self._hang)
        if behavior in ("evaluate-only", "evaluate-only-cut-off"):
            return dict.fromkeys(FLAG_SET_ROUTES, fails_with(403))
        if behavior == "moved":
            return dict.fromkeys(ROUTES, fails_with(308, location="https://moved.test/"))
        return dict.fromkeys(ROUTES, fails_with(behavior)) if isinstance(behavior, int) else {}


@pytest.fixture
def server() -> Iterator[FlagServer]:
    with FlagServer(STATUSES["flagSet"]["flags"]) as running:
        yield running


@pytest.fixture
def changing(server: FlagServer) -> Iterator[ChangingServer]:
    changing = ChangingServer(server)
    yield changing
    changing.behave("normal")


def options_of(situation: dict[str, Any], server: FlagServer, directory: Path) -> dict[str, Any]:
    options: dict[str, Any] = {
        "mode": situation["mode"],
        "url": server.url,
        "key": KEY,
        # Longer than the test waits for the start.
        "init_timeout_ms": 2 * LONG_MS,
    }
    if situation["steps"][0]["start"] != "ok" and not situation.get("startsAtOnce"):
        options["init_timeout_ms"] = 200
    if situation["mode"] == "offline":
        options = {"offline_file": directory / "flags.json"}
    flag_set, stored = server.flag_set(), situation.get("stored")
    if stored in ("cacheFile", "offlineFile"):
        file = directory / "flags.json"
        file.write_text(json.dumps(flag_set))
        options[_snake_case(stored)] = file
    elif stored == "bootstrap":
        options["bootstrap"] = flag_set
    elif stored == "flags":
        options = {"flags": flag_set["flags"]}
    more = situation.get("options", {})
    return {**options, **{_snake_case(name): value for name, value in more.items()}}


def _snake_case(name: str) -> str:
    return re.sub("([A-Z])", r"_\1", name).lower()


def start(provider: QuickProvider, domain: str) -> str:
    """Returns "ok" or the code of the error. Fails if that takes long."""
    outcomes: list[str] = []

    def set_provider() -> None:
        try:
            api.set_provider_and_wait(provider, domain)
        except OpenFeatureError as error:
            outcomes.append(error.error_code.value)
        else:
            outcomes.append("ok")

    thread = threading.Thread(target=set_provider, daemon=True)
    thread.start()
    thread.join(LONG_S)
    assert outcomes, "the start has not ended"
    return outcomes[0]


def evaluate(client: OpenFeatureClient, evaluation: dict[str, Any]) -> dict[str, Any]:
    """The result in the form of the table."""
    context = EvaluationContext(evaluation.get("subject", "ada"))
    key = evaluation.get("flagKey", "live")
    details = client.get_boolean_details(key, False, context)
    result = {"value": details.value, "reason": details.reason}
    if details.error_code is not None:
        result["errorCode"] = details.error_code
    return {**evaluation, **result}


@pytest.mark.parametrize("situation", SITUATIONS, ids=[each["name"] for each in SITUATIONS])
def test_the_provider_reports_the_status_and_the_results_of_the_table(
    situation: dict[str, Any],
    server: FlagServer,
    changing: ChangingServer,
    client: OpenFeatureClient,
    domain: str,
    tmp_path: Path,
) -> None:
    provider = QuickProvider(**options_of(situation, server, tmp_path))
    try:
        for number, step in enumerate(situation["steps"]):
            changing.behave(step["server"])
            if number == 0:
                assert start(provider, domain) == step["start"]
            else:
                # For another subject, because results that are cached here would not be checked.
                for each in step["evaluations"]:
                    evaluate(client, {**each, "subject": "carol"})
            eventually(lambda step=step: client.get_provider_status().value == step["status"])  # type: ignore[misc]
            evaluations = step["evaluations"]
            assert [evaluate(client, each) for each in evaluations] == evaluations
    finally:
        provider.shutdown()


def test_the_table_has_situations_of_every_mode_of_this_provider() -> None:
    assert {each["mode"] for each in SITUATIONS} == {"in-process", "remote", "offline"}

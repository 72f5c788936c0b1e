"""When a provider may claim to be current, as the providers of all languages must."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from conftest import ApplicationProvider, Clocks, SteadyProvider, Use, eventually
from faults import Hang
from flag_server import FLAG_SET_ROUTES, KEY, FlagServer
from openfeature.client import OpenFeatureClient
from repository import read_spec

from pennon_openfeature import PennonProvider
from pennon_openfeature._timing import Timing

CASES = read_spec("freshness.json")["cases"]
IMMEDIATE = ("freeze", "sleep", "clock")
ROUTES = (*FLAG_SET_ROUTES, "evaluate")


class Subject:
    """A provider, and what happens to it."""

    def __init__(self, server: FlagServer, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
        self._server = server
        self._clocks = clocks
        self._monkeypatch = monkeypatch
        self._hang = Hang()

    def cause(self, event: str, seconds: float, provider: PennonProvider) -> None:
        simple: dict[str, Callable[[], None]] = {
            "start": lambda: None,
            "silence": self._fall_silent,
            "response": self.respond,
            "away": self._server.go_away,
            "back": self._come_back,
            "failure": self._fail,
            "close": provider.shutdown,
        }
        if event in simple:
            simple[event]()
        elif event == "freeze":
            self._clocks.paused_s += seconds
        elif event in ("sleep", "clock"):
            self._clocks.ahead_s += seconds
        else:
            self._server.source_age_ms = {"cut-off": 48_000, "current": 0}[event]

    def _fall_silent(self) -> None:
        self._hang = Hang()
        self._server.faults = dict.fromkeys(ROUTES, self._hang)

    def respond(self) -> None:
        self._server.faults = {}
        self._hang.release()

    def _fail(self) -> None:
        def fail(*_arguments: object) -> NoReturn:
            raise RuntimeError("an unexpected error")

        self._failure = self._monkeypatch.context()
        self._failure.__enter__().setattr(Timing, "backoff_delay", fail)
        self._server.cut_streams()

    def _come_back(self) -> None:
        if hasattr(self, "_failure"):
            self._failure.__exit__(None, None, None)
        else:
            self._server.come_back()


def provider_of(steps: list[dict[str, Any]], url: str, mode: Any) -> PennonProvider:
    """With the delays of applications if the length of a pause matters."""
    has_pause = any(step["event"] in IMMEDIATE for step in steps)
    if has_pause:
        return ApplicationProvider(url=url, key=KEY, mode=mode)
    return SteadyProvider(url=url, key=KEY, mode=mode)


@pytest.mark.parametrize("mode", ["in-process", "remote"])
@pytest.mark.parametrize("case", CASES, ids=[each["name"] for each in CASES])
def test_a_provider_claims_to_be_current_only_if_it_is(
    case: dict[str, Any],
    mode: str,
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    clocks: Clocks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = Subject(server, clocks, monkeypatch)
    provider = use(provider_of(case["steps"], server.url, mode))

    def reported(step: dict[str, Any]) -> bool:
        status = client.get_provider_status().value
        is_expected = status == step.get("status", status)
        return is_expected and bool(provider.freshness().mode == step["mode"])

    def check(step: dict[str, Any]) -> None:
        subject.cause(step["event"], step.get("ms", 0) / 1_000, provider)
        if step["event"] in IMMEDIATE:
            provider.snapshot()
            assert provider.freshness().mode == step["mode"]
        # The SDK reports events from a thread of its own.
        eventually(lambda: reported(step))
        age_ms = provider.freshness().data_age_ms or 0
        assert step.get("minDataAgeMs", 0) <= age_ms <= step.get("maxDataAgeMs", age_ms)

    for step in case["steps"]:
        check(step)
    subject.respond()

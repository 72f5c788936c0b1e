"""Connections to the server: certificates, and proxies from the environment."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import SteadyProvider, Use, eventually, failed_start, provider_for
from flag_server import CERTIFICATE, KEY, FlagServer, boolean_flag
from forward_proxy import ForwardProxy
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.exception import GeneralError
from repository import read_spec

from pennon_openfeature import PennonProvider

MODES = pytest.mark.parametrize("mode", ["in-process", "remote"])


@pytest.fixture
def secure() -> Iterator[FlagServer]:
    with FlagServer({"new-checkout": boolean_flag()}, secure=True) as running:
        yield running


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    with ForwardProxy() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


def assert_follows_changes(
    server: FlagServer, client: OpenFeatureClient, provider: PennonProvider
) -> None:
    eventually(lambda: provider.freshness().mode == "streaming")
    assert client.get_boolean_value("new-checkout", False) is True
    server.change({"new-checkout": boolean_flag("off")})
    eventually(lambda: client.get_boolean_value("new-checkout", True) is False)


@MODES
def test_a_certificate_in_ssl_cert_file_is_trusted(
    secure: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    mode: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    assert_follows_changes(secure, client, use(provider_for(secure, mode=mode)))


def test_an_unknown_certificate_is_not_trusted(secure: FlagServer, domain: str) -> None:
    provider = provider_for(secure)
    reason = "certificate verify failed"
    assert reason in failed_start(provider, domain, reason)
    provider.shutdown()


@MODES
def test_connections_to_an_https_server_are_tunnelled_through_the_proxy(
    secure: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    mode: Any,
    proxy: ForwardProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.port}")
    assert_follows_changes(secure, client, use(provider_for(secure, mode=mode)))
    assert {request[:2] for request in proxy.received} == {
        ("CONNECT", secure.url.removeprefix("https://"))
    }
    assert len(proxy.received) >= 2


@MODES
def test_an_http_proxy_forwards_requests_and_receives_its_credentials(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    mode: Any,
    proxy: ForwardProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://ada:p%40ss@127.0.0.1:{proxy.port}")
    assert_follows_changes(server, client, use(provider_for(server, mode=mode)))
    assert ("GET", f"{server.url}/api/v1/flag-set", "Basic YWRhOnBAc3M=") in proxy.received
    assert server.requests["flag-set"] == 1


def test_a_server_in_no_proxy_is_connected_directly(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    proxy: ForwardProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1")
    assert_follows_changes(server, client, use(provider_for(server)))
    assert proxy.received == []


@MODES
def test_the_certificates_of_ssl_context_are_trusted(
    secure: FlagServer, client: OpenFeatureClient, use: Use, mode: Any
) -> None:
    context = ssl.create_default_context(cafile=str(CERTIFICATE))
    assert_follows_changes(
        secure, client, use(provider_for(secure, mode=mode, ssl_context=context))
    )


@MODES
def test_the_option_proxy_wins_over_the_environment(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    mode: Any,
    proxy: ForwardProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url = f"http://ada:p%40ss@127.0.0.1:{proxy.port}"
    assert_follows_changes(server, client, use(provider_for(server, mode=mode, proxy=url)))
    assert ("GET", f"{server.url}/api/v1/flag-set", "Basic YWRhOnBAc3M=") in proxy.received


@MODES
def test_headers_are_sent_with_each_request(
    server: FlagServer, client: OpenFeatureClient, use: Use, mode: Any
) -> None:
    headers = {"X-Gateway": "blue", "User-Agent": "checkout/1"}
    assert_follows_changes(server, client, use(provider_for(server, mode=mode, headers=headers)))
    for _, received in server.received:
        assert (received["x-gateway"], received["user-agent"]) == ("blue", "checkout/1")
        assert received["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("case", read_spec("proxies.json")["cases"], ids=lambda case: case["name"])
def test_the_environment_decides_about_the_proxy(
    case: dict[str, Any], domain: str, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_proxy(text: str) -> str:
        return text.replace("PROXY", f"127.0.0.1:{proxy.port}")

    for name, value in case["variables"].items():
        monkeypatch.setenv(name, with_proxy(value))
    given = case.get("options", {})
    options: dict[str, Any] = {name: with_proxy(value) for name, value in given.items()}
    provider = SteadyProvider(url=case["url"], key=KEY, init_timeout_ms=100, **options)
    with pytest.raises(GeneralError):
        api.set_provider_and_wait(provider, domain)
    eventually(lambda: provider.freshness().last_error is not None)
    provider.shutdown()
    if case["proxied"]:
        eventually(lambda: proxy.received)
    else:
        assert proxy.received == []

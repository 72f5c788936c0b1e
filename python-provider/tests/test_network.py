"""The way to the server: certificates, and the proxies that the environment names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import QuickProvider, connected, eventually
from flag_server import CERTIFICATE, FlagServer, boolean_flag
from forward_proxy import ForwardProxy
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.exception import GeneralError

from pennon_openfeature import PennonProvider

Use = Callable[[PennonProvider], PennonProvider]

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


def answers_and_streams(
    server: FlagServer, client: OpenFeatureClient, provider: PennonProvider
) -> None:
    eventually(lambda: provider.freshness().mode == "streaming")
    assert client.get_boolean_value("new-checkout", False) is True
    server.change({"new-checkout": boolean_flag("off")})
    eventually(lambda: client.get_boolean_value("new-checkout", True) is False)


@MODES
def test_a_certificate_that_ssl_cert_file_names_is_trusted(
    secure: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    mode: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    answers_and_streams(secure, client, use(connected(secure, mode=mode)))


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(
    secure: FlagServer, domain: str
) -> None:
    provider = connected(secure, init_timeout_ms=200)
    with pytest.raises(GeneralError, match="certificate verify failed"):
        api.set_provider_and_wait(provider, domain)
    provider.shutdown()


@MODES
def test_a_proxy_is_asked_to_connect_to_a_secure_server(
    secure: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    mode: Any,
    proxy: ForwardProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.port}")
    answers_and_streams(secure, client, use(connected(secure, mode=mode)))
    assert {asked[:2] for asked in proxy.asked} == {
        ("CONNECT", secure.url.removeprefix("https://"))
    }
    assert len(proxy.asked) >= 2


@MODES
def test_a_proxy_asks_a_plain_server_and_is_told_its_own_password_only(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    mode: Any,
    proxy: ForwardProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://ada:p%40ss@127.0.0.1:{proxy.port}")
    answers_and_streams(server, client, use(connected(server, mode=mode)))
    assert ("GET", f"{server.url}/api/v1/flag-set", "Basic YWRhOnBAc3M=") in proxy.asked
    assert server.requests["flag-set"] == 1


def test_no_proxy_is_asked_for_a_server_that_no_proxy_names(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    proxy: ForwardProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1")
    answers_and_streams(server, client, use(connected(server)))
    assert proxy.asked == []


def test_a_proxy_of_another_kind_is_refused_with_a_word_about_it(
    server: FlagServer, domain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:1080")
    provider = QuickProvider(url=server.url, key="k", init_timeout_ms=100)
    with pytest.raises(GeneralError, match="http://proxy:3128"):
        api.set_provider_and_wait(provider, domain)
    provider.shutdown()

"""Servers that moved: redirects are followed within an origin, and are errors otherwise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from conftest import SteadyProvider, Use, eventually, provider_for
from flag_server import KEY, FlagServer
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.exception import GeneralError, ProviderFatalError
from quiet_server import QuietServer

MODES = pytest.mark.parametrize("mode", ["in-process", "remote"])
STATUSES = pytest.mark.parametrize("status", [301, 302, 303, 307, 308])

NO_ADDRESS = "redirects to an address that is missing, malformed or not HTTP: set url to"

# Returns the status and the Location for the path of a request.
Redirect = Callable[[str], tuple[int, str | None]]


class _Server(QuietServer):
    redirect: Redirect
    received: list[tuple[str, str, bytes]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.received.append((self.command, self.path, body))
        status, location = self.server.redirect(self.path)
        self.send_response(status)
        if location is not None:
            self.send_header("location", location)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"Moved")

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        pass


@contextmanager
def redirecting(redirect: Redirect) -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.redirect, server.received = redirect, []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def message_of_start(url: str, domain: str, **options: Any) -> str:
    provider = SteadyProvider(url=url, key=KEY, **options)
    with pytest.raises(GeneralError) as error:
        api.set_provider_and_wait(provider, domain)
    assert not isinstance(error.value, ProviderFatalError)
    provider.shutdown()
    return str(error.value)


@MODES
@STATUSES
def test_a_redirect_within_the_origin_is_followed(
    server: FlagServer, client: OpenFeatureClient, use: Use, mode: Any, status: int
) -> None:
    server.redirect_status = status
    provider = use(provider_for(server, url=f"{server.url}/old", mode=mode))
    eventually(lambda: provider.freshness().mode == "streaming")
    assert client.get_boolean_value("new-checkout", False) is True


@STATUSES
@MODES
def test_a_redirect_to_another_origin_is_an_error_with_both_addresses(
    domain: str, mode: Any, status: int
) -> None:
    with redirecting(lambda _: (200, None)) as other:
        secret = other.url.replace("//", "//ada:s3cret@")
        with redirecting(lambda path: (status, f"{secret}/new{path}?s3cret")) as server:
            message = message_of_start(server.url, domain, mode=mode)
        assert f"to {other.url}/new/api/v1/" in message
        assert f"{server.url}/api/v1/" in message
        assert f'set url to "{other.url}/new"' in message
        assert "s3cret" not in message
        assert other.received == []


def test_a_redirect_to_another_scheme_is_one_to_another_origin(domain: str) -> None:
    with redirecting(lambda path: (308, f"https://127.0.0.1{path}")) as server:
        assert 'set url to "https://127.0.0.1"' in message_of_start(server.url, domain)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        (None, NO_ADDRESS),
        ("http://[", NO_ADDRESS),
        ("https:///path", NO_ADDRESS),
        (
            "http://ada:s3cret@host:port/",
            NO_ADDRESS,
        ),
        ("javascript:alert('s3cret')", NO_ADDRESS),
        ("ftp://ada:s3cret@other.test/", NO_ADDRESS),
        ("https://other.test/a b\x1b[2J?s3cret", "to https://other.test/a%20b%1B[2J: set url to"),
        ("?", "redirects more than 5 times: set url to the address of the Pennon server"),
        ("https://sso.test/login", "https://sso.test/login: set url to the address of the Pennon"),
    ],
)
def test_other_redirects_are_errors(domain: str, location: str | None, message: str) -> None:
    with redirecting(lambda _: (301, location)) as server:
        error = message_of_start(server.url, domain)
    assert message in error
    assert "s3cret" not in error


def test_credentials_in_a_redirect_within_the_origin_are_neither_sent_nor_shown(use: Use) -> None:
    with redirecting(lambda path: (308, f"{elsewhere}{path}/caf\xe9 s3cret")) as moved:
        elsewhere = moved.url.replace("//", "//ada:s3cret@") + "/new"
        provider = SteadyProvider(url=moved.url, key=KEY)
        with pytest.raises(GeneralError, match="more than 5 times"):
            use(provider)
        paths = {path for _, path, _ in moved.received}
    assert "/new/api/v1/flag-set/caf%E9%20s3cret" in paths
    assert "ada" not in str(provider.freshness().last_error)

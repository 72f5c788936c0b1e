"""Responses in a content coding: which is requested, and what happens if one is broken."""

from __future__ import annotations

import gzip
import json
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from conftest import QuickProvider, Use, eventually, provider_for, streaming
from flag_server import KEY, FlagServer, boolean_flag
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.exception import GeneralError
from quiet_server import QuietServer

from pennon_openfeature import _decode

FLAG_SET = {
    "formatVersion": 1,
    "environment": "production",
    "id": "epoch.1.nonce",
    "revision": 1,
    "flags": {"live": boolean_flag()},
    "segments": {},
}
PACKED = gzip.compress(json.dumps(FLAG_SET).encode())
# 100 MiB of spaces.
BOMB = gzip.compress(b" " * 100 * 1_048_576)
EVALUATION = {
    "flagKey": "live",
    "enabled": True,
    "reason": "STATIC",
    "variant": "on",
    "value": True,
    "evaluations": {},
}


class _Server(QuietServer):
    coding: str
    # The responses by method.
    bodies: dict[str, bytes]


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(503 if self.path.endswith("/stream") else 200)
        self.send_header("content-encoding", self.server.coding)
        body = self.server.bodies[self.command]
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        pass


@contextmanager
def serving(coding: str, body: bytes, evaluation: bytes | None = None) -> Iterator[str]:
    """Responds to all polls and evaluations with a body, and has no streams."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.coding, server.bodies = coding, {"GET": body, "POST": evaluation or body}
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_polls_and_evaluations_are_requested_in_gzip_and_streams_as_they_are(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    eventually(streaming(use(provider_for(server))))
    use(provider_for(server, mode="remote"))
    client.get_boolean_value("new-checkout", False)
    requested = {
        path.split("?")[0].removeprefix("/api/v1/"): headers["accept-encoding"]
        for path, headers in server.received
    }
    assert requested == {
        "flag-set": "gzip",
        "flag-set/stream": "identity",
        "evaluate": "gzip",
    }


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_a_compressed_flag_set_is_read(client: OpenFeatureClient, use: Use, coding: str) -> None:
    text = json.dumps(FLAG_SET).encode()
    with serving(coding, gzip.compress(text) if coding == "gzip" else text) as url:
        use(QuickProvider(url=url, key=KEY))
        assert client.get_boolean_value("live", False) is True


def test_a_compressed_evaluation_is_read(client: OpenFeatureClient, use: Use) -> None:
    with serving("gzip", PACKED, gzip.compress(json.dumps(EVALUATION).encode())) as url:
        use(QuickProvider(url=url, key=KEY, mode="remote"))
        assert client.get_boolean_value("live", False) is True


@pytest.mark.parametrize(
    ("coding", "body", "message"),
    [
        ("gzip", PACKED[:30] + b"damaged" + PACKED[37:], "not valid gzip"),
        ("gzip", PACKED[:-20], "has ended too early"),
        ("gzip", json.dumps(FLAG_SET).encode(), "not valid gzip"),
        ("gzip", b"", "has ended too early"),
        ("br", PACKED, 'has the coding "br", which was not requested'),
    ],
)
@pytest.mark.parametrize("mode", ["in-process", "remote"])
def test_a_broken_body_is_an_error(
    domain: str, coding: str, body: bytes, message: str, mode: Any
) -> None:
    with serving(coding, body) as url:
        provider = QuickProvider(url=url, key=KEY, mode=mode, init_timeout_ms=300)
        with reporting(provider, domain, message):
            assert api.get_client(domain).get_boolean_value("live", False) is False


@contextmanager
def reporting(provider: QuickProvider, domain: str, message: str) -> Iterator[None]:
    """Starts a provider, which reports a failed request. Its stream fails too, so it repeats it."""
    with pytest.raises(GeneralError):
        api.set_provider_and_wait(provider, domain)
    eventually(lambda: message in str(provider.freshness().last_error))
    yield
    provider.shutdown()


def test_a_body_that_is_far_larger_than_it_looks_is_not_read_to_its_end(
    domain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_decode, "MAX_BYTES", 1_048_576)
    tracemalloc.start()
    with serving("gzip", BOMB) as url:
        provider = QuickProvider(url=url, key=KEY, init_timeout_ms=1_000)
        with reporting(provider, domain, "more than 1048576 bytes after decompression"):
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert peak < len(BOMB) + 20 * 1_048_576

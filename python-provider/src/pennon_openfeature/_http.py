"""The only place that touches the network: one request, one answer, read as it comes."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from ._proxy import proxy_to
from ._trouble import Trouble, as_trouble, unsuccessful

CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is, and who asks."""

    url: str
    key: str
    # Only for a key of all environments, which must name one.
    environment: str | None = None

    def path(self, route: str) -> str:
        query = f"?environment={quote(self.environment, safe='')}" if self.environment else ""
        return f"{urlsplit(self.url).path.rstrip('/')}/api/v1/{route}{query}"


@dataclass(frozen=True, slots=True)
class Way:
    """How to get to the server: a connection, and what each request over it must say."""

    connection: http.client.HTTPConnection
    # Before the path: a proxy has to be told where a request goes.
    before_path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


_PORTS = {"http": 80, "https": 443}


def way_to(address: Address, timeout_ms: float) -> Way:
    server = urlsplit(address.url)
    host, port = str(server.hostname), server.port or _PORTS[server.scheme]
    proxy = proxy_to(server)
    to_host, to_port = (proxy.host, proxy.port) if proxy else (host, port)
    seconds = timeout_ms / 1_000
    if server.scheme == "https":
        # Trusts whom the system trusts, or SSL_CERT_FILE.
        tls = ssl.create_default_context()
        secure = http.client.HTTPSConnection(to_host, to_port, timeout=seconds, context=tls)
        if proxy is not None:
            secure.set_tunnel(host, port, proxy.headers)
        return Way(secure)
    plain = http.client.HTTPConnection(to_host, to_port, timeout=seconds)
    if proxy is None:
        return Way(plain)
    return Way(plain, f"http://{server.netloc.rpartition('@')[2]}", proxy.headers)


class Answer:
    """An answer whose body has not been read yet."""

    def __init__(self, response: http.client.HTTPResponse, connection: Connection) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = {
            name.lower(): value for name, value in response.getheaders()
        }
        self._response = response
        self._connection = connection

    def read(self) -> bytes:
        return self._response.read()

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes. It never ends well: a stream that ends is trouble."""
        while chunk := self._response.read1(CHUNK):
            yield chunk
        raise Trouble("the stream has ended")

    def may_be_silent_for(self, ms: float) -> None:
        self._connection.may_be_silent_for(ms)

    def close(self) -> None:
        self._response.close()


class Connection:
    """A connection that may be ended by another thread, at any moment and for good."""

    def __init__(self, address: Address, timeout_ms: float) -> None:
        self._address = address
        self._way = way_to(address, timeout_ms)
        self._http = self._way.connection
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._ended = False
        self._answer: Answer | None = None

    def send(
        self, method: str, route: str, headers: Mapping[str, str | None], body: bytes | None = None
    ) -> Answer:
        """Send a request and wait for the answer to begin. What is no success is trouble."""
        try:
            self._open()
            sent = {name: value for name, value in headers.items() if value is not None}
            sent |= {"authorization": f"Bearer {self._address.key}", **self._way.headers}
            path = self._way.before_path + self._address.path(route)
            self._http.request(method, path, body, sent)
            answer = self._answer = Answer(self._http.getresponse(), self)
        except Trouble:
            raise
        except Exception as error:
            raise as_trouble(error) from error
        if answer.status not in (200, 304):
            raise unsuccessful(answer.status, answer.headers, _error_in(answer))
        return answer

    def _open(self) -> None:
        if self._http.sock is None:
            self._http.connect()
        with self._lock:
            self._socket = self._http.sock
            if self._ended:
                raise Trouble("stopped")

    def may_be_silent_for(self, ms: float) -> None:
        if self._socket is not None:
            self._socket.settimeout(ms / 1_000)

    def end(self) -> None:
        """Wakes whoever reads from it."""
        with self._lock:
            self._ended = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        """In a forked child: gives back what is the parent's too, without a word to the server."""
        if self._socket is not None:
            with suppress(OSError):
                os.close(self._socket.detach())

    def close(self) -> None:
        with suppress(OSError):
            self._http.close()
        if self._answer is not None:
            with suppress(OSError):
                self._answer.close()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()


def _error_in(answer: Answer) -> object:
    try:
        body = json.loads(answer.read())
    except (OSError, ValueError, RecursionError, http.client.HTTPException):
        return None
    return body.get("error") if isinstance(body, dict) else None

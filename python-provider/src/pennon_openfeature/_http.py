"""HTTP requests to the server. No other module of this package opens a connection."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import threading
import traceback
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from ._decode import decode
from ._errors import SyncError, error_from_response, to_sync_error
from ._redirects import MAX_REDIRECTS, REDIRECTS, redirected_path, too_many_redirects

CHUNK_BYTES = 65_536

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Network:
    """How to connect to the server."""

    # Sent with each request, for example to a gateway in front of the server.
    headers: Mapping[str, str] = field(default_factory=dict)
    # Trusted authorities, and a client certificate if the server requires one.
    ssl_context: ssl.SSLContext | None = None
    # The URL of a proxy, which may contain its user and password.
    proxy: str | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """The server's URL, the key, and the environment if the key does not imply one."""

    url: str
    key: str
    environment: str | None = None
    network: Network = field(default_factory=Network)

    @property
    def is_plain(self) -> bool:
        """Whether connections to the server have no TLS."""
        return urlsplit(self.url).scheme == "http"

    def path(self, endpoint: str) -> str:
        query = f"?environment={quote(self.environment, safe='')}" if self.environment else ""
        return f"{urlsplit(self.url).path.rstrip('/')}/api/v1/{endpoint}{query}"


@dataclass(frozen=True, slots=True)
class Proxy:
    host: str
    port: int
    # Sent to the proxy only, since they may hold its password.
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Route:
    """A connection to the server, direct or through a proxy, and what its requests must add."""

    connection: http.client.HTTPConnection
    # Prepended to the path: a proxy needs the full URL of a plain HTTP request.
    origin: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def route_to(address: Address, timeout_ms: float) -> Route:
    server = urlsplit(address.url)
    host, port = str(server.hostname), server.port or _PORTS[server.scheme]
    proxy = _parse(address.network.proxy) if address.network.proxy else None
    to_host, to_port = (proxy.host, proxy.port) if proxy else (host, port)
    seconds = timeout_ms / 1_000
    if server.scheme == "https":
        # By default, trusts the system's certificate authorities, or those in SSL_CERT_FILE.
        tls = address.network.ssl_context or ssl.create_default_context()
        secure = http.client.HTTPSConnection(to_host, to_port, timeout=seconds, context=tls)
        if proxy is not None:
            secure.set_tunnel(host, port, proxy.headers)
        return Route(secure)
    plain = http.client.HTTPConnection(to_host, to_port, timeout=seconds)
    if proxy is None:
        return Route(plain)
    return Route(plain, f"http://{server.netloc.rpartition('@')[2]}", proxy.headers)


def _parse(proxy: str) -> Proxy:
    parts = urlsplit(proxy)
    return Proxy(str(parts.hostname), parts.port or 80, _proxy_headers(parts))


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    credentials = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"proxy-authorization": f"Basic {b64encode(credentials.encode()).decode()}"}


class Response:
    """A response with a body that has not been read yet."""

    def __init__(self, response: http.client.HTTPResponse, connection: Connection) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = {
            name.lower(): value for name, value in response.getheaders()
        }
        self._response = response
        self._connection = connection

    def read(self) -> bytes:
        """Returns the body without its content coding. Raises SyncError if it is not valid."""
        return decode(self._response.read(), self.headers.get("content-encoding", "identity"))

    def chunks(self) -> Iterator[bytes]:
        """Yields the body as it arrives. Raises SyncError at its end: a stream should not end."""
        while chunk := self._response.read1(CHUNK_BYTES):
            yield chunk
        raise SyncError("the stream has ended")

    def set_idle_timeout(self, ms: float) -> None:
        self._connection.set_idle_timeout(ms)

    def close(self) -> None:
        self._response.close()


class Connection:
    """A connection that another thread may cancel at any time."""

    def __init__(self, address: Address, timeout_ms: float) -> None:
        self._address = address
        self._route = route_to(address, timeout_ms)
        self._http = self._route.connection
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._is_cancelled = False
        self._response: Response | None = None

    def send(
        self,
        method: str,
        endpoint: str,
        headers: Mapping[str, str | None],
        body: bytes | None = None,
    ) -> Response:
        """Sends a request and returns when the response begins. Raises SyncError unless it is
        200, 202 or 304."""
        # Streams are sent as they are, so that no proxy buffers them to compress them.
        is_stream = headers.get("accept") == "text/event-stream"
        coding = "identity" if is_stream else "gzip"
        sent = {**self._address.network.headers, "accept-encoding": coding}
        sent |= {name: value for name, value in headers.items() if value is not None}
        sent |= {"authorization": f"Bearer {self._address.key}", **self._route.headers}
        try:
            response = self._send(method, self._address.path(endpoint), body, sent)
        except Exception as error:
            # A response of a proxy that refused a tunnel would keep the socket open in its frame.
            traceback.clear_frames(error.__traceback__)
            raise to_sync_error(error) from error
        if response.status not in (200, 202, 304):
            raise error_from_response(response.status, response.headers, _error_in(response))
        return response

    def _send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Response:
        """Follows redirects within the origin of the server."""
        for _ in range(MAX_REDIRECTS + 1):
            self._open()
            self._http.request(method, self._route.origin + path, body, headers)
            response = self._response = Response(self._http.getresponse(), self)
            if response.status not in REDIRECTS:
                return response
            # The connection can be used again once the response is complete.
            response.read()
            url = urljoin(self._address.url, path)
            path = redirected_path(url, response.headers.get("location"), response.status)
        raise too_many_redirects(url, response.status)

    def _open(self) -> None:
        if self._http.sock is None:
            self._http.connect()
        with self._lock:
            self._socket = self._http.sock
            if self._is_cancelled:
                raise SyncError("stopped")

    @property
    def is_open(self) -> bool:
        """Whether another request can be sent: the server, or a proxy, may close it."""
        return self._http.sock is not None

    def set_idle_timeout(self, ms: float) -> None:
        if self._socket is not None:
            self._socket.settimeout(ms / 1_000)

    def cancel(self) -> None:
        """Makes a thread that is reading from the connection fail immediately."""
        with self._lock:
            self._is_cancelled = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        """Closes the descriptor in a forked child without shutting down the parent's connection."""
        if self._socket is not None:
            with suppress(OSError):
                os.close(self._socket.detach())

    def close(self) -> None:
        with suppress(OSError):
            self._http.close()
        if self._response is not None:
            with suppress(OSError):
                self._response.close()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()


def _error_in(response: Response) -> object:
    try:
        body = json.loads(response.read())
    except (OSError, ValueError, RecursionError, SyncError, http.client.HTTPException):
        return None
    return body.get("error") if isinstance(body, dict) else None


class RequestScope:
    """The connection of a request, which another thread may cancel at any time."""

    def __init__(self) -> None:
        self.is_cancelled = False
        self._connection: Connection | None = None

    def use(self, connection: Connection) -> Connection:
        self._connection = connection
        if self.is_cancelled:
            raise SyncError("stopped")
        return connection

    def cancel(self) -> None:
        self.is_cancelled = True
        if self._connection is not None:
            self._connection.cancel()

    def abandon(self) -> None:
        if self._connection is not None:
            self._connection.abandon()

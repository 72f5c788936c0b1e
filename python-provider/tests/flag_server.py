"""A small HTTP server with Pennon's protocol, which can fail in many ways."""

from __future__ import annotations

import json
import queue
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any

from faults import Fault, fails_with, send_json
from json_forms import evaluation_json
from quiet_server import QuietServer
from typing_extensions import Self

from pennon_openfeature._engine import Failed, compile, evaluate  # noqa: A004

# For 127.0.0.1 and localhost, with its private key. No system trusts it.
CERTIFICATE = Path(__file__).with_name("certificate.pem")
KEY = "server-key-of-the-tests-000"
FLAG_SET_ROUTES = ("flag-set", "flag-set/stream")

_STATUS = {"FLAG_NOT_FOUND": 404, "TARGETING_KEY_MISSING": 400, "PARSE_ERROR": 500}


def boolean_flag(default: str = "on", **more: Any) -> dict[str, Any]:
    variants = {"on": True, "off": False}
    return {
        "type": "boolean",
        "enabled": True,
        "variants": variants,
        "defaultVariant": default,
        **more,
    }


OFF = {"new-checkout": boolean_flag("off")}


class FlagServer:
    """Runs within a `with` block. `change` sends a change to all open streams."""

    def __init__(
        self,
        flags: dict[str, Any] | None = None,
        *,
        envelope: dict[str, Any] | None = None,
        secure: bool = False,
    ) -> None:
        """`envelope`: further fields of the flag set, as a newer server may send them."""
        self.envelope = envelope or {}
        self.flags = dict(flags or {})
        self.segments: dict[str, Any] = {}
        self.revision = 1
        self.heartbeat_s = 0.05
        # Older servers do not send the version and the environment with an evaluation.
        self.sends_telemetry = True
        # How old its own data are. Older servers do not report that.
        self.source_age_ms: float | None = None
        # Whether it closes connections after each response, as while it stops.
        self.closes_connections = False
        # How requests fail, by endpoint. Endpoints without a fault work.
        self.faults: dict[str, Fault] = {}
        # The same for connections, which have precedence.
        self._connection_faults: dict[socket.socket, Fault] = {}
        # The status of the redirects from /old to /.
        self.redirect_status = 301
        # The number of requests by endpoint.
        self.requests: Counter[str] = Counter()
        # The path and the headers of each request.
        self.received: list[tuple[str, dict[str, str]]] = []
        # The reports of usage that were accepted.
        self.reports: list[dict[str, Any]] = []
        # The batches of events that were accepted, and what is rejected of the next ones.
        self.batches: list[dict[str, Any]] = []
        self.rejected: list[dict[str, Any]] = []
        self._streams: list[queue.Queue[bytes | None]] = []
        # Held while several of the fields above are read or changed together.
        self._lock = threading.RLock()
        # Reserves the port while the server is away.
        self._reserved: socket.socket | None = None
        self._scheme = "https" if secure else "http"
        self._http = self._bind(0)

    def _bind(self, port: int) -> _Server:
        http = _Server(("127.0.0.1", port), _handler(self))
        if self._scheme == "https":
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(CERTIFICATE)
            http.socket = tls.wrap_socket(http.socket, server_side=True)
        return http

    def __enter__(self) -> Self:
        self._serve()
        return self

    def _serve(self) -> None:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.go_away()
        self._free_port()

    def go_away(self) -> None:
        """Cuts all connections, and refuses new ones until `come_back`."""
        self.cut_streams()
        self._http.shutdown()
        self._http.server_close()
        self._reserve_port()
        self._http.cut_connections()

    def come_back(self) -> None:
        self._http = self._bind(self._port)
        self._free_port()
        self._serve()

    @property
    def _port(self) -> int:
        return int(self._http.server_address[1])

    def _reserve_port(self) -> None:
        """Connections are refused, because nothing listens. No other process gets the port."""
        self._free_port()
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", self._port))

    def _free_port(self) -> None:
        if self._reserved is not None:
            self._reserved.close()

    def fail_connections(self, fault: Fault) -> None:
        """Fails all further requests on the connections that are open now."""
        self._connection_faults = dict.fromkeys(list(self._http.connections), fault)

    def fault_of(self, connection: socket.socket, route: str) -> Fault | None:
        return self._connection_faults.get(connection) or self.faults.get(route)

    def cut_connections(self) -> None:
        self.cut_streams()
        self._http.cut_connections()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._port}"

    @property
    def id(self) -> str:
        return f"epoch.{self.revision}.nonce"

    def flag_set(self) -> dict[str, Any]:
        with self._lock:
            return {
                **self.envelope,
                "formatVersion": 1,
                "environment": "production",
                "id": self.id,
                "revision": self.revision,
                "flags": self.flags,
                "segments": self.segments,
            }

    def change(
        self,
        flags: dict[str, Any] | None = None,
        segments: dict[str, Any] | None = None,
        measured: dict[str, Any] | None = None,
    ) -> None:
        """Changes or removes (None) entries, and sends the change to all streams.

        `measured`: `experiments` and `tracked`, as a whole.
        """
        with self._lock:
            previous = self.id
            self.revision += 1
            self.flags = _apply_patch(self.flags, flags)
            self.segments = _apply_patch(self.segments, segments)
            data = {"previous": previous, "revision": self.revision}
            data |= {"flags": flags or {}, "segments": segments or {}, **(measured or {})}
            self.envelope = {**self.envelope, **(measured or {})}
            self._send_to_streams(frame("change", data, self.id))

    def change_silently(self, flags: dict[str, Any]) -> None:
        """Changes flags without sending the change to streams, as if it was lost."""
        with self._lock:
            self.revision += 1
            self.flags = _apply_patch(self.flags, flags)

    def cut_streams(self) -> None:
        with self._lock:
            for stream in self._streams:
                stream.put(None)
            self._streams.clear()

    def streams(self) -> list[queue.Queue[bytes | None]]:
        """The open streams. One that is opened again is another object."""
        with self._lock:
            return list(self._streams)

    def open_streams(self) -> int:
        return len(self.streams())

    def send_to_streams(self, data: bytes) -> None:
        with self._lock:
            self._send_to_streams(data)

    def _send_to_streams(self, data: bytes) -> None:
        for stream in self._streams:
            stream.put(data)

    def subscribe(self, last_id: str | None) -> queue.Queue[bytes | None]:
        with self._lock:
            stream: queue.Queue[bytes | None] = queue.Queue()
            if last_id == self.id:
                stream.put(frame("current", {"revision": self.revision}, self.id))
            else:
                stream.put(frame("set", self.flag_set(), self.id))
            self._streams.append(stream)
            return stream

    def record(self, route: str, path: str, headers: dict[str, str]) -> None:
        with self._lock:
            self.requests[route] += 1
            self.received.append((path, headers))

    def next_frame(self, stream: queue.Queue[bytes | None]) -> bytes | None:
        """What is sent next: a heartbeat after an interval without anything else."""
        with suppress(queue.Empty):
            return stream.get(timeout=self.heartbeat_s)
        # A heartbeat with the revision of a change follows that change.
        with self._lock:
            with suppress(queue.Empty):
                return stream.get_nowait()
            age = {} if self.source_age_ms is None else {"sourceAgeMs": self.source_age_ms}
            return frame("heartbeat", {"revision": self.revision, **age})

    def unsubscribe(self, stream: queue.Queue[bytes | None]) -> None:
        with self._lock, suppress(ValueError):
            self._streams.remove(stream)


def frame(event: str, data: Any, event_id: str | None = None) -> bytes:
    id_line = f"id: {event_id}\n" if event_id else ""
    return f"event: {event}\n{id_line}data: {json.dumps(data)}\n\n".encode()


def _apply_patch(record: dict[str, Any], changes: dict[str, Any] | None) -> dict[str, Any]:
    patched = {**record, **(changes or {})}
    return {name: value for name, value in patched.items() if value is not None}


class _Server(QuietServer):
    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignored: in many tests the client closes the connection."""


def _handler(server: FlagServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._route({"flag-set": self._flag_set, "flag-set/stream": self._stream})

        def do_POST(self) -> None:
            routes = {"evaluate": self._evaluate, "evaluations": self._evaluations}
            self._route({**routes, "usage": self._usage, "events": self._events})

        def _route(self, routes: dict[str, Callable[[], None]]) -> None:
            if self.path.startswith("/old/"):
                self._redirect(self.path.removeprefix("/old"))
                return
            route = self.path.removeprefix("/api/v1/").partition("?")[0]
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.record(route, self.path, headers)
            if (fault := server.fault_of(self.connection, route)) is not None:
                self.close_connection = True
                fault(self)
            elif headers.get("authorization") != f"Bearer {KEY}":
                fails_with(401)(self)
            else:
                routes[route]()

        def end_headers(self) -> None:
            if server.closes_connections:
                self.send_header("connection", "close")
            if server.source_age_ms is not None:
                self.send_header("pennon-source-age-ms", str(server.source_age_ms))
            super().end_headers()

        def _redirect(self, location: str) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(server.redirect_status)
            self.send_header("location", location)
            self.send_header("content-length", "5")
            self.end_headers()
            self.wfile.write(b"Moved")

        def _flag_set(self) -> None:
            flag_set = server.flag_set()
            etag = f'"{flag_set["id"]}"'
            if self.headers.get("if-none-match") == etag:
                self.send_response(304)
                self.end_headers()
            else:
                send_json(self, 200, flag_set, {"etag": etag})

        def _stream(self) -> None:
            self.close_connection = True
            self.send_response(200)
            self.send_header("content-type", "text/event-stream; charset=utf-8")
            self.send_header("connection", "close")
            self.end_headers()
            stream = server.subscribe(self.headers.get("last-event-id"))
            try:
                with suppress(OSError):
                    while (data := server.next_frame(stream)) is not None:
                        self.wfile.write(data)
            finally:
                # At the latest, a heartbeat cannot be written to a client that has gone.
                server.unsubscribe(stream)

        def _body(self) -> Any:
            return json.loads(self.rfile.read(int(self.headers["content-length"])))

        def _evaluate(self) -> None:
            body = self._body()
            result = evaluate(compile(server.flag_set()), body["flagKey"], body["context"])
            if isinstance(result, Failed):
                error = {"code": result.error_code, "message": result.error_message}
                send_json(self, _STATUS[result.error_code], {"error": error})
            else:
                flag = server.flags.get(body["flagKey"], {})
                telemetry = {"environment": "production"} if server.sends_telemetry else {}
                if server.sends_telemetry and "version" in flag:
                    telemetry["version"] = flag["version"]
                send_json(self, 200, {**evaluation_json(result), **telemetry})

        def _evaluations(self) -> None:
            self._body()
            body = {**server.envelope, "revision": server.revision, "evaluations": {}}
            send_json(self, 200, body)

        def _usage(self) -> None:
            server.reports.append(self._body())
            send_json(self, 202, {"accepted": 1, "rejected": []})

        def _events(self) -> None:
            batch = self._body()
            server.batches.append(batch)
            accepted = len(batch["events"]) - len(server.rejected)
            send_json(self, 202, {"accepted": accepted, "rejected": server.rejected})

        def log_message(self, *_arguments: Any) -> None:
            pass

    return Handler

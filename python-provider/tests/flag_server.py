"""A small real server that speaks Pennon's protocol, and fails in whatever way a test asks."""

from __future__ import annotations

import json
import queue
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self
from wire import answer_json

from pennon_openfeature._engine import Failed, compile, evaluate  # noqa: A004

# Of 127.0.0.1 and localhost, with its key; nobody trusts it who is not told to.
CERTIFICATE = Path(__file__).with_name("certificate.pem")
KEY = "server-key-of-the-tests-000"
Fault = Callable[[BaseHTTPRequestHandler], None]

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


class FlagServer:
    """Runs from `with` on; `change` is a change that every open stream is told."""

    def __init__(
        self,
        flags: dict[str, Any] | None = None,
        *,
        envelope: dict[str, Any] | None = None,
        secure: bool = False,
    ) -> None:
        """`envelope`: further fields of the flag set, as a newer server may send them."""
        self._envelope = envelope or {}
        self.flags = dict(flags or {})
        self.segments: dict[str, Any] = {}
        self.revision = 1
        self.heartbeat_s = 0.05
        # How each route fails, by its name; a route without a fault works.
        self.faults: dict[str, Fault] = {}
        self.requests: Counter[str] = Counter()
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._streams: list[queue.Queue[bytes | None]] = []
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", 0), _handler(self))
        self._scheme = "https" if secure else "http"
        if secure:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(CERTIFICATE)
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut_streams()
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._http.server_address[1]}"

    @property
    def id(self) -> str:
        return f"epoch.{self.revision}.nonce"

    def flag_set(self) -> dict[str, Any]:
        return {
            **self._envelope,
            "formatVersion": 1,
            "environment": "production",
            "id": self.id,
            "revision": self.revision,
            "flags": self.flags,
            "segments": self.segments,
        }

    def change(
        self, flags: dict[str, Any] | None = None, segments: dict[str, Any] | None = None
    ) -> None:
        """None removes a flag or a segment."""
        with self._lock:
            previous = self.id
            self.revision += 1
            self.flags = _laid(self.flags, flags)
            self.segments = _laid(self.segments, segments)
            data = {"previous": previous, "revision": self.revision}
            data |= {"flags": flags or {}, "segments": segments or {}}
            self._tell(frame("change", data, self.id))

    def change_unheard(self, flags: dict[str, Any]) -> None:
        """A change that no stream is told, as if it had been lost on the way."""
        with self._lock:
            self.revision += 1
            self.flags = _laid(self.flags, flags)

    def cut_streams(self) -> None:
        with self._lock:
            for stream in self._streams:
                stream.put(None)
            self._streams.clear()

    def open_streams(self) -> int:
        return len(self._streams)

    def tell(self, data: bytes) -> None:
        """Bytes as they are, on every stream."""
        with self._lock:
            self._tell(data)

    def _tell(self, data: bytes) -> None:
        for stream in self._streams:
            stream.put(data)

    def join(self, last_id: str | None) -> queue.Queue[bytes | None]:
        with self._lock:
            stream: queue.Queue[bytes | None] = queue.Queue()
            if last_id == self.id:
                stream.put(frame("current", {"revision": self.revision}, self.id))
            else:
                stream.put(frame("set", self.flag_set(), self.id))
            self._streams.append(stream)
            return stream


def frame(event: str, data: Any, event_id: str | None = None) -> bytes:
    id_line = f"id: {event_id}\n" if event_id else ""
    return f"event: {event}\n{id_line}data: {json.dumps(data)}\n\n".encode()


def answers(status: int, **headers: str) -> Fault:
    """A fault: the server answers that status and nothing useful."""

    def fail(request: BaseHTTPRequestHandler) -> None:
        send_json(
            request,
            status,
            {"error": {"code": "UNAVAILABLE", "message": "as the test asks"}},
            {name.replace("_", "-"): value for name, value in headers.items()},
        )

    return fail


def silent(until: threading.Event) -> Fault:
    """A fault: the server accepts and says nothing."""

    def fail(_request: BaseHTTPRequestHandler) -> None:
        until.wait(10)

    return fail


def trickling(request: BaseHTTPRequestHandler) -> None:
    """A fault: the answer comes for ever, and never so slowly that a connection would time out."""
    request.send_response(200)
    request.send_header("content-type", "application/json")
    request.send_header("content-length", "1000000")
    request.end_headers()
    while True:
        request.wfile.write(b" ")
        time.sleep(0.02)


def truncated(request: BaseHTTPRequestHandler) -> None:
    """A fault: the answer breaks off in the middle."""
    request.send_response(200)
    request.send_header("content-type", "application/json")
    request.send_header("content-length", "1000")
    request.end_headers()
    request.wfile.write(b'{"formatVersion": 1, "flags"')


def send_json(
    request: BaseHTTPRequestHandler, status: int, body: Any, headers: dict[str, str] | None = None
) -> None:
    data = json.dumps(body).encode()
    request.send_response(status)
    for name, value in {"content-type": "application/json", **(headers or {})}.items():
        request.send_header(name, value)
    request.send_header("content-length", str(len(data)))
    request.end_headers()
    request.wfile.write(data)


def _laid(record: dict[str, Any], changes: dict[str, Any] | None) -> dict[str, Any]:
    laid = {**record, **(changes or {})}
    return {name: value for name, value in laid.items() if value is not None}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Many threads of one test may connect at once.
    request_queue_size = 128
    # Not waited for: a silent answer would hold the test's end.
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what many tests are about."""


def _handler(server: FlagServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._route({"flag-set": self._flag_set, "flag-set/stream": self._stream})

        def do_POST(self) -> None:
            self._route({"evaluate": self._evaluate, "evaluations": self._evaluations})

        def _route(self, routes: dict[str, Callable[[], None]]) -> None:
            route = self.path.removeprefix("/api/v1/").partition("?")[0]
            server.requests[route] += 1
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.asked.append((self.path, headers))
            if route in server.faults:
                self.close_connection = True
                server.faults[route](self)
            elif headers.get("authorization") != f"Bearer {KEY}":
                answers(401)(self)
            else:
                routes[route]()

        def _flag_set(self) -> None:
            if self.headers.get("if-none-match") == f'"{server.id}"':
                self.send_response(304)
                self.end_headers()
            else:
                send_json(self, 200, server.flag_set(), {"etag": f'"{server.id}"'})

        def _stream(self) -> None:
            self.close_connection = True
            self.send_response(200)
            self.send_header("content-type", "text/event-stream; charset=utf-8")
            self.send_header("connection", "close")
            self.end_headers()
            stream = server.join(self.headers.get("last-event-id"))
            with suppress(OSError):
                while (data := self._next(stream)) is not None:
                    self.wfile.write(data)

        def _next(self, stream: queue.Queue[bytes | None]) -> bytes | None:
            try:
                return stream.get(timeout=server.heartbeat_s)
            except queue.Empty:
                return frame("heartbeat", {"revision": server.revision})

        def _body(self) -> Any:
            return json.loads(self.rfile.read(int(self.headers["content-length"])))

        def _evaluate(self) -> None:
            body = self._body()
            answer = evaluate(compile(server.flag_set()), body["flagKey"], body["context"])
            if isinstance(answer, Failed):
                error = {"code": answer.error_code, "message": answer.error_message}
                send_json(self, _STATUS[answer.error_code], {"error": error})
            else:
                send_json(self, 200, answer_json(answer))

        def _evaluations(self) -> None:
            self._body()
            send_json(self, 200, {"revision": server.revision, "evaluations": {}})

        def log_message(self, *_arguments: Any) -> None:
            pass

    return Handler

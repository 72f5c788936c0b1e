"""The real server in a process of its own, and a proxy in front of it that injects faults."""

from __future__ import annotations

import http.client
import json
import os
import re
import select
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from conftest import LONG_S
from repository import NODE, ROOT

ADMIN_KEY = "admin-key-of-the-python-tests-0123456789"
ENVIRONMENT = "production"


class RealServer:
    """Pennon's server, managed through its REST API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def request(self, method: str, route: str, body: Any = None) -> Any:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=LONG_S)
        headers = {"authorization": f"Bearer {ADMIN_KEY}", "content-type": "application/json"}
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, f"/api/v1/{route}", data, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        assert response.status < 300, (method, route, response.status, text)
        return json.loads(text) if text else None

    def key(self, role: str = "server") -> str:
        created = self.request(
            "POST", "keys", {"name": role, "role": role, "environment": ENVIRONMENT}
        )
        return str(created["secret"])

    def write(self, method: str, route: str, body: Any = None) -> Any:
        """Changes a document of the environment."""
        return self.request(method, f"{route}?environment={ENVIRONMENT}", body)

    def create(self, key: str, **flag: Any) -> None:
        flag = {"key": key, "enabled": True, **flag}
        self.write("POST", "flags", flag)

    def patch(self, key: str, **fields: Any) -> None:
        self.write("PATCH", f"flags/{key}", fields)

    def remove(self, key: str) -> None:
        self.write("DELETE", f"flags/{key}")


@contextmanager
def real_server(data: Path) -> Iterator[RealServer]:
    environment = {
        **os.environ,
        "PORT": "0",
        "PENNON_DATA": str(data),
        "PENNON_ADMIN_KEY": ADMIN_KEY,
        "LOG_LEVEL": "silent",
    }
    main = str(ROOT / "server" / "src" / "main.ts")
    with subprocess.Popen(
        [str(NODE), main], env=environment, cwd=data, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            url = re.search(r"http://\S+?:\d+", line)
            assert url, f"the server did not start: {line!r}"
            yield RealServer(url[0])
        finally:
            process.terminate()


Fault = Literal["none", "refuse", "stall", "503"]

_UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class FaultProxy:
    """Forwards bytes in both directions, or injects a fault."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (str(parts.hostname), int(parts.port or 0))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._closed = threading.Event()
        self.fault: Fault = "none"
        # The total size of all responses in bytes.
        self.response_bytes = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Closes all connections immediately."""
        for pair in list(self._pairs):
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed.set()
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            if self.fault == "503":
                with suppress(OSError):
                    client.recv(65_536)
                    client.sendall(_UNAVAILABLE)
            elif self.fault != "refuse":
                with suppress(OSError), socket.create_connection(self._target) as server:
                    self._forward(client, server)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        pair = (client, server)
        self._pairs.add(pair)
        try:
            while not self._closed.is_set():
                for end in select.select(pair, [], [], 0.05)[0]:
                    data = end.recv(65_536)
                    if not data:
                        return
                    self._send(data, client if end is server else server, client)
        finally:
            self._pairs.discard(pair)

    def _send(self, data: bytes, to: socket.socket, client: socket.socket) -> None:
        while self.fault == "stall" and not self._closed.is_set():
            self._closed.wait(0.01)
        if to is client:
            self.response_bytes += len(data)
        to.sendall(data)

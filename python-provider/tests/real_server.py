"""The real server as a process of its own, and a proxy before it that fails as it is told."""

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

from repository import NODE, ROOT

ADMIN_KEY = "admin-key-of-the-python-tests-0123456789"
ENVIRONMENT = "production"


class RealServer:
    """Pennon's own server, asked through its REST API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, route: str, body: Any = None) -> Any:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
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
        made = self.ask("POST", "keys", {"name": role, "role": role, "environment": ENVIRONMENT})
        return str(made["secret"])

    def create(self, key: str, **flag: Any) -> None:
        flag = {"key": key, "enabled": True, **flag}
        self.ask("POST", f"flags?environment={ENVIRONMENT}", flag)

    def patch(self, key: str, **fields: Any) -> None:
        self.ask("PATCH", f"flags/{key}?environment={ENVIRONMENT}", fields)

    def remove(self, key: str) -> None:
        self.ask("DELETE", f"flags/{key}?environment={ENVIRONMENT}")


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
            listens = re.search(r"http://\S+?:\d+", line)
            assert listens, f"the server did not start: {line!r}"
            yield RealServer(listens[0])
        finally:
            process.terminate()


Fault = Literal["none", "refuse", "stall", "503"]

_UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class FaultProxy:
    """Carries bytes to the server and back; or cuts, stalls, refuses and answers by itself."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (str(parts.hostname), int(parts.port or 0))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._ended = threading.Event()
        self.fault: Fault = "none"
        # How many bytes of answers were carried in all.
        self.carried = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def cut(self) -> None:
        """Every connection, at once and without a word."""
        for pair in list(self._pairs):
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._ended.set()
        self.cut()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listening.accept()
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
                    self._carry(client, server)

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        pair = (client, server)
        self._pairs.add(pair)
        try:
            while not self._ended.is_set():
                for end in select.select(pair, [], [], 0.05)[0]:
                    data = end.recv(65_536)
                    if not data:
                        return
                    self._pass_on(data, client if end is server else server, client)
        finally:
            self._pairs.discard(pair)

    def _pass_on(self, data: bytes, to: socket.socket, client: socket.socket) -> None:
        while self.fault == "stall" and not self._ended.is_set():
            self._ended.wait(0.01)
        if to is client:
            self.carried += len(data)
        to.sendall(data)

"""A forward proxy, as in company networks: it tunnels TLS, and forwards plain requests."""

from __future__ import annotations

import select
import socket
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from quiet_server import QuietServer


class ForwardProxy(QuietServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        # The method, the target and the credentials of each request.
        self.received: list[tuple[str, str, str | None]] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: ForwardProxy

    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        with self._connect(host, int(port)) as server:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            self._forward(server)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        with self._connect(str(parts.hostname), parts.port or 80) as server:
            lines = [f"{self.command} {parts.path} HTTP/1.1"]
            lines += [f"{name}: {value}" for name, value in self.headers.items()]
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            server.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            self._forward(server)

    def do_POST(self) -> None:
        self.do_GET()

    def _connect(self, host: str, port: int) -> socket.socket:
        self.close_connection = True
        self.server.received.append((self.command, self.path, self.headers["proxy-authorization"]))
        return socket.create_connection((host, port))

    def _forward(self, server: socket.socket) -> None:
        ends = [self.connection, server]
        while True:
            for end in select.select(ends, [], [])[0]:
                data = end.recv(65_536)
                if not data:
                    return
                (server if end is self.connection else self.connection).sendall(data)

    def log_message(self, *_arguments: object) -> None:
        pass

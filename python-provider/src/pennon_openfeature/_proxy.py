"""The proxy on the way to the server, as the environment says it to all of Python."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from ._trouble import Trouble


@dataclass(frozen=True, slots=True)
class Proxy:
    host: str
    port: int
    # What it is told of us; it may hold a password.
    headers: dict[str, str]


def proxy_to(server: SplitResult) -> Proxy | None:
    """The proxy of HTTPS_PROXY or HTTP_PROXY, unless NO_PROXY names the server."""
    written = getproxies_environment().get(server.scheme)
    # With the port: NO_PROXY may name one.
    if not written or proxy_bypass(server.netloc.rpartition("@")[2]):
        return None
    parts = urlsplit(written if "://" in written else f"http://{written}")
    if parts.scheme != "http" or not parts.hostname:
        raise Trouble("the proxy that the environment names is not such as http://proxy:3128")
    return Proxy(parts.hostname, parts.port or 80, _authorization(parts))


def _authorization(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    both = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"proxy-authorization": f"Basic {b64encode(both.encode()).decode()}"}

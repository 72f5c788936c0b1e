"""Which proxy a connection uses. The provider for Node.js has the same rules."""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from ._server_url import parse_authority

_PORTS = {"http": 80, "https": 443}


class ProxySetting(NamedTuple):
    """The URL of a proxy, and the option or the variable that it comes from."""

    name: str
    value: object


def proxy_for(server_url: str, option: object) -> ProxySetting | None:
    """The option, or else HTTPS_PROXY or HTTP_PROXY, unless NO_PROXY excludes the server."""
    if option is not None:
        return ProxySetting("proxy", option)
    server = urlsplit(server_url)
    name = f"{server.scheme.upper()}_PROXY"
    # A web server sets HTTP_PROXY for a CGI script from the header `Proxy` of a request.
    if name == "HTTP_PROXY" and "REQUEST_METHOD" in os.environ and not os.environ.get("http_proxy"):
        return None
    value = _variable(name)
    if value == "" or _is_excluded(server, _variable("NO_PROXY")):
        return None
    return ProxySetting(name, value)


def _variable(name: str) -> str:
    """A variable. Its name in lower case has precedence, even if it is empty."""
    return os.environ.get(name.lower(), os.environ.get(name, ""))


def _is_excluded(server: SplitResult, excluded: str) -> bool:
    """Whether NO_PROXY has the host, the end of the host, or the same with the port."""
    name = server.hostname or ""
    host = f"[{name}]" if ":" in name else name
    hosts = (host, f"{host}:{server.port or _PORTS[server.scheme]}")
    names = [re.sub(r"^(\*?\.)+", "", entry.strip().lower()) for entry in excluded.split(",")]
    return any(
        each == "*" or (each != "" and any(f".{host}".endswith(f".{each}") for host in hosts))
        for each in names
    )


# A user and a password, encoded as in a URL, and the host with its port.
_PROXY_FORM = re.compile(
    r"(?:http://)?(?P<credentials>(?:[^\s/?#\\%]|%[0-9a-f]{2})*@)?(?P<authority>[^@/]+)/?",
    re.IGNORECASE,
)


def parse_proxy(proxy: object) -> str | None:
    """The URL of an HTTP proxy, or None if it is malformed."""
    match = _PROXY_FORM.fullmatch(proxy) if isinstance(proxy, str) else None
    if match is None or parse_authority(match["authority"]) is None:
        return None
    return f"http://{match['credentials'] or ''}{match['authority']}"

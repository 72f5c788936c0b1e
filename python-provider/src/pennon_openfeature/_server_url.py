"""Which texts are the URL of a server. The TypeScript providers have the same rules."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

# The ports that no browser and no `fetch` connects to, so that one URL works in every language:
# https://fetch.spec.whatwg.org/#port-blocking
_BLOCKED_PORTS = frozenset(
    "1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111"
    " 113 115 117 119 123 135 137 139 143 161 179 389 427 465 512 513 514 515 526 530 531 532 540"
    " 548 554 556 563 587 601 636 989 990 993 995 1719 1720 1723 2049 3659 4045 4190 5060 5061"
    " 6000 6566 6665 6666 6667 6668 6669 6679 6697 10080".split()
)

# An IPv6 address in brackets, or labels of at most 63 letters, digits, `_` and inner `-`; and a
# port.
_AUTHORITY = re.compile(
    r"(?P<host>\[[\da-f:.]+\]|(?![^:]*[^.:]{64})[\w\u0080-\uffff]+(?:(?:-+|\.)[\w\u0080-\uffff]+)*\.?)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?",
    re.IGNORECASE,
)

# Segments without `.`, `..`, patterns and variables, encoded as in a request. The routes are below
# the path.
_PATH = re.compile(
    r"(?!.*/api/v1/?\Z)(?:/(?!(?:\.|%2e){1,2}(?:/|\Z))(?:[\w.~!&'()+,;=:@-]|%[2-9a-f][0-9a-f])*)*",
    re.IGNORECASE | re.ASCII,
)

_URL = re.compile(r"https?://([^/]*)(.*)", re.IGNORECASE | re.DOTALL | re.ASCII)

_LARGEST_PORT = 65_535


class Authority(NamedTuple):
    """The part of a URL that names a server. The port may be empty."""

    host: str
    port: str


def parse_authority(text: str) -> Authority | None:
    """The host and the port, or None if no server can have this address."""
    match = _AUTHORITY.fullmatch(text)
    if match is None or not _is_host(match["host"]):
        return None
    port = match["port"] or ""
    is_usable = int(port or 0) <= _LARGEST_PORT and port not in _BLOCKED_PORTS
    return Authority(match["host"], port) if is_usable else None


def _is_host(host: str) -> bool:
    try:
        if host.startswith("["):
            ipaddress.IPv6Address(host[1:-1])
        # Other forms of an IPv4 address, such as `127.1`, are more often mistakes.
        elif re.search(r"(^|\.)(\d+|0x[\da-f]*)\.?$", host, re.IGNORECASE | re.ASCII):
            ipaddress.IPv4Address(host)
        else:
            host.encode("idna")
    except ValueError:
        return False
    return True


def is_server_url(url: object) -> bool:
    """Whether a value is a host, and optionally a port and a path."""
    match = _URL.fullmatch(url) if isinstance(url, str) else None
    if match is None or parse_authority(match[1]) is None:
        return False
    return _PATH.fullmatch(match[2]) is not None

"""The options of a provider, validated when it is created."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from ._flag_file import FilePath
from ._http import Address
from ._timing import Timing

# Ten years. Threads cannot wait for an infinite time.
MAX_MS = 10 * 365 * 86_400_000

ProviderMode: TypeAlias = Literal["in-process", "remote"]


@dataclass(frozen=True, slots=True)
class Options:
    # Not in the representation, because it contains the key.
    address: Address | None = field(repr=False)
    mode: ProviderMode
    init_timeout_ms: float
    stream: bool
    poll_interval_ms: float
    cache_file: FilePath | None
    bootstrap: FilePath | Mapping[str, Any] | None
    offline_file: FilePath | None
    cache_ttl_ms: float
    cache_entries: int
    request_timeout_ms: float
    timing: Timing


def validate_options(options: Options) -> Options:
    """Returns the options. Raises ValueError if they are invalid or contradict each other."""
    if options.mode not in ("in-process", "remote"):
        raise ValueError(f'mode must be "in-process" or "remote", not {options.mode!r}')
    for name in ("init_timeout_ms", "poll_interval_ms", "cache_ttl_ms", "request_timeout_ms"):
        if not _is_number(getattr(options, name), above=0):
            raise ValueError(f"{name} must be a number of milliseconds above 0, up to ten years")
    if not _is_number(options.cache_entries, above=-1):
        raise ValueError("cache_entries must be 0 or more")
    if options.offline_file is not None:
        _validate_offline(options)
    elif options.address is None:
        raise ValueError("url and key are required, or offline_file to run without a server")
    for name in ("cache_file", "offline_file"):
        path = getattr(options, name)
        if path is not None and not isinstance(path, str | os.PathLike):
            raise ValueError(f"{name} must be the path of a file")
    return options


def _is_number(value: object, above: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and above < value <= MAX_MS  # type: ignore[operator]


def _validate_offline(options: Options) -> None:
    if options.address is not None:
        raise ValueError("offline_file cannot be combined with url and key: it uses no server")
    if options.mode == "remote":
        raise ValueError('offline_file cannot be combined with mode "remote"')


def parse_address(url: str | None, key: str | None, environment: str | None) -> Address | None:
    """The server's address, or None if neither url nor key is given."""
    if url is None and key is None:
        return None
    if not url or not key:
        raise ValueError("url and key must be given together")
    if not _is_url(url):
        raise ValueError(f"url must be a URL such as https://flags.example.com, not {url!r}")
    if not _is_key(key):
        raise ValueError("key must consist of visible ASCII characters")
    return Address(url, key, environment)


def _is_url(url: object) -> bool:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        # The port is validated on access, not by urlsplit.
        has_valid_port = parts is not None and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    if parts is None or parts.scheme not in ("http", "https") or not has_valid_port:
        return False
    host = parts.hostname or ""
    return bool(host) and host.isprintable() and " " not in host


def _is_key(key: object) -> bool:
    return isinstance(key, str) and key.isascii() and key.isprintable() and " " not in key

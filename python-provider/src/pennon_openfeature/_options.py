"""The options of a provider, validated when it is created."""

from __future__ import annotations

import difflib
import math
import os
import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from ._flag_file import FilePath
from ._flag_set import FlagSet
from ._http import Address, Network
from ._local_flags import is_key
from ._paths import PATH, is_path, path_problem, same_file_problem
from ._proxy import parse_proxy, proxy_for
from ._server_url import is_server_url
from ._timing import LONGEST_TIMER_MS, Timing

# The options that are milliseconds, with the longest. What uses a timer is limited by it.
_DURATIONS = {
    "init_timeout_ms": math.inf,
    "poll_interval_ms": LONGEST_TIMER_MS,
    "cache_ttl_ms": math.inf,
    "request_timeout_ms": LONGEST_TIMER_MS,
    "events_flush_ms": LONGEST_TIMER_MS,
}
# The options that are whole numbers, with the smallest.
_COUNTS = {"cache_entries": 0, "events_queue": 1}

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
    flags: FlagSet | None
    cache_ttl_ms: float
    cache_entries: int
    request_timeout_ms: float
    usage: bool
    events: bool
    events_flush_ms: float
    events_queue: int
    hash_units: bool
    timing: Timing


def unknown_option(name: str, options: Iterable[str]) -> TypeError:
    """The error for a name that is not an option, with the most similar option."""
    names = list(options)
    similar = _similar_option(name, names)
    hint = f'did you mean "{similar}"?' if similar else f"the options are {', '.join(names)}"
    return TypeError(f'PennonProvider: there is no option "{name}"; {hint}')


# What other libraries call an option, if the names are not similar.
_OTHER_NAMES = {
    "address": "url",
    "host": "url",
    "endpoint": "url",
    "token": "key",
    "secret": "key",
    "timeout": "init_timeout_ms",
    "cache_path": "cache_file",
    "cache_size": "cache_entries",
    "ca": "ssl_context",
    "ca_file": "ssl_context",
    "cert": "ssl_context",
    "verify": "ssl_context",
}


def _similar_option(name: str, options: list[str]) -> str | None:
    """`cacheTtl` and `cache_ttl` are similar to `cache_ttl_ms`, `sdk_key` to `key`."""
    snake_case = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).replace("-", "_").lower()
    if snake_case in _OTHER_NAMES:
        return _OTHER_NAMES[snake_case]
    similar = difflib.get_close_matches(snake_case, options, n=1)
    related = [each for each in options if snake_case in each or f"_{each}" in f"_{snake_case}"]
    return next(iter([*similar, *related]), None)


def validate_options(options: Options) -> Options:
    """Returns the options. Raises ValueError if they are invalid or contradict each other."""
    if options.mode not in ("in-process", "remote"):
        raise ValueError(f'mode must be "in-process" or "remote", not {options.mode!r}')
    for name, longest in _DURATIONS.items():
        validate_duration(name, getattr(options, name), longest)
    for name, smallest in _COUNTS.items():
        count = getattr(options, name)
        if type(count) is not int or count < smallest:
            raise ValueError(f"{name} must be a whole number of at least {smallest}")
    for name in ("stream", "usage", "events", "hash_units"):
        value = getattr(options, name)
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be True or False, not {value!r}")
    _validate_files(options)
    return options


def _validate_files(options: Options) -> None:
    bootstrap = options.bootstrap
    for name in ("cache_file", "offline_file"):
        path = getattr(options, name)
        problem = None if path is None else path_problem(name, path)
        if problem is not None:
            raise ValueError(problem)
    if not (bootstrap is None or isinstance(bootstrap, Mapping) or is_path(bootstrap)):
        raise ValueError(f"bootstrap must be an object with flags, or {PATH}")
    problem = same_file_problem(options.cache_file, options.offline_file, bootstrap)
    if problem is not None:
        raise ValueError(problem)


# The options that are at least this many milliseconds. Others are only more than 0.
_SHORTEST = {"poll_interval_ms": 1}


def validate_duration(name: str, value: object, longest: float) -> None:
    shortest = _SHORTEST.get(name, 0)
    if not _is_duration(value, shortest, longest):
        lower = f"of at least {shortest}" if shortest else "greater than 0"
        limits = f"{lower}, and at most {longest}"
        raise ValueError(f"{name} must be a number of milliseconds {limits}")


def _is_duration(value: object, shortest: float, longest: float) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return value > 0 and shortest <= value <= longest


# The options that have an effect without a server, by the origin of the flags.
_WITHOUT_SERVER = {
    "flags": ("flags", "init_timeout_ms"),
    "offline_file": ("offline_file", "init_timeout_ms", "bootstrap"),
}
_EVENT_OPTIONS = ("events_flush_ms", "events_queue", "hash_units")
_REMOTE_OPTIONS = ("cache_ttl_ms", "cache_entries", "request_timeout_ms")


def validate_origin(given: Sequence[str]) -> None:
    """Raises ValueError if an option has no effect, because the flags come from elsewhere."""
    for origin, allowed in _WITHOUT_SERVER.items():
        other = next((name for name in given if name not in allowed), None)
        if origin in given and other is not None:
            raise ValueError(f"{origin} cannot be combined with {other}; remove one of them")


def option_warnings(given: Sequence[str], options: Options) -> list[str]:
    """A warning for each option that has no effect beside the others."""
    warnings = []
    if options.mode != "remote":
        remote = [name for name in given if name in _REMOTE_OPTIONS]
        warnings += [f'the option {name} has no effect unless mode is "remote"' for name in remote]
    elif options.cache_entries == 0 and "cache_ttl_ms" in given:
        warnings.append("the option cache_ttl_ms has no effect, because cache_entries is 0")
    if not options.events:
        unused = [name for name in given if name in _EVENT_OPTIONS]
        warnings += [f"the option {name} has no effect, because events is False" for name in unused]
    if "ssl_context" in given and options.address and options.address.is_plain:
        warnings.append("the option ssl_context has no effect: use a url with https for TLS")
    return warnings


def parse_address(
    url: str | None, key: str | None, environment: str | None, network: Network
) -> Address:
    """The address of the server. PENNON_URL and PENNON_KEY apply if url or key is not given."""
    url_name, url = ("PENNON_URL", os.environ.get("PENNON_URL")) if url is None else ("url", url)
    key_name, key = ("PENNON_KEY", os.environ.get("PENNON_KEY")) if key is None else ("key", key)
    if not url or not key:
        raise ValueError(_missing_message(is_url_missing=not url, is_key_missing=not key))
    # The values may be secret, so the messages do not repeat them.
    if not is_server_url(url):
        raise ValueError(
            f"{url_name} must be the URL of a server, such as https://flags.example.com or "
            "http://10.0.0.7:4400/flags: without user, password, query and fragment, without "
            'patterns, variables and "/api/v1", and with a port that browsers do not block'
        )
    if not _is_api_key(key):
        raise ValueError(
            f"{key_name} must be an API key: visible ASCII characters, no spaces, no quotes around "
            "it, and not a variable that was not replaced"
        )
    if environment is not None and not is_key(environment):
        raise ValueError('environment must be the key of an environment, such as "production"')
    proxy = _resolve_proxy(url, network.proxy)
    return Address(url, key, environment, replace(network, proxy=proxy))


def _missing_message(*, is_url_missing: bool, is_key_missing: bool) -> str:
    if is_url_missing and is_key_missing:
        return (
            "url and key are required: pass them, or set PENNON_URL and PENNON_KEY. "
            "To run without a server, pass offline_file or flags."
        )
    name = "url" if is_url_missing else "key"
    return f"{name} is required: pass it, or set PENNON_{name.upper()}"


# What the provider or the connection sets, or what would change the meaning of a request or its
# body.
_RESERVED_HEADERS = re.compile(
    r"accept-encoding|authorization|connection|content-.*|expect|host|if-.*|keep-alive"
    r"|last-event-id|proxy-.*|range|te|trailer|transfer-encoding|upgrade|x-api-key",
    re.IGNORECASE,
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def parse_network(
    headers: Mapping[str, str] | None, ssl_context: ssl.SSLContext | None, proxy: str | None
) -> Network:
    """How to connect to the server. Raises ValueError if that is invalid."""
    _validate_headers(headers)
    if not isinstance(ssl_context, ssl.SSLContext | None):
        raise ValueError(
            'ssl_context must be an SSLContext: ssl.create_default_context(cafile="ca.pem")'
        )
    if proxy is not None and parse_proxy(proxy) is None:
        raise ValueError(_proxy_message("proxy"))
    return Network(dict(headers or {}), ssl_context, proxy)


def _validate_headers(headers: object) -> None:
    if not isinstance(headers, Mapping | None):
        raise ValueError("headers must be a mapping of names to values")
    names: set[str] = set()
    for given, value in (headers or {}).items():
        name = _header_name(given)
        if name.lower() in names:
            raise ValueError(f'headers has "{name}" twice: remove one of them')
        names.add(name.lower())
        # The value may be a secret, so the message does not contain it.
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise ValueError(f'headers: the value of "{name}" must be visible ASCII text')


def _header_name(name: object) -> str:
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        # Not the name itself, which may be a whole line with a secret.
        raise ValueError('headers has an invalid name: use names such as "x-tenant"')
    if _RESERVED_HEADERS.fullmatch(name):
        raise ValueError(f'headers cannot set "{name}", which the provider or HTTP sets')
    return name


# The quotes of another file, a variable that was not replaced, and the text of a missing value.
_NOT_FILLED_IN = re.compile(
    r"""(["'`]).*\1|\$[A-Z_][A-Z0-9_]*|[$%]?\{.*\}|\$\(.*\)|<.*>|%\w+%|undefined|null|None"""
)
_API_KEY = re.compile("[!-~]{1,512}")


def _is_api_key(key: object) -> bool:
    if not isinstance(key, str) or _API_KEY.fullmatch(key) is None:
        return False
    return _NOT_FILLED_IN.fullmatch(key) is None


def _resolve_proxy(url: str, option: str | None) -> str | None:
    """The URL of the proxy to use, if any."""
    setting = proxy_for(url, option)
    proxy = None if setting is None else parse_proxy(setting.value)
    if setting is not None and proxy is None:
        raise ValueError(_proxy_message(setting.name))
    return proxy


def _proxy_message(name: str) -> str:
    form = "the URL of an HTTP proxy, such as http://proxy:3128"
    return f"{name} must be {form}, with a port that browsers do not block"

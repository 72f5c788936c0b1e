"""The options of the provider."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import QuickProvider
from flag_server import KEY


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "url and key"),
        ({"url": "http://x"}, "together"),
        ({"url": "flags.example.com", "key": KEY}, "https://"),
        ({"url": "http://x:99999", "key": KEY}, "https://"),
        ({"url": "http://[::1", "key": KEY}, "https://"),
        ({"url": 5, "key": KEY}, "https://"),
        ({"url": "http://x", "key": "a b"}, "visible"),
        ({"url": "http://x", "key": 5}, "visible"),
        ({"url": "http://x", "key": KEY, "mode": "magic"}, "in-process"),
        ({"url": "http://x", "key": KEY, "init_timeout_ms": 0}, "init_timeout_ms"),
        ({"url": "http://x", "key": KEY, "init_timeout_ms": "5"}, "init_timeout_ms"),
        ({"url": "http://x", "key": KEY, "poll_interval_ms": float("inf")}, "poll_interval_ms"),
        ({"url": "http://x", "key": KEY, "cache_ttl_ms": None}, "cache_ttl_ms"),
        ({"url": "http://x", "key": KEY, "cache_entries": -1}, "cache_entries"),
        ({"url": "http://x", "key": KEY, "offline_file": "f.json"}, "uses no server"),
        ({"offline_file": "f.json", "mode": "remote"}, "remote"),
    ],
)
def test_invalid_options_raise_immediately(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QuickProvider(**options)


def test_the_key_is_not_in_any_representation() -> None:
    provider = QuickProvider(url="http://x", key=KEY)
    assert KEY not in repr(provider)
    assert KEY not in repr(vars(provider))

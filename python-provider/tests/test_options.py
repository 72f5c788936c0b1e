"""The options of the provider."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from conftest import LONG_MS, QuickProvider, Use
from flag_server import KEY, FlagServer
from openfeature.client import OpenFeatureClient

from pennon_openfeature import PennonProvider


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PENNON_URL", "PENNON_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "pass them, or set PENNON_URL and PENNON_KEY"),
        ({"environment": "production"}, "url and key are required"),
        ({"url": "http://x"}, "key is required: pass it, or set PENNON_KEY"),
        ({"url": "http://x", "key": ""}, "key is required"),
        ({"key": KEY}, "url is required: pass it, or set PENNON_URL"),
        ({"url": "http://x", "key": KEY, "mode": "magic"}, "in-process"),
        ({"url": "http://x", "key": KEY, "cache_ttl_ms": None}, "cache_ttl_ms"),
        ({"url": "http://x", "key": KEY, "cache_entries": -1}, "cache_entries"),
        ({"url": "http://x", "key": KEY, "offline_file": "f.json"}, "cannot be combined with url"),
        ({"offline_file": "f.json", "mode": "remote"}, "combined with mode"),
        ({"url": "http://x", "key": KEY, "stream": "no"}, "stream must be True or False"),
        (
            {"url": "http://x", "key": KEY, "bootstrap": 5},
            "bootstrap must be an object with flags, or the path",
        ),
        ({"url": "http://x", "key": KEY, "cache_file": 5}, "cache_file must be the path"),
        ({"url": "http://x", "key": KEY, "ssl_context": "ca.pem"}, "create_default_context"),
        ({"url": "http://x", "key": KEY, "proxy": "socks5://p"}, "http://proxy:3128"),
        ({"url": "http://x", "key": KEY, "proxy": 5}, "http://proxy:3128"),
        ({"flags": {}, "url": "http://x", "key": KEY}, "flags cannot be combined with url"),
        ({"flags": {}, "mode": "remote"}, "combined with mode"),
        ({"flags": {}, "offline_file": "f.json"}, "flags cannot be combined with offline_file"),
        ({"flags": {}, "bootstrap": "f.json"}, "flags cannot be combined with bootstrap"),
        ({"flags": {}, "cache_file": "f.json"}, "flags cannot be combined with cache_file"),
    ],
)
def test_invalid_options_raise_immediately(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QuickProvider(**options)


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("cache_ttl", "cache_ttl_ms"),
        ("cacheTtl", "cache_ttl_ms"),
        ("cacheTtlMs", "cache_ttl_ms"),
        ("ttl", "cache_ttl_ms"),
        ("initTimeoutMs", "init_timeout_ms"),
        ("timeout", "init_timeout_ms"),
        ("pol_interval_ms", "poll_interval_ms"),
        ("sdk_key", "key"),
        ("base_url", "url"),
        ("env", "environment"),
        ("ca_file", "ssl_context"),
    ],
)
def test_an_unknown_option_is_refused_with_a_similar_one(name: str, similar: str) -> None:
    options: Any = {"url": "http://x", "key": KEY, name: 1}
    with pytest.raises(TypeError, match=f'no option "{name}"; did you mean "{similar}"\\?$'):
        PennonProvider(**options)


def test_an_unknown_option_that_is_similar_to_none_is_refused_with_all_options() -> None:
    options: Any = {"wavelength": 1}
    with pytest.raises(TypeError, match='"wavelength"; the options are url, key, environment, '):
        PennonProvider(**options)


def test_url_and_key_are_read_from_the_environment(
    server: FlagServer, client: OpenFeatureClient, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENNON_URL", server.url)
    monkeypatch.setenv("PENNON_KEY", KEY)
    use(PennonProvider(init_timeout_ms=LONG_MS))
    assert client.get_boolean_value("new-checkout", False) is True


def test_url_and_key_that_are_passed_win_over_the_environment(
    server: FlagServer, client: OpenFeatureClient, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENNON_URL", "http://x.invalid")
    monkeypatch.setenv("PENNON_KEY", "another-key")
    use(PennonProvider(url=server.url, key=KEY, init_timeout_ms=LONG_MS))
    assert client.get_boolean_value("new-checkout", False) is True


def test_the_variables_are_not_used_without_a_server(
    tmp_path: Path, use: Use, client: OpenFeatureClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENNON_URL", "not a URL")
    monkeypatch.setenv("PENNON_KEY", "not a key")
    file = tmp_path / "flags.json"
    file.write_text('{"flags": {"new-checkout": {"enabled": true}}}')
    use(PennonProvider(offline_file=file, init_timeout_ms=LONG_MS))
    assert client.get_boolean_value("new-checkout", False) is True
    use(PennonProvider(flags={"new-checkout": False}))
    assert client.get_boolean_value("new-checkout", True) is False


def test_an_option_that_has_an_effect_in_remote_mode_only_is_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    PennonProvider(url="http://x", key=KEY, mode="remote", cache_ttl_ms=5)
    PennonProvider(url="http://x", key=KEY, cache_entries=10_000)
    assert caplog.messages == []
    PennonProvider(url="http://x", key=KEY, cache_ttl_ms=5)
    assert caplog.messages == ['the option cache_ttl_ms has no effect unless mode is "remote"']


def test_a_context_for_tls_without_tls_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    context = ssl.create_default_context()
    PennonProvider(url="https://x", key=KEY, ssl_context=context)
    assert caplog.messages == []
    PennonProvider(url="HTTP://x", key=KEY, ssl_context=context)
    assert caplog.messages == ["the option ssl_context has no effect: use a url with https for TLS"]


@pytest.mark.parametrize("key", [1, None, True, b"a"])
def test_the_keys_of_flags_are_text(key: Any) -> None:
    with pytest.raises(ValueError, match="flags cannot have the key"):
        PennonProvider(flags={key: True})


def test_a_path_may_be_an_object(tmp_path: Path) -> None:
    file = tmp_path / "flags.json"
    PennonProvider(url="http://x", key=KEY, cache_file=file)
    with pytest.raises(ValueError, match="cache_file must be another file than bootstrap"):
        PennonProvider(url="http://x", key=KEY, cache_file=file, bootstrap=str(file))


def test_secrets_are_not_in_any_representation() -> None:
    provider = QuickProvider(
        url="http://x",
        key=KEY,
        headers={"x-gateway": "a-secret"},
        proxy="http://ada:a-secret@proxy:3128",
        ssl_context=ssl.create_default_context(),
    )
    for shown in (repr(provider), repr(vars(provider))):
        assert KEY not in shown
        assert "a-secret" not in shown

"""Starting with the cache file or the bootstrap, and writing the cache file."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import (
    LONG_S,
    EventRecorder,
    SteadyProvider,
    Use,
    eventually,
    is_off,
    provider_for,
    streaming,
)
from faults import Hang, fails_with
from flag_server import FLAG_SET_ROUTES, KEY, OFF, FlagServer, boolean_flag
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.exception import GeneralError, ProviderFatalError
from openfeature.provider import ProviderStatus

from pennon_openfeature._flag_file import CachedFlags, write_cache_file
from pennon_openfeature._flag_set import FlagSet
from pennon_openfeature._timing import Timing


class SlowDiskProvider(SteadyProvider):
    """Waits for the disk no longer than the providers of applications."""

    _timing = replace(SteadyProvider._timing, grace_ms=Timing().grace_ms)


def test_the_cache_file_is_used_while_the_server_is_down(
    server: FlagServer, client: OpenFeatureClient, use: Use, tmp_path: Path, unreachable_url: str
) -> None:
    cache_file = tmp_path / "flags.json"
    first = use(provider_for(server, cache_file=cache_file))
    server.change(OFF)
    eventually(lambda: cache_file.exists() and json.loads(cache_file.read_text())["revision"] == 2)
    first.shutdown()
    cached = json.loads(cache_file.read_text())
    cache_file.write_text(json.dumps({**cached, "currentAt": cached["currentAt"] - 3_600_000}))
    provider = use(SteadyProvider(url=unreachable_url, key=KEY, cache_file=cache_file))
    assert is_off(client)
    assert provider.freshness().source == "cache_file"
    hour_ms = 3_600_000
    assert hour_ms <= (provider.freshness().data_age_ms or 0) < 2 * hour_ms
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)


def test_the_age_of_flags_from_a_server_that_was_cut_off_is_kept(
    server: FlagServer, use: Use, tmp_path: Path, unreachable_url: str
) -> None:
    cache_file = tmp_path / "flags.json"
    server.source_age_ms = 43_000
    first = use(provider_for(server, cache_file=cache_file))
    eventually(cache_file.exists)
    first.shutdown()
    provider = use(SteadyProvider(url=unreachable_url, key=KEY, cache_file=cache_file))
    assert provider.freshness().source == "cache_file"
    assert 43_000 <= (provider.freshness().data_age_ms or 0) < 143_000


def test_a_cache_file_of_an_earlier_release_has_the_age_of_the_file(
    server: FlagServer, use: Use, tmp_path: Path, unreachable_url: str
) -> None:
    cache_file = tmp_path / "flags.json"
    cache_file.write_text(json.dumps(server.flag_set()))
    hour_ago = time.time() - 3_600
    os.utime(cache_file, (hour_ago, hour_ago))
    provider = use(SteadyProvider(url=unreachable_url, key=KEY, cache_file=cache_file))
    assert 3_600_000 <= (provider.freshness().data_age_ms or 0) < 7_200_000


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_link_to_pipe(path: Path) -> None:
    pipe = path.with_suffix(".pipe")
    os.mkfifo(pipe)
    path.symlink_to(pipe)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("create", [make_pipe, Path.mkdir, make_link_to_pipe])
def test_a_special_file_is_neither_read_nor_replaced(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    create: Callable[[Path], None],
) -> None:
    cache_file = tmp_path / "special"
    create(cache_file)
    inode = cache_file.lstat().st_ino
    files = sorted(tmp_path.iterdir())
    provider = use(provider_for(server, cache_file=cache_file))
    assert client.get_boolean_value("new-checkout", False) is True
    provider.shutdown()
    warnings = [each for each in caplog.messages if "special is not a regular file" in each]
    assert [each.split(":")[0] for each in warnings] == [
        "the flags of cache_file cannot be used",
        "the cache file cannot be written",
    ]
    assert cache_file.lstat().st_ino == inode
    assert sorted(tmp_path.iterdir()) == files


def test_the_file_at_the_end_of_a_symbolic_link_is_replaced_also_if_it_does_not_exist_yet(
    server: FlagServer, use: Use, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "flags.json"
    link = tmp_path / "link.json"
    link.symlink_to(Path("elsewhere", "flags.json"))
    use(provider_for(server, cache_file=link))
    eventually(target.exists)
    server.change(OFF)
    eventually(lambda: json.loads(target.read_text())["revision"] == 2)
    assert link.is_symlink()
    assert list(target.parent.iterdir()) == [target]


def test_a_cache_file_from_the_future_has_no_age_because_the_clock_was_set_back(
    server: FlagServer, client: OpenFeatureClient, use: Use, tmp_path: Path, unreachable_url: str
) -> None:
    cache_file = tmp_path / "flags.json"
    server.change(OFF)
    cache_file.write_text(json.dumps(server.flag_set()))
    in_an_hour = time.time() + 3_600
    os.utime(cache_file, (in_an_hour, in_an_hour))
    provider = use(SteadyProvider(url=unreachable_url, key=KEY, cache_file=cache_file))
    assert is_off(client)
    assert provider.freshness().source == "cache_file"
    assert provider.freshness().data_age_ms is None


def test_a_cached_flag_set_that_is_current_is_not_loaded_again(
    server: FlagServer, client: OpenFeatureClient, use: Use, tmp_path: Path
) -> None:
    cache_file = tmp_path / "flags.json"
    cache_file.write_text(json.dumps(server.flag_set()))
    use(provider_for(server, cache_file=cache_file, stream=False))
    assert server.received[0][1]["if-none-match"] == f'"{server.id}"'
    assert client.get_provider_status() == ProviderStatus.READY
    assert client.get_boolean_value("new-checkout", False) is True


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"flags": 1}', "\x00", '{"formatVersion": 2}'])
def test_a_damaged_cache_file_is_ignored_and_replaced(
    server: FlagServer, client: OpenFeatureClient, use: Use, tmp_path: Path, damage: str
) -> None:
    cache_file = tmp_path / "flags.json"
    cache_file.write_text(damage)
    provider = use(provider_for(server, cache_file=cache_file))
    assert client.get_boolean_value("new-checkout", False) is True
    eventually(lambda: server.id in cache_file.read_text())
    assert json.loads(cache_file.read_text())["id"] == server.id
    assert "cache_file" in str(provider.freshness().last_error)


def test_a_rejected_key_is_fatal_even_with_a_cache_file(
    server: FlagServer, client: OpenFeatureClient, tmp_path: Path, domain: str
) -> None:
    cache_file = tmp_path / "flags.json"
    cache_file.write_text(json.dumps(server.flag_set()))
    provider = SteadyProvider(url=server.url, key="another-key", cache_file=cache_file)
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider, domain)
    assert client.get_provider_status() == ProviderStatus.FATAL
    provider.shutdown()


def test_a_cache_file_of_another_environment_is_not_used(
    server: FlagServer, tmp_path: Path, unreachable_url: str, domain: str
) -> None:
    cache_file = tmp_path / "flags.json"
    cache_file.write_text(json.dumps(server.flag_set()))
    options: dict[str, Any] = {"url": unreachable_url, "key": KEY, "cache_file": cache_file}
    provider = SteadyProvider(**options, environment="staging", init_timeout_ms=50)
    with pytest.raises(GeneralError):
        api.set_provider_and_wait(provider, domain)
    provider.shutdown()


def test_a_cache_file_that_was_written_with_another_key_is_not_used(
    server: FlagServer, use: Use, tmp_path: Path, unreachable_url: str, domain: str
) -> None:
    cache_file = tmp_path / "flags.json"
    first = use(provider_for(server, cache_file=cache_file))
    eventually(cache_file.exists)
    first.shutdown()
    assert KEY not in cache_file.read_text()
    provider = SteadyProvider(
        url=unreachable_url, key="another-key", cache_file=cache_file, init_timeout_ms=50
    )
    with pytest.raises(GeneralError):
        api.set_provider_and_wait(provider, domain)
    provider.shutdown()


def test_a_cache_file_is_complete_at_any_time_even_if_several_providers_write_it(
    tmp_path: Path,
) -> None:
    cache_file = tmp_path / "flags.json"
    flag_set = FlagSet(id="1", revision=1, environment="production", flags=OFF, segments={})
    flags = CachedFlags(flag_set, time.time())
    write_cache_file(cache_file, flags, "key")

    def write_often(key: str) -> None:
        for _ in range(30):
            write_cache_file(cache_file, flags, key)

    writers = [threading.Thread(target=write_often, args=(key,)) for key in ("a", "b", "c")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert json.loads(cache_file.read_text())["flags"] == OFF
    assert [file.name for file in tmp_path.iterdir()] == ["flags.json"]


def test_flags_are_available_if_the_cache_file_cannot_be_written(
    server: FlagServer, client: OpenFeatureClient, use: Use, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    use(provider_for(server, cache_file=tmp_path / "file" / "flags.json"))
    assert client.get_boolean_value("new-checkout", False) is True


def test_a_slow_disk_delays_no_change_and_receives_only_the_latest_flags(
    server: FlagServer,
    client: OpenFeatureClient,
    use: Use,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk_ready = threading.Event()
    revisions: list[object] = []

    def write_slowly(path: Path, flags: CachedFlags, key: str) -> None:
        revisions.append(flags.flag_set.revision)
        disk_ready.wait(LONG_S)
        write_cache_file(path, flags, key)

    monkeypatch.setattr("pennon_openfeature._flag_manager.write_cache_file", write_slowly)
    cache_file = tmp_path / "flags.json"
    provider = use(SlowDiskProvider(url=server.url, key=KEY, cache_file=cache_file))
    eventually(streaming(provider))
    eventually(lambda: revisions == [1])
    for _ in range(20):
        server.change({"new-checkout": boolean_flag()})
    server.change(OFF)
    eventually(lambda: is_off(client))
    assert not cache_file.exists()
    disk_ready.set()
    eventually(lambda: cache_file.exists() and json.loads(cache_file.read_text())["revision"] == 22)
    assert revisions == [1, 22]


def test_a_cache_file_is_written_by_providers_of_the_same_flags_only(
    server: FlagServer, domain: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache_file = tmp_path / "flags.json"

    def run(of: FlagServer, use_of_it: str) -> SteadyProvider:
        provider = provider_for(of, cache_file=cache_file)
        api.set_provider_and_wait(provider, f"{domain} {use_of_it}")
        return provider

    with FlagServer({"other": boolean_flag()}) as other:
        # So that the server does not take the flags of the file for its own.
        other.revision = 2
        first, same = run(server, "first"), run(server, "same")
        assert caplog.messages == []
        second = run(other, "second")
        assert f"{cache_file} is the cache file of another provider" in caplog.messages[0]
        assert "another provider" in str(second.freshness().last_error)
        # Waits until nothing is left to be written.
        second.shutdown()
        assert list(json.loads(cache_file.read_text())["flags"]) == ["new-checkout"]
        first.shutdown()
        same.shutdown()
        third = run(other, "third")
        eventually(lambda: list(json.loads(cache_file.read_text())["flags"]) == ["other"])
        third.shutdown()


def test_writing_the_cache_file_leaves_no_temporary_file(
    server: FlagServer, use: Use, tmp_path: Path
) -> None:
    use(provider_for(server, cache_file=tmp_path / "flags.json"))
    eventually((tmp_path / "flags.json").exists)
    assert [file.name for file in tmp_path.iterdir()] == ["flags.json"]


def test_the_bootstrap_is_used_without_a_cache_file(
    client: OpenFeatureClient, use: Use, unreachable_url: str
) -> None:
    short = {"flags": {"new-checkout": {"enabled": True, "rules": [{"percentage": 0}]}}}
    use(SteadyProvider(url=unreachable_url, key=KEY, bootstrap=short))
    assert is_off(client)
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)


def test_flags_that_arrive_after_the_bootstrap_are_reported_as_changed(
    server: FlagServer, client: OpenFeatureClient, use: Use
) -> None:
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(503))
    use(provider_for(server, bootstrap=server.flag_set()))
    recorder = EventRecorder(client)
    server.change(OFF)
    server.faults = {}
    eventually(lambda: recorder.changed_flags() == [["new-checkout"]])
    eventually(lambda: client.get_provider_status() == ProviderStatus.READY)


def ends(call: Callable[[], object]) -> bool:
    """Whether a call ends. If it hangs, the test must not."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    # Less than the start and the disk of a test may take.
    thread.join(LONG_S / 2)
    return not thread.is_alive()


def test_a_disk_that_hangs_delays_neither_the_start_nor_the_shutdown(
    server: FlagServer,
    client: OpenFeatureClient,
    domain: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk_ready = threading.Event()
    monkeypatch.setattr(Path, "mkdir", lambda *_args, **_options: disk_ready.wait(LONG_S))
    cache_file = tmp_path / "new" / "flags.json"
    provider = SlowDiskProvider(url=server.url, key=KEY, cache_file=cache_file)
    assert ends(lambda: api.set_provider_and_wait(provider, domain))
    assert client.get_boolean_value("new-checkout", False) is True
    assert client.get_provider_status() == ProviderStatus.READY
    assert ends(provider.shutdown)
    disk_ready.set()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_file_that_hangs_when_it_is_read_does_not_delay_the_start(
    server: FlagServer, client: OpenFeatureClient, domain: str, tmp_path: Path
) -> None:
    pipe = tmp_path / "flags.json"
    os.mkfifo(pipe)
    provider = SlowDiskProvider(url=server.url, key=KEY, bootstrap=pipe)
    assert ends(lambda: api.set_provider_and_wait(provider, domain))
    assert client.get_provider_status() == ProviderStatus.READY
    assert client.get_boolean_value("new-checkout", False) is True
    assert ends(provider.shutdown)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("fault", [fails_with(503), Hang()], ids=["fails", "hangs"])
def test_flags_that_a_slow_disk_delivers_while_the_server_is_down_are_used(
    server: FlagServer, client: OpenFeatureClient, domain: str, tmp_path: Path, fault: Any
) -> None:
    pipe = tmp_path / "flags.json"
    os.mkfifo(pipe)
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fault)
    provider = SlowDiskProvider(url=server.url, key=KEY, bootstrap=pipe)
    started = threading.Thread(
        target=api.set_provider_and_wait, args=(provider, domain), daemon=True
    )
    started.start()
    eventually(lambda: server.requests["flag-set"])
    pipe.write_text(json.dumps(server.flag_set()))
    started.join(60)
    assert not started.is_alive()
    eventually(lambda: client.get_provider_status() == ProviderStatus.STALE)
    assert is_off(client) is False
    assert provider.freshness().source == "bootstrap"
    provider.shutdown()

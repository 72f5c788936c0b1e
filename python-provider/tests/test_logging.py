"""What the logger `pennon_openfeature` receives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Use, eventually, provider_for, streaming
from faults import fails_with
from flag_server import FLAG_SET_ROUTES, FlagServer, boolean_flag


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "pennon_openfeature" and record.levelname == "WARNING"
    ]


def test_nothing_is_logged_while_all_is_well(
    server: FlagServer, use: Use, caplog: pytest.LogCaptureFixture
) -> None:
    provider = use(provider_for(server))
    eventually(streaming(provider))
    server.change({"new-checkout": boolean_flag("off")})
    eventually(lambda: provider.freshness().revision == 2)
    assert warnings(caplog) == []


def test_a_provider_that_becomes_stale_logs_why(
    server: FlagServer, use: Use, caplog: pytest.LogCaptureFixture
) -> None:
    provider = use(provider_for(server))
    eventually(streaming(provider))
    server.faults = dict.fromkeys(FLAG_SET_ROUTES, fails_with(503))
    server.cut_streams()
    eventually(lambda: warnings(caplog))
    assert "the flags may be out of date: the server responded with 503" in warnings(caplog)[0]
    assert len(warnings(caplog)) == 1


def test_a_malformed_flag_is_logged_once(
    server: FlagServer, use: Use, caplog: pytest.LogCaptureFixture
) -> None:
    server.flags["broken"] = boolean_flag("onn")
    provider = use(provider_for(server))
    eventually(streaming(provider))
    server.change({"other": boolean_flag()})
    eventually(lambda: provider.freshness().revision == 2)
    (message,) = warnings(caplog)
    assert 'flag "broken": defaultVariant' in message


@pytest.mark.parametrize("option", ["cache_file", "bootstrap"])
def test_files_that_cannot_be_used_are_logged(
    server: FlagServer,
    use: Use,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    option: Any,
) -> None:
    file = tmp_path / "flags.json"
    file.write_text("{")
    use(provider_for(server, **{option: file}))
    assert f"the flags of {option} cannot be used: " in warnings(caplog)[0]


def test_a_cache_file_that_cannot_be_written_is_logged(
    server: FlagServer, use: Use, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    use(provider_for(server, cache_file=tmp_path / "file" / "flags.json"))
    eventually(lambda: any("the cache file cannot be written" in each for each in warnings(caplog)))

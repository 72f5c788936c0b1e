"""The options that the providers of all languages accept or refuse."""

from __future__ import annotations

import re
from typing import Any

import pytest
from repository import read_spec

from pennon_openfeature import PennonProvider

SPEC = read_spec("options.json")
CASES = [each for each in SPEC["cases"] if "python" in each.get("providers", ["python"])]


def in_python(name: str) -> str:
    """`pollIntervalMs` is `poll_interval_ms`; a variable keeps its name."""
    if name.isupper():
        return name
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_options(
    case: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    variables = case.get("variables")
    for name in ("PENNON_URL", "PENNON_KEY", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (variables or {}).items():
        monkeypatch.setenv(name, value)
    defaults = SPEC["defaults"] if variables is None else {}
    options = {in_python(name): value for name, value in {**defaults, **case["options"]}.items()}
    if "refused" not in case:
        PennonProvider(**options)
        assert [in_python(case["warned"]) in each for each in caplog.messages] == [True] * (
            "warned" in case
        )
        return
    with pytest.raises(ValueError, match=rf"\b{in_python(case['refused'])}\b") as refusal:
        PennonProvider(**options)
    assert "s3cret" not in str(refusal.value)

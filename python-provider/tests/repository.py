"""Paths in the repository: tests read the shared cases and run the TypeScript engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "packages" / "spec"
CASES = SPEC / "cases"


def read_spec(name: str) -> Any:
    """A generated file of the specification."""
    return json.loads((SPEC / name).read_text("utf-8"))


def shared_cases() -> list[dict[str, Any]]:
    """The cases that all engines must pass."""
    files = sorted(CASES.glob("*.json"))
    return [case for file in files for case in json.loads(file.read_text("utf-8"))["cases"]]


# The Node.js of the workspace, which runs TypeScript without a build.
NODE = ROOT / "node_modules" / ".bin" / "node"

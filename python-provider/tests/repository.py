"""Where the rest of the repository is: tests read its cases and run its TypeScript."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "packages" / "spec" / "cases"


def shared_cases() -> list[dict[str, Any]]:
    """Every case that all engines must pass."""
    files = sorted(CASES.glob("*.json"))
    return [case for file in files for case in json.loads(file.read_text("utf-8"))["cases"]]


# The workspace pins its own Node, which runs TypeScript as it is.
NODE = ROOT / "node_modules" / ".bin" / "node"

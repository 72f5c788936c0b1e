"""The examples and the code in the README, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from flag_server import KEY, FlagServer

PROJECT = Path(__file__).resolve().parents[1]
EXAMPLES = PROJECT / "examples"

FASTAPI = """
import asyncio, httpx
from fastapi_app import app

async def main():
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            print((await client.get("/checkout/ada")).text)

asyncio.run(main())
"""

DJANGO = """
import django
django.setup()
from django.test import Client
print(Client().get("/checkout/ada").content.decode())
"""


def run(server: FlagServer, *arguments: str) -> str:
    environment = {
        **os.environ,
        "PENNON_URL": server.url,
        "PENNON_KEY": KEY,
        "PYTHONPATH": str(EXAMPLES),
        "DJANGO_SETTINGS_MODULE": "django_site.settings",
    }
    completed = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def test_the_script_prints_a_flag(server: FlagServer) -> None:
    assert run(server, "examples/script.py", "ada") == "new-checkout is on (STATIC)\n"


def test_the_fastapi_application_evaluates_a_flag(server: FlagServer) -> None:
    assert run(server, "-c", FASTAPI) == '{"user":"ada","checkout":"new"}\n'


def test_the_django_site_evaluates_a_flag(server: FlagServer) -> None:
    assert run(server, "-c", DJANGO) == "the new checkout\n"


def test_the_django_site_starts_without_flags(server: FlagServer) -> None:
    server.faults = {"flag-set": lambda _: None, "flag-set/stream": lambda _: None}
    assert run(server, "-c", DJANGO) == "the old checkout\n"


def _python_blocks(readme: Path) -> list[str]:
    parts = readme.read_text("utf-8").split("```python\n")[1:]
    return [part.partition("```")[0] for part in parts]


@pytest.mark.parametrize("block", _python_blocks(PROJECT / "README.md"))
def test_the_code_in_the_readme_compiles(block: str) -> None:
    compile(block, "README.md", "exec")


def test_the_first_example_of_the_readme_runs_and_is_short(server: FlagServer) -> None:
    example = _python_blocks(PROJECT / "README.md")[0]
    assert len(example.splitlines()) < 20
    code = example.replace("http://127.0.0.1:4400", server.url)
    assert "on" in run(server, "-c", code).lower()

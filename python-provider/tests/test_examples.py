"""The examples, and the code in the README and in the guides, each in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import pytest
from conftest import LONG_S, eventually, reserved_port
from flag_server import KEY, FlagServer
from repository import ROOT

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


def environment_of(server: FlagServer, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "PENNON_URL": server.url,
        "PENNON_KEY": KEY,
        "PYTHONPATH": os.pathsep.join([str(EXAMPLES), str(PROJECT / "tests")]),
        "DJANGO_SETTINGS_MODULE": "django_site.settings",
        **more,
    }


def run(server: FlagServer, *arguments: str, cwd: Path = PROJECT) -> str:
    completed = subprocess.run(
        [sys.executable, *arguments],
        env=environment_of(server),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=2 * LONG_S,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


@contextmanager
def running(
    server: FlagServer, *arguments: str, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs until the end of the block, and must then end quietly."""
    command = [sys.executable, *arguments]
    with subprocess.Popen(
        command, env=environment_of(server, **environment), cwd=EXAMPLES
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
    assert process.returncode in (0, -15)


def get(url: str) -> str:
    """The text of a page, or an empty one while nothing listens."""
    with suppress(OSError), urlopen(url, timeout=5) as response:
        return str(response.read().decode())
    return ""


def test_the_script_prints_a_flag(server: FlagServer) -> None:
    assert run(server, "examples/script.py", "ada") == "new-checkout is on (STATIC)\n"


def test_the_script_survives_a_server_that_is_down(server: FlagServer) -> None:
    server.go_away()
    assert run(server, "examples/script.py", "ada") == "new-checkout is off (ERROR)\n"
    server.come_back()


def test_the_fastapi_application_evaluates_a_flag(server: FlagServer) -> None:
    assert run(server, "-c", FASTAPI) == '{"user":"ada","checkout":"new"}\n'


def test_the_fastapi_application_starts_while_the_server_is_down_and_recovers(
    server: FlagServer,
) -> None:
    server.go_away()
    with reserved_port() as port:
        options = ["--port", str(port), "--log-level", "warning"]
        with running(server, "-m", "uvicorn", "fastapi_app:app", *options):
            url = f"http://127.0.0.1:{port}/checkout/ada"
            eventually(lambda: '"old"' in get(url))
            server.come_back()
            eventually(lambda: '"new"' in get(url))


def test_the_django_site_evaluates_a_flag(server: FlagServer) -> None:
    assert run(server, "-c", DJANGO) == "the new checkout\n"


def test_the_django_site_starts_without_flags(server: FlagServer) -> None:
    server.faults = {"flag-set": lambda _: None, "flag-set/stream": lambda _: None}
    assert run(server, "-c", DJANGO) == "the old checkout\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="gunicorn needs fork")
def test_the_workers_of_gunicorn_start_while_the_server_is_down_and_recover(
    server: FlagServer,
) -> None:
    server.go_away()
    with reserved_port() as port:
        options = ["--config", "gunicorn_conf.py", "--bind", f"127.0.0.1:{port}"]
        with running(server, "-m", "gunicorn", *options, "django_site.wsgi"):
            url = f"http://127.0.0.1:{port}/checkout/ada"
            eventually(lambda: get(url) == "the old checkout")
            server.come_back()
            # The parent and both workers.
            eventually(lambda: server.open_streams() == 3)
            eventually(lambda: {get(url) for _ in range(10)} == {"the new checkout"})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the pool prefork needs fork")
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_celery_tasks_get_flags_after_a_start_while_the_server_is_down(
    server: FlagServer, tmp_path: Path, pool: str
) -> None:
    for name in ("messages", "results"):
        (tmp_path / name).mkdir()
    variables = {
        "CELERY_BROKER_URL": "filesystem://",
        "CELERY_RESULT_BACKEND": f"file://{tmp_path}/results",
        "CELERY_MESSAGES": f"{tmp_path}/messages",
    }
    server.go_away()
    worker = ["worker", "--pool", pool, "--concurrency", "2", "--loglevel", "error"]
    with running(server, "-m", "celery", "-A", "celery_worker", *worker, **variables):
        assert _checkout(server, variables) == "old"
        server.come_back()
        streams = 3 if pool == "prefork" else 1
        eventually(lambda: server.open_streams() == streams)
        # The stream is open before its first flags have arrived.
        eventually(lambda: _checkout(server, variables) == "new")


def _checkout(server: FlagServer, variables: dict[str, str]) -> str:
    """The result of the task, sent by another process."""
    # A busy machine takes long to start the worker.
    result = f"checkout.delay('ada').get(timeout={5 * LONG_S})"
    script = f"from celery_worker import checkout; print({result})"
    return subprocess.check_output(
        [sys.executable, "-c", script],
        env=environment_of(server, **variables),
        cwd=EXAMPLES,
        text=True,
    ).strip()


def _blocks(page: Path, language: str = "python") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


README = PROJECT / "README.md"
PAGES = [ROOT / "docs" / name for name in ("python.md", "testing.md")]
BLOCKS = [block for page in PAGES for block in _blocks(page)]


@pytest.mark.parametrize("block", [*_blocks(README), *BLOCKS])
def test_the_code_in_the_pages_compiles(block: str) -> None:
    compile(block, "README.md", "exec")


def test_the_first_example_of_the_readme_runs_and_is_short(server: FlagServer) -> None:
    example = _blocks(README)[0]
    assert len(example.splitlines()) < 20
    code = example.replace("http://127.0.0.1:4400", server.url)
    assert run(server, "-c", code) == "new-checkout is on\n"


def test_the_first_example_of_the_readme_survives_a_server_that_is_down(
    server: FlagServer,
) -> None:
    server.go_away()
    code = _blocks(README)[0].replace("http://127.0.0.1:4400", server.url)
    assert run(server, "-c", code).startswith("no flags yet: ")
    server.come_back()


def _belongs_to_an_example(block: str) -> bool:
    return any(block in file.read_text("utf-8") for file in EXAMPLES.rglob("*.py"))


@pytest.mark.parametrize("block", BLOCKS)
def test_the_code_in_a_page_is_that_of_an_example_or_runs(
    server: FlagServer, tmp_path: Path, block: str
) -> None:
    if _belongs_to_an_example(block):
        return
    file = tmp_path / "test_example.py"
    file.write_text(block.replace('cafile="internal-ca.pem"', ""))
    if "import pytest" in block:
        run(server, "-m", "pytest", "-q", str(file), cwd=tmp_path)
    else:
        run(server, str(file))

"""The wheel and the sdist, installed from an index into an empty environment."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import eventually, reserved_port
from flag_server import KEY, FlagServer

PROJECT = Path(__file__).resolve().parents[1]
NAME = "pennon_openfeature-0.1.0"


def pip(python: str | Path, *arguments: str) -> str:
    return subprocess.check_output(
        [str(python), "-m", "pip", *arguments], text=True, stderr=subprocess.STDOUT
    )


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel that is built from it."""
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(directory), str(PROJECT)]
    subprocess.run(command, check=True, capture_output=True)
    return directory


@pytest.fixture(scope="module")
def index(distributions: Path) -> Iterator[str]:
    """A local index with this package; pip's configured index has all others."""
    with reserved_port() as port:
        command = [sys.executable, "-m", "pypiserver", "run", "-i", "127.0.0.1", "-p", str(port)]
        with subprocess.Popen(
            [*command, *_fallback(), str(distributions)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                eventually(lambda: process.poll() is None and _accepts_connections(port))
                yield f"http://127.0.0.1:{port}/simple/"
            finally:
                process.terminate()


def _fallback() -> list[str]:
    settings = pip(sys.executable, "config", "list").splitlines()
    configured = [line.partition("=")[2] for line in settings if ".index-url=" in line]
    return ["--fallback-url", configured[-1].strip("'")] if configured else []


def _accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_the_package_installed_from_an_index_evaluates_a_flag(
    index: str, server: FlagServer, tmp_path: Path, kind: str
) -> None:
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / "bin" / "python"
    option = "--only-binary" if kind == "wheel" else "--no-binary"
    arguments = [option, "pennon-openfeature", "pennon-openfeature==0.1.0"]
    installed = pip(python, "install", "--index-url", index, *arguments)
    assert "Successfully installed" in installed
    environment = {**os.environ, "PENNON_URL": server.url, "PENNON_KEY": KEY}
    environment.pop("PYTHONPATH", None)
    script = PROJECT / "examples" / "script.py"
    output = subprocess.check_output(
        [str(python), "-I", str(script), "ada"], env=environment, cwd=tmp_path, text=True
    )
    assert output == "new-checkout is on (STATIC)\n"


def test_the_wheel_contains_the_package_its_types_and_its_license_only(
    distributions: Path,
) -> None:
    with zipfile.ZipFile(distributions / f"{NAME}-py3-none-any.whl") as wheel:
        names = wheel.namelist()
    assert "pennon_openfeature/py.typed" in names
    assert f"{NAME}.dist-info/licenses/LICENSE" in names
    assert {name.split("/")[0] for name in names} == {"pennon_openfeature", f"{NAME}.dist-info"}
    assert all(name.endswith((".py", "py.typed")) for name in names if not name.startswith(NAME))


def test_the_sdist_contains_only_what_the_wheel_is_built_from(
    distributions: Path,
) -> None:
    with tarfile.open(distributions / f"{NAME}.tar.gz") as sdist:
        names = {name.removeprefix(f"{NAME}/").split("/")[0] for name in sdist.getnames()}
    assert names <= {"src", "README.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"}

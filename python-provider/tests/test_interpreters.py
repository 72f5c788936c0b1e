"""The package with every supported version of Python that is installed.

Not part of the ordinary run, because it takes a minute and depends on the machine. Run it with
`pytest -m interpreters`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]

VERSIONS = ["3.10", "3.11", "3.12", "3.13"]
# The version of this process runs all tests anyway.
OTHERS = [each for each in VERSIONS if each != f"{sys.version_info[0]}.{sys.version_info[1]}"]

# They need nothing but pytest, and evaluate, follow and cache flags.
TESTS = ["test_cases.py", "test_statuses.py", "test_options.py", "test_local_flags.py"]


def find_python(version: str) -> Path | None:
    """An interpreter in the PATH, or one of pyenv."""
    in_path = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        *([Path(in_path)] if in_path else []),
        *sorted(pyenv.glob(f"{version}.*/bin/python")),
    ]
    return next(filter(_works, candidates), None)


def _works(python: Path) -> bool:
    """A command in the PATH may only be one that reports that the version is not active."""
    try:
        command = [str(python), "-c", "import ensurepip, ssl, venv"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.interpreters
@pytest.mark.parametrize("version", OTHERS)
def test_the_package_works_with_python(version: str, tmp_path: Path) -> None:
    base = find_python(version)
    if base is None:
        pytest.skip(f"Python {version} is not installed")
    subprocess.run([str(base), "-m", "venv", str(tmp_path)], check=True)
    python = str(tmp_path / "bin" / "python")
    packages = ["pytest", "typing_extensions", f"{PROJECT}[yaml]"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    completed = subprocess.run(
        command, cwd=PROJECT / "tests", capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr

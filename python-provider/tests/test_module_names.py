"""The Python package has the modules of the TypeScript packages, under the same names.

A reader who knows one of them finds every part of the other. Each exception has its reason.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from repository import ROOT

PACKAGE = ROOT / "python-provider" / "src" / "pennon_openfeature"
ENGINE = PACKAGE / "_engine"

PROVIDER_IN_TYPESCRIPT_ONLY = {
    "direct_transport": "a fetch with its own connections; in Python, _http opens all",
    "event_stream": "a parser that is small for browsers; Python has one from a library",
    "flag_client": "a type over generated types; in Python, the generated file contains it",
    "index": "the exports, which are in __init__.py",
    "network": "renews connections after a pause; in Python, _http opens one for each request",
    "pauses": "a timer that is overdue; in Python, _process compares the clocks at each use",
    "proxied_transport": "a fetch that uses a proxy; in Python, _http opens all connections",
    "refresh": "shares one request between promises; in Python, _follower_state wakes threads",
    "runtime": "replaces fetch and timers in tests; in Python, tests set the options of _timing",
    "start_status": "when the SDK sets the status; in Python, _provider_state corrects it",
    "synced_resource": "what flag sets and values have in common; Python follows flag sets only",
    "times": "constants that bundlers replace by numbers; in Python, _timing has them",
    "turn": "a check in each turn of the event loop, which threads do not have",
    "updates": "an async iterable for applications that use packages/sync alone",
    "values": "the evaluated values of a browser",
}
PROVIDER_IN_PYTHON_ONLY = {
    "event_format": "events as JSON; in TypeScript, a part of events",
    "exposures": "remembers exposures; in TypeScript, a part of events",
    "pending_request": "threads and timeouts, for which JavaScript has promises",
    "process": "forks, and threads that end with the process; Node.js has neither",
    "resolvers": "the ten methods that the SDK requires, two for each type; in TypeScript four",
    "yaml": "YAML 1.2, which PyYAML does not read; the parser for Node.js does",
}

ENGINE_IN_TYPESCRIPT_ONLY = {
    "char_code": "reads characters as fast beside a subclass of String, which slows V8 down",
    "core": "the exports without regular expressions, for applications that load these later",
    "dependents": "what depends on a flag, kept after a change; Python finds it again",
    "explain": "only the server explains evaluations",
    "explain_conditions": "only the server explains evaluations",
    "index": "the exports, which are in __init__.py",
    "inverted_index": "finds the dependents, which Python does not keep",
    "json": "access to own properties and lengths in characters, which Python has built in",
    "model": "the types of compiled flags; in Python, each class is next to its functions",
    "persistent_map": "flags that share memory with those before a change, on a server",
    "re2js": "the library for regular expressions, loaded on demand",
    "steps": "work that pauses for an event loop, which threads do not need",
    "trace": "only the server explains evaluations",
}
ENGINE_IN_PYTHON_ONLY = {
    "text": "numbers as text and surrogates as in JavaScript, which has both built in",
}


def python_modules(folder: Path) -> set[str]:
    return {path.stem.removeprefix("_") for path in folder.glob("*.py") if path.stem != "__init__"}


def typescript_modules(*folders: str) -> set[str]:
    paths = [path for folder in folders for path in (ROOT / folder).glob("*.ts")]
    return {path.stem.replace("-", "_") for path in paths}


@pytest.mark.parametrize(
    ("python", "typescript", "python_only", "typescript_only"),
    [
        pytest.param(
            python_modules(PACKAGE),
            typescript_modules("providers/server/src", "packages/sync/src"),
            PROVIDER_IN_PYTHON_ONLY,
            PROVIDER_IN_TYPESCRIPT_ONLY,
            id="provider",
        ),
        pytest.param(
            python_modules(ENGINE),
            typescript_modules("packages/engine/src"),
            ENGINE_IN_PYTHON_ONLY,
            ENGINE_IN_TYPESCRIPT_ONLY,
            id="engine",
        ),
    ],
)
def test_python_and_typescript_have_modules_of_the_same_names(
    python: set[str],
    typescript: set[str],
    python_only: dict[str, str],
    typescript_only: dict[str, str],
) -> None:
    assert python - typescript == set(python_only)
    assert typescript - python == set(typescript_only)

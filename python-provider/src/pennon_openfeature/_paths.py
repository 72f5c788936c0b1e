"""Which options are paths of files. The provider for Node.js has the same rules."""

from __future__ import annotations

import os
import re

# URLs, patterns, JSON, folders, and what only a shell replaces. A file system would take them
# literally.
_OTHER_TEXT = re.compile(
    r"^[a-z][a-z\d+.-]+:/|[*\x00-\x1f\x7f-\x9f]|^\s|\s\Z|^[{\[~]|^\$[a-z0-9_]|\$[{(]|^%[a-z0-9_]+%"
    r"|(?:^|[/\\])\.{0,2}\Z",
    re.IGNORECASE,
)

PATH = (
    'the path of a file: not a folder, a URL, a pattern or JSON, and without "~" and variables, '
    "which are not replaced"
)


def is_path(value: object) -> bool:
    """Whether a value can be the path of a file. Does not read the disk."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    return isinstance(path, str) and _OTHER_TEXT.search(path) is None


def path_problem(name: str, value: object) -> str | None:
    """What is wrong with an option that is the path of a file."""
    if not is_path(value):
        return f"{name} must be {PATH}"
    if name == "cache_file" and re.search(r"\.ya?ml\Z", str(value), re.IGNORECASE):
        # It would be read as YAML.
        return "cache_file has JSON, so it must not end in .yaml or .yml"
    return None


def same_file_problem(cache_file: object, offline_file: object, bootstrap: object) -> str | None:
    """What is wrong with options that name the same file."""
    if _is_same(cache_file, bootstrap):
        return "cache_file must be another file than bootstrap, because the provider replaces it"
    if _is_same(offline_file, bootstrap):
        return (
            "bootstrap must be another file than offline_file: it is used if that one cannot be "
            "read"
        )
    return None


def _is_same(path: object, other: object) -> bool:
    if not (isinstance(path, str | os.PathLike) and isinstance(other, str | os.PathLike)):
        return False
    return os.path.abspath(path) == os.path.abspath(other)

"""Flag sets on disk: the last-known-good copy, the bootstrap, and the file of offline mode."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from ._flag_set import FlagSet, flag_set_of
from ._json import parse_json
from ._short_form import filled_in
from ._trouble import Trouble

FilePath: TypeAlias = "str | os.PathLike[str]"


def read_copy(path: FilePath) -> FlagSet | None:
    """The last-known-good copy; None where there is none yet."""
    try:
        return flag_set_of(_document(Path(path)))
    except FileNotFoundError:
        return None


def write_copy(path: FilePath, flag_set: FlagSet) -> None:
    """Atomically: whoever reads meanwhile, or after a crash, gets the old copy or the new one."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # For its owner's eyes, as temporary files are: rules may name people.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(flag_set.document(), separators=(",", ":")))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


class Keeper:
    """Writes copies beside the follower, which must not wait for a disk: of several, the newest."""

    def __init__(self, path: FilePath, on_trouble: Callable[[OSError], None]) -> None:
        self._path = path
        self._on_trouble = on_trouble
        self._next: FlagSet | None = None
        self._writer: threading.Thread | None = None
        self._lock = threading.Lock()

    def keep(self, flag_set: FlagSet) -> None:
        with self._lock:
            self._next = flag_set
            if self._writer is None:
                writer = threading.Thread(target=self._write_all, name="pennon-copy", daemon=True)
                # While the interpreter ends there are no new threads, and no new copies.
                with suppress(RuntimeError):
                    writer.start()
                    self._writer = writer

    def wait(self, seconds: float) -> None:
        """Until all is written, or the time is over."""
        writer = self._writer
        if writer is not None:
            writer.join(max(0.0, seconds))

    def close(self) -> None:
        """Daemons write, for no disk may keep the process alive; but short scripts leave a copy."""
        self.wait(1)

    def after_fork(self) -> None:
        """Whoever writes is in the parent."""
        self._lock = threading.Lock()
        self._writer = None

    def _write_all(self) -> None:
        while (flag_set := self._taken()) is not None:
            try:
                write_copy(self._path, flag_set)
            except OSError as error:
                self._on_trouble(error)

    def _taken(self) -> FlagSet | None:
        with self._lock:
            flag_set, self._next = self._next, None
            if flag_set is None:
                self._writer = None
            return flag_set


def read_written(written: FilePath | Mapping[str, Any]) -> FlagSet:
    """A flag set as people write it: the server's JSON or the short form; a file may be YAML."""
    document = written if isinstance(written, Mapping) else _document(Path(written))
    flags = document.get("flags")
    if not isinstance(flags, dict):
        raise Trouble('a flag set must have an object of "flags"')
    # What says its format version was written by a machine, in the full form.
    is_full = "formatVersion" in document
    revision = document.get("revision")
    return FlagSet(
        id=str(document.get("id", "")),
        revision=revision if isinstance(revision, int) else None,
        environment=str(document.get("environment", "")),
        flags=flags if is_full else filled_in(flags),
        segments=_segments(document.get("segments")),
        format_version=document.get("formatVersion", 1),
    )


def _segments(segments: object) -> Mapping[str, Any]:
    if segments is None:
        return {}
    if not isinstance(segments, dict):
        raise Trouble('"segments" must be an object')
    return segments


def _document(path: Path) -> dict[str, Any]:
    # Some editors begin a file with a mark of the order of its bytes.
    text = path.read_text("utf-8-sig")
    try:
        document = _yaml(text) if path.suffix.lower() in (".yaml", ".yml") else parse_json(text)
    except (ValueError, RecursionError) as error:
        raise Trouble(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise Trouble(f"{path} must hold an object")
    return document


def _yaml(text: str) -> Any:
    try:
        from ._yaml import parse_yaml  # noqa: PLC0415 - only who has a YAML file needs it
    except ImportError as error:
        raise Trouble("to read YAML, install pennon-openfeature[yaml]") from error
    return parse_yaml(text)

"""The cache file: the last flag set that was usable, for a start while the server is down."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ._flag_file import FilePath
from ._flag_set import FlagSet

# How long a short script waits at its end for the file to be written.
CLOSE_TIMEOUT_S = 1


def write_cache_file(path: FilePath, flag_set: FlagSet) -> None:
    """Replaces the file atomically, so readers and crashes see the old file or the new one."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp makes the file readable for its owner only; rules may contain personal data.
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


class CacheFile:
    """Writes flag sets on a thread of its own, because the follower must not wait for the disk.

    While one is being written, only the latest pending flag set is kept.
    """

    def __init__(self, path: FilePath, on_error: Callable[[OSError], None]) -> None:
        self._path = path
        self._on_error = on_error
        self._pending: FlagSet | None = None
        self._writer: threading.Thread | None = None
        self._lock = threading.Lock()

    def save(self, flag_set: FlagSet) -> None:
        with self._lock:
            self._pending = flag_set
            if self._writer is None:
                # A daemon, so a slow disk does not keep the process alive.
                writer = threading.Thread(target=self._write_all, name="pennon-cache", daemon=True)
                # The exiting interpreter starts no threads.
                with suppress(RuntimeError):
                    writer.start()
                    self._writer = writer

    def wait(self, seconds: float) -> None:
        """Returns when everything is written, or after `seconds`."""
        writer = self._writer
        if writer is not None:
            writer.join(max(0.0, seconds))

    def close(self) -> None:
        self.wait(CLOSE_TIMEOUT_S)

    def after_fork(self) -> None:
        """The writer thread and the state of its lock belong to the parent process."""
        self._lock = threading.Lock()
        self._writer = None

    def _write_all(self) -> None:
        while (flag_set := self._take_pending()) is not None:
            try:
                write_cache_file(self._path, flag_set)
            except OSError as error:
                self._on_error(error)

    def _take_pending(self) -> FlagSet | None:
        with self._lock:
            flag_set, self._pending = self._pending, None
            if flag_set is None:
                self._writer = None
            return flag_set

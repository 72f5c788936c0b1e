"""Where answers come from. Each source is started once, stopped once, and asked by any thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from openfeature.exception import (
    GeneralError,
    OpenFeatureError,
    ParseError,
    ProviderFatalError,
)

from ._copies import FilePath, read_copy, read_written, write_copy
from ._engine import Evaluation
from ._events import Teller
from ._flag_set import FlagSet
from ._follow import Follower, Following, Listener
from ._live import Live
from ._options import Options
from ._status import LastError, Source, Status
from ._trouble import Trouble, as_trouble

logger = logging.getLogger("pennon_openfeature")


class NotReadyError(Exception):
    """There are no flags yet."""


Answer: TypeAlias = tuple[Evaluation, Mapping[str, Any]]


def _answered(live: Live | None, flag_key: str, context: dict[str, Any]) -> Answer:
    if live is None:
        raise NotReadyError("no flags have come yet")
    return live.evaluate(flag_key, context), live.metadata_of(flag_key)


class AnswerSource(Protocol):
    def start(self, timeout_ms: float) -> None:
        """Returns where there is something to answer from; raises OpenFeature's error else."""

    def stop(self) -> None: ...

    def after_fork(self) -> None: ...

    def answer(self, flag_key: str, context: dict[str, Any]) -> Answer:
        """An evaluation and the flag's metadata, both of one revision."""

    def status(self) -> Status: ...

    def live(self) -> Live | None: ...


class InProcess:
    """Follows the flag set and decides here: an evaluation reads one immutable object."""

    def __init__(self, following: Following, options: Options, teller: Teller) -> None:
        self._following = following
        self._options = options
        self._teller = teller
        self._live: Live | None = None
        self._settled = threading.Event()
        self._refusal: Trouble | None = None
        self._confirmed = False
        self._follower: Follower | None = None

    def start(self, timeout_ms: float) -> None:
        self._live = self._copy()
        self._follow()
        self._settled.wait(timeout_ms / 1_000)
        if self._confirmed:
            return
        if self._live is None:
            raise self._why_not(timeout_ms)
        self._teller.stale("the server has not answered; the flags are those of the last copy")

    def _why_not(self, timeout_ms: float) -> OpenFeatureError:
        if self._refusal is not None:
            return ProviderFatalError(f"the key is refused: {self._refusal.message}")
        error = self.status().last_error
        last = f"; {error.message}" if error else ""
        return GeneralError(f"no flags came within {timeout_ms:g} ms{last}")

    def _follow(self) -> None:
        listener = Listener(self._on_data, self._on_status)
        initial = self._live.flag_set if self._live else None
        self._follower = Follower(self._following, listener, initial)
        self._follower.start()

    def stop(self) -> None:
        if self._follower is not None:
            self._follower.stop()

    def after_fork(self) -> None:
        """The parent's thread is not here, and its connection is not ours: follow anew."""
        self._settled = threading.Event()
        if self._follower is not None:
            self._follow()

    def answer(self, flag_key: str, context: dict[str, Any]) -> Answer:
        return _answered(self._live, flag_key, context)

    def status(self) -> Status:
        return self._follower.status() if self._follower else Status("stopped")

    def live(self) -> Live | None:
        return self._live

    def _copy(self) -> Live | None:
        """The last-known-good copy, else the bootstrap."""
        cache_file, bootstrap = self._options.cache_file, self._options.bootstrap
        try:
            cached = (
                read_copy(cache_file, self._options.cache_max_age_ms)
                if cache_file is not None
                else None
            )
            if cached is not None and self._is_ours(cached):
                return Live(cached)
        except Exception as error:  # noqa: BLE001 - a copy that cannot be read is none
            logger.warning("the last-known-good copy cannot be used: %s", error)
        return Live(read_written(bootstrap)) if bootstrap is not None else None

    def _is_ours(self, cached: FlagSet) -> bool:
        environment = self._following.address.environment
        return environment is None or cached.environment == environment

    def _on_data(self, flag_set: FlagSet) -> FlagSet:
        before = self._live
        live = Live(flag_set, before)
        self._live = live
        self._keep(live.flag_set)
        if before is not None:
            self._teller.changed(live.changed)
        return live.flag_set

    def _keep(self, flag_set: FlagSet) -> None:
        if self._options.cache_file is None:
            return
        try:
            write_copy(self._options.cache_file, flag_set)
        except OSError as error:
            logger.warning("the last-known-good copy cannot be written: %s", error)

    def _on_status(self, status: Status, trouble: Trouble | None) -> None:
        if status.mode in ("streaming", "polling"):
            self._confirmed = True
            self._teller.healthy()
            self._settled.set()
        elif trouble is not None and status.mode == "disconnected":
            self._refusal = trouble if trouble.is_refusal else None
            self._teller.stale(trouble.message)
            if self._live is not None or trouble.is_refusal:
                self._settled.set()


class OfflineFile:
    """A file and no network at all; edits of the file are followed."""

    def __init__(self, path: FilePath, look_ms: float, teller: Teller) -> None:
        self._path = path
        self._look_ms = look_ms
        self._teller = teller
        self._live: Live | None = None
        self._seen: object = None
        self._read_at: float | None = None
        self._last_error: LastError | None = None
        self._stopped = threading.Event()

    def start(self, _timeout_ms: float) -> None:
        try:
            self._read()
        except (OSError, Trouble) as error:
            raise ParseError(f"the offline file cannot be used: {error}") from error
        self._watch()

    def stop(self) -> None:
        self._stopped.set()

    def after_fork(self) -> None:
        self._stopped = threading.Event()
        self._watch()

    def answer(self, flag_key: str, context: dict[str, Any]) -> Answer:
        return _answered(self._live, flag_key, context)

    def status(self) -> Status:
        age = None if self._read_at is None else (time.monotonic() - self._read_at) * 1_000
        revision = self._live.flag_set.revision if self._live else None
        source: Source = "none" if self._live is None else "file"
        return Status("offline", revision, age, source, self._last_error)

    def live(self) -> Live | None:
        return self._live

    def _watch(self) -> None:
        arguments = (self._stopped,)
        threading.Thread(
            target=self._run, args=arguments, name="pennon-offline", daemon=True
        ).start()

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.wait(self._look_ms / 1_000):
            self._look()

    def _look(self) -> None:
        try:
            if self._signature() != self._seen:
                self._read()
                self._teller.healthy()
        except Exception as error:  # noqa: BLE001 - whatever it holds, the last good one stays
            message = f"the offline file cannot be used, the last good one stays: {error}"
            status = as_trouble(error).status
            self._last_error = LastError(message, status, time.time() * 1_000)
            self._teller.stale(message)

    def _read(self) -> None:
        # The signature first: an edit while reading is seen the next time.
        self._seen = self._signature()
        before = self._live
        self._live = Live(read_written(self._path), before)
        self._read_at = time.monotonic()
        if before is not None:
            self._teller.changed(self._live.changed)

    def _signature(self) -> object:
        found = Path(self._path).stat()
        return found.st_mtime_ns, found.st_size, found.st_ino

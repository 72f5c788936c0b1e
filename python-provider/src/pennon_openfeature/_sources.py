"""Where answers come from. Each source is started once, stopped once, and asked by any thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from openfeature.exception import GeneralError, OpenFeatureError, ProviderFatalError

from ._answer import Answer, no_flags
from ._copies import FilePath, read_copy, read_written, write_copy
from ._events import Teller
from ._flag_set import FlagSet
from ._follow import Follower, Following, Listener
from ._live import Live
from ._options import Options
from ._status import LastError, Source, Status
from ._trouble import Trouble

logger = logging.getLogger("pennon_openfeature")

# With the facts that telemetry knows a flag by, both of one revision.
AnswerWithFacts: TypeAlias = tuple[Answer, Mapping[str, Any]]


class AnswerSource(Protocol):
    def start(self, timeout_ms: float) -> None:
        """Returns where there is something to answer from; raises OpenFeature's error else."""

    def stop(self) -> None: ...

    def after_fork(self) -> None: ...

    def answer(self, flag_key: str, context: dict[str, Any]) -> AnswerWithFacts: ...

    def status(self) -> Status: ...

    def live(self) -> Live | None: ...


def answered(live: Live | None, flag_key: str, context: dict[str, Any]) -> AnswerWithFacts:
    if live is None:
        return no_flags(flag_key), {}
    return live.evaluate(flag_key, context), live.metadata_of(flag_key)


def last_error(error: Exception | str) -> LastError:
    status = error.status if isinstance(error, Trouble) else None
    return LastError(str(error), status, time.time() * 1_000)


class InProcess:
    """Follows the flag set and decides here: an evaluation reads one immutable object."""

    def __init__(self, following: Following, options: Options, teller: Teller) -> None:
        self._following = following
        self._options = options
        self._teller = teller
        self._live: Live | None = None
        self._copied_from: Source = "none"
        self._settled = threading.Event()
        self._refusal: Trouble | None = None
        self._confirmed = False
        self._follower: Follower | None = None
        # Told which flags changed, before anybody else is.
        self.on_change: Callable[[list[str]], None] = lambda _changed: None
        # A key that is refused the flag set may still be one that may ask for answers.
        self.minds_refusal: Callable[[], bool] = lambda: True

    def start(self, timeout_ms: float) -> None:
        self._live = self._copy()
        self._follow()
        self._settled.wait(timeout_ms / 1_000)
        if self._confirmed:
            return
        if self._live is None or self._refusal is not None:
            raise self._why_not(timeout_ms)
        self._teller.stale("the server has not answered; the flags are those of the last copy")

    def _why_not(self, timeout_ms: float) -> OpenFeatureError:
        if self._refusal is not None:
            return ProviderFatalError(f"the server refuses the key: {self._refusal.message}")
        error = self.status().last_error
        last = f"; {error.message}" if error else ""
        return GeneralError(f"no flags could be had within {timeout_ms:g} ms{last}")

    def _follow(self) -> None:
        listener = Listener(self._on_data, self._on_status)
        initial = self._live.flag_set if self._live and self._live.flag_set.id else None
        self._follower = Follower(self._following, listener, initial)
        self._follower.start()

    def stop(self) -> None:
        if self._follower is not None:
            self._follower.stop()

    def after_fork(self) -> None:
        """The parent's thread is not here, and its connection is not ours: follow anew."""
        self._settled = threading.Event()
        if self._follower is not None:
            self._follower.abandon()
            self._follow()

    def answer(self, flag_key: str, context: dict[str, Any]) -> AnswerWithFacts:
        return answered(self._live, flag_key, context)

    def status(self) -> Status:
        status = self._follower.status() if self._follower else Status("connecting")
        revision = self._live.flag_set.revision if self._live else None
        source = self._copied_from if status.source == "none" else status.source
        return replace(status, revision=revision, source=source)

    def live(self) -> Live | None:
        return self._live

    def _copy(self) -> Live | None:
        """The last-known-good copy, else the bootstrap; one that cannot be used is none."""
        copies: list[tuple[Source, Callable[[], FlagSet | None]]] = [
            ("cache_file", self._cached),
            ("bootstrap", self._bootstrap),
        ]
        for source, read in copies:
            try:
                if (flag_set := read()) is not None:
                    live = Live(flag_set)
                    self._copied_from = source
                    return live
            except Exception as error:  # noqa: BLE001 - whatever it holds, the server may answer
                logger.warning("the flags of %s cannot be used: %s", source, error)
        return None

    def _cached(self) -> FlagSet | None:
        path, environment = self._options.cache_file, self._following.address.environment
        cached = read_copy(path) if path is not None else None
        is_ours = cached is not None and environment in (None, cached.environment)
        return cached if is_ours else None

    def _bootstrap(self) -> FlagSet | None:
        written = self._options.bootstrap
        return read_written(written) if written is not None else None

    def _on_data(self, flag_set: FlagSet) -> FlagSet:
        before = self._live
        live = Live(flag_set, before)
        self._live = live
        self._keep(live.flag_set)
        self.on_change(live.changed)
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
            self._on_disconnected(trouble)

    def _on_disconnected(self, trouble: Trouble) -> None:
        self._refusal = trouble if trouble.is_refusal else None
        if not trouble.is_refusal or self.minds_refusal():
            self._teller.stale(trouble.message)
        # With a copy nobody needs to wait until the time is over.
        if self._live is not None or trouble.is_refusal:
            self._settled.set()


class OfflineFile:
    """A file and no network at all; edits of the file are followed."""

    def __init__(self, path: FilePath, options: Options, teller: Teller) -> None:
        self._path = path
        self._options = options
        self._teller = teller
        self._live: Live | None = None
        self._source: Source = "none"
        self._seen: object = None
        self._read_at: float | None = None
        self._last_error: LastError | None = None
        self._stopped = threading.Event()

    def start(self, _timeout_ms: float) -> None:
        if self._options.bootstrap is not None:
            self._live = Live(read_written(self._options.bootstrap))
            self._source = "bootstrap"
        self._look()
        self._watch()
        if self._live is None:
            why = self._last_error.message if self._last_error else ""
            raise GeneralError(f"no flags could be had: {why}")

    def stop(self) -> None:
        self._stopped.set()

    def after_fork(self) -> None:
        self._stopped = threading.Event()
        # The parent may have seen an edit, and not have read it yet.
        self._seen = None
        self._watch()

    def answer(self, flag_key: str, context: dict[str, Any]) -> AnswerWithFacts:
        return answered(self._live, flag_key, context)

    def status(self) -> Status:
        age = None if self._read_at is None else (time.monotonic() - self._read_at) * 1_000
        revision = self._live.flag_set.revision if self._live else None
        return Status("file", revision, age, self._source, self._last_error)

    def live(self) -> Live | None:
        return self._live

    def _watch(self) -> None:
        target, arguments = self._run, (self._stopped,)
        thread = threading.Thread(target=target, args=arguments, name="pennon-file", daemon=True)
        thread.start()

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.wait(self._options.pace.look_ms / 1_000):
            self._look()

    def _look(self) -> None:
        """Reads the file where it changed; one that cannot be used changes nothing."""
        try:
            signature = self._signature()
            if signature == self._seen:
                return
            # Before reading: an edit meanwhile is seen the next time.
            self._seen = signature
            self._learn(Live(read_written(self._path), self._live))
        except Exception as error:  # noqa: BLE001 - whatever it holds, the last good flags stay
            message = f"the offline file cannot be used, the last good flags stay: {error}"
            self._last_error = last_error(message)
            self._teller.stale(message)

    def _learn(self, live: Live) -> None:
        before, self._live = self._live, live
        self._read_at = time.monotonic()
        self._source = "offline_file"
        if live.compiled.problems:
            first = live.compiled.problems[0]
            self._last_error = last_error(f'flag "{first.flag_key}": {first.path} {first.message}')
        if before is not None:
            self._teller.changed(live.changed)
        self._teller.healthy()

    def _signature(self) -> object:
        found = Path(self._path).stat()
        return found.st_mtime_ns, found.st_size, found.st_ino

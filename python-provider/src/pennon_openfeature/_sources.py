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
from ._copies import FilePath, Keeper, read_copy, read_written
from ._events import Teller
from ._flag_set import FlagSet
from ._follow import Follower, Following, Listener
from ._freshness import Freshness, LastError, Source
from ._live import Live
from ._options import Options
from ._trouble import Trouble

logger = logging.getLogger("pennon_openfeature")

# With the facts that telemetry knows a flag by, both of one revision.
AnswerWithFacts: TypeAlias = tuple[Answer, Mapping[str, Any]]


class AnswerSource(Protocol):
    def start(self, timeout_ms: float) -> None:
        """Returns where there is something to answer from; raises OpenFeature's error else."""

    def stop(self, patience_s: float) -> None: ...

    def after_fork(self) -> None: ...

    def answer(self, flag_key: str, context: dict[str, Any]) -> AnswerWithFacts: ...

    def freshness(self) -> Freshness: ...

    def live(self) -> Live | None: ...


def answered(live: Live | None, flag_key: str, context: dict[str, Any]) -> AnswerWithFacts:
    if live is None:
        return no_flags(flag_key), {}
    return live.evaluate(flag_key, context), live.metadata_of(flag_key)


def last_error(error: Exception | str) -> LastError:
    status = error.status if isinstance(error, Trouble) else None
    return LastError(str(error), status, time.time() * 1_000)


def _later(one: LastError | None, other: LastError | None) -> LastError | None:
    return max((each for each in (one, other) if each), key=lambda each: each.at, default=None)


def _usable_copy(
    source: Source, read: Callable[[], FlagSet | None]
) -> tuple[Live | None, LastError | None]:
    """The flags of a copy, where there is one; or why it cannot be used, which stops nobody."""
    try:
        flag_set = read()
        return (None if flag_set is None else Live(flag_set)), None
    except Exception as error:  # noqa: BLE001 - whatever it holds, others may serve
        message = f"the flags of {source} cannot be used: {error}"
        logger.warning(message)
        return None, last_error(message)


def _written_at(path: FilePath) -> float | None:
    """When a file was written, on the monotonic clock; None where it is gone."""
    try:
        age = max(0.0, time.time() - Path(path).stat().st_mtime)
    except OSError:
        return None
    return time.monotonic() - age


class InProcess:
    """Follows the flag set and decides here: an evaluation reads one immutable object."""

    def __init__(self, following: Following, options: Options, teller: Teller) -> None:
        self._following = following
        self._options = options
        self._teller = teller
        self._live: Live | None = None
        self._copied_from: Source = "none"
        # When the flags were last known to be current, on the monotonic clock.
        self._current_at: float | None = None
        # What went wrong last on this side of the network.
        self._trouble_here: LastError | None = None
        self._settled = threading.Event()
        self._refusal: Trouble | None = None
        self._confirmed = False
        self._follower: Follower | None = None
        self._keeper: Keeper | None = None
        # Told which flags changed, before anybody else is.
        self.on_change: Callable[[list[str]], None] = lambda _changed: None
        # A key that is refused the flag set may still be one that may ask for answers.
        self.minds_refusal: Callable[[], bool] = lambda: True

    def start(self, timeout_ms: float) -> None:
        until = time.monotonic() + timeout_ms / 1_000
        self._live = self._copy()
        if self._options.cache_file is not None:
            self._keeper = Keeper(self._options.cache_file, self._not_kept)
        self._follow()
        self._settled.wait(timeout_ms / 1_000)
        if self._confirmed:
            if self._keeper is not None:
                self._keeper.wait(until - time.monotonic())
            return
        if self._live is None or self._refusal is not None:
            raise self._why_not(timeout_ms)
        self._teller.stale("the server has not answered; the flags are those of the last copy")

    def _why_not(self, timeout_ms: float) -> OpenFeatureError:
        if self._refusal is not None:
            return ProviderFatalError(f"the server refuses the key: {self._refusal.message}")
        error = self.freshness().last_error
        last = f"; {error.message}" if error else ""
        return GeneralError(f"no flags could be had within {timeout_ms:g} ms{last}")

    def _follow(self) -> None:
        listener = Listener(self._on_data, self._on_freshness)
        initial = self._live.flag_set if self._live and self._live.flag_set.id else None
        self._follower = Follower(self._following, listener, initial, self._current_at)
        self._follower.start()

    def stop(self, patience_s: float) -> None:
        if self._follower is not None:
            self._follower.stop(patience_s)
        if self._keeper is not None:
            self._keeper.close()

    def after_fork(self) -> None:
        """The parent's thread is not here, and its connection is not ours: follow anew."""
        self._settled = threading.Event()
        if self._keeper is not None:
            self._keeper.after_fork()
        if self._follower is not None:
            before = self._follower
            before.abandon()
            self._copied_from, self._current_at = self.freshness().source, before.current_at
            self._follow()

    def answer(self, flag_key: str, context: dict[str, Any]) -> AnswerWithFacts:
        return answered(self._live, flag_key, context)

    def freshness(self) -> Freshness:
        now = self._follower.freshness() if self._follower else Freshness("connecting")
        return replace(
            now,
            revision=self._live.flag_set.revision if self._live else None,
            source=self._copied_from if now.source == "none" else now.source,
            last_error=_later(self._trouble_here, now.last_error),
        )

    def live(self) -> Live | None:
        return self._live

    def _copy(self) -> Live | None:
        """The last-known-good copy, else the bootstrap; one that cannot be used is none."""
        cached = self._usable("cache_file", self._cached)
        if cached is not None and self._options.cache_file is not None:
            self._current_at = _written_at(self._options.cache_file)
        return cached or self._usable("bootstrap", self._bootstrap)

    def _usable(self, source: Source, read: Callable[[], FlagSet | None]) -> Live | None:
        live, trouble = _usable_copy(source, read)
        if trouble is not None:
            self._trouble_here = trouble
        if live is not None:
            self._copied_from = source
        return live

    def _cached(self) -> FlagSet | None:
        path, wanted = self._options.cache_file, self._following.address.environment
        cached = read_copy(path) if path is not None else None
        if cached is None or wanted in (None, cached.environment):
            return cached
        raise Trouble(
            f'a copy of the environment "{cached.environment}" is of no use in "{wanted}"'
        )

    def _bootstrap(self) -> FlagSet | None:
        written = self._options.bootstrap
        return read_written(written) if written is not None else None

    def _on_data(self, flag_set: FlagSet) -> FlagSet:
        before = self._live
        live = Live(flag_set, before)
        self._live = live
        if self._keeper is not None:
            self._keeper.keep(live.flag_set)
        self.on_change(live.changed)
        self._teller.changed(live.changed)
        return live.flag_set

    def _not_kept(self, error: OSError) -> None:
        message = f"the last-known-good copy cannot be written: {error}"
        logger.warning(message)
        self._trouble_here = last_error(message)

    def _on_freshness(self, now: Freshness, trouble: Trouble | None) -> None:
        if now.mode in ("streaming", "polling"):
            self._confirmed = True
            self._teller.healthy()
            self._settled.set()
        elif trouble is not None and now.mode == "disconnected":
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
            self._begin_with(self._options.bootstrap)
        self._look()
        self._watch()
        if self._live is None:
            why = self._last_error.message if self._last_error else ""
            raise GeneralError(f"no flags could be had: {why}")

    def _begin_with(self, bootstrap: FilePath | Mapping[str, Any]) -> None:
        self._live, self._last_error = _usable_copy("bootstrap", lambda: read_written(bootstrap))
        if self._live is not None:
            self._source = "bootstrap"

    def stop(self, patience_s: float) -> None:  # noqa: ARG002 - its thread only sleeps
        self._stopped.set()

    def after_fork(self) -> None:
        self._stopped = threading.Event()
        # The parent may have seen an edit, and not have read it yet.
        self._seen = None
        self._watch()

    def answer(self, flag_key: str, context: dict[str, Any]) -> AnswerWithFacts:
        return answered(self._live, flag_key, context)

    def freshness(self) -> Freshness:
        age = None if self._read_at is None else (time.monotonic() - self._read_at) * 1_000
        revision = self._live.flag_set.revision if self._live else None
        return Freshness("file", revision, age, self._source, self._last_error)

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
            if isinstance(error, OSError):
                # The very same file may be there, or be readable, the next time.
                self._seen = None
            message = f"the offline file cannot be used, the last good flags stay: {error}"
            self._last_error = last_error(message)
            self._teller.stale(message)

    def _learn(self, live: Live) -> None:
        self._live = live
        self._read_at = time.monotonic()
        self._source = "offline_file"
        if live.compiled.problems:
            first = live.compiled.problems[0]
            self._last_error = last_error(f'flag "{first.flag_key}": {first.path} {first.message}')
        self._teller.changed(live.changed)
        self._teller.healthy()

    def _signature(self) -> object:
        found = Path(self._path).stat()
        return found.st_mtime_ns, found.st_size, found.st_ino

"""The current flags of a provider, kept as current as their source allows."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from ._flag_file import CachedFlags, write_cache_file
from ._flag_set import FlagSet, FlagSetUpdate
from ._flag_snapshot import FlagSnapshot
from ._follower import FollowOptions
from ._follower_state import LastError, last_error_of
from ._latest_value_queue import LatestValueQueue
from ._options import Options
from ._process import Pause
from ._resolution import ResultWithTelemetry, no_flags
from ._sources import (
    DataOrigin,
    FileSource,
    FlagSource,
    Freshness,
    InitialFlags,
    InitialSource,
    LocalSource,
    ServerSource,
    SourceListener,
    SourceState,
    initial_sources,
    instant_of,
)

logger = logging.getLogger("pennon_openfeature")

# How long a short script waits at its end for the cache file to be written.
CACHE_FILE_TIMEOUT_S = 1


class CacheFileUse(NamedTuple):
    """The cache file of a provider, and what determines the flags in it."""

    path: str
    url: str
    key: str
    environment: str | None


# Of the running providers of this process.
_uses: list[CacheFileUse] = []


def _begin(use: CacheFileUse) -> bool:
    """Returns False if a provider with other flags uses the file: each would undo the other's."""
    _uses.append(use)
    if all(other == use for other in list(_uses) if other.path == use.path):
        return True
    _uses.remove(use)
    return False


@dataclass(frozen=True, slots=True)
class FlagListener:
    # Receives each new snapshot, after it is in use.
    on_change: Callable[[FlagSnapshot], None]
    # Called after `on_change`, and when the state of the source may have changed, on any thread.
    on_state: Callable[[], None]


class FlagManager:
    """Starts with the cache file or the bootstrap, then follows the server or the offline file."""

    def __init__(self, options: Options, listener: FlagListener) -> None:
        self._options = options
        self._listener = listener
        self._snapshot: FlagSnapshot | None = None
        # Where the flags came from before the source delivered any.
        self._initial_source: DataOrigin = "none"
        # The last error outside of the source, such as of the cache file.
        self._last_error: LastError | None = None
        self._settled = threading.Event()
        # When the initial flags were current, on the monotonic clock, if that is known.
        self._initial_current_at: float | None = None
        # Guards the first snapshot, which a slow disk may deliver after the server.
        self._lock = threading.Lock()
        self._cache_writer: LatestValueQueue[CachedFlags] | None = None
        self._cache_file_use: CacheFileUse | None = None
        self._has_source_started = False
        self._source = self._create_source()

    def _create_source(self) -> FlagSource:
        options = self._options
        listener = SourceListener(self._apply, self._on_source_state)
        if options.flags is not None:
            return LocalSource(options.flags, listener)
        if options.offline_file is not None:
            return FileSource(options.offline_file, options.timing.file_check_ms, listener)
        assert options.address is not None
        follow = FollowOptions(
            options.address, options.stream, options.poll_interval_ms, options.timing
        )
        return ServerSource(follow, listener)

    @property
    def snapshot(self) -> FlagSnapshot | None:
        return self._snapshot

    @property
    def source_state(self) -> SourceState:
        return self._source.state

    def start(self) -> None:
        self._start_loading()
        self._start_cache_writer()
        self._has_source_started = True
        self._source.start(self._initial_flag_set(), self._initial_current_at)

    def _start_cache_writer(self) -> None:
        path, address = self._options.cache_file, self._options.address
        if path is None or address is None:
            return
        use = CacheFileUse(os.path.abspath(path), address.url, address.key, address.environment)
        if not _begin(use):
            self._report(
                f"{path} is the cache file of another provider in this process, with another url,"
                " key or environment, so it is not written: give each provider a file of its own"
            )
            return
        self._cache_file_use = use
        self._cache_writer = LatestValueQueue(self._write_cache_file, "pennon-cache")

    def wait_until_settled(self, deadline: float) -> None:
        """Returns when waiting longer cannot help to start, or at the deadline.

        If there are flags, that is after the grace period, even if the server has not responded.
        """
        self._settled.wait(self._grace_before(deadline))
        if self._snapshot is None:
            self._settled.wait(max(0.0, deadline - time.monotonic()))

    def wait_for_cache_file(self, deadline: float) -> None:
        """Waits for the grace period, so the file exists when a short script ends."""
        if self._cache_writer is not None:
            self._cache_writer.wait_until_idle(self._grace_before(deadline))

    def _grace_before(self, deadline: float) -> float:
        """The grace period in seconds, but not beyond the deadline."""
        grace_s = self._options.timing.grace_ms / 1_000
        return max(0.0, min(grace_s, deadline - time.monotonic()))

    def set_flags(self, flag_set: FlagSet) -> None:
        assert isinstance(self._source, LocalSource)
        self._source.set_flags(flag_set)

    def stop(self, timeout_s: float) -> None:
        self._source.stop(timeout_s)
        if self._cache_writer is not None:
            self._cache_writer.wait_until_idle(CACHE_FILE_TIMEOUT_S)
        if self._cache_file_use is not None:
            _uses.remove(self._cache_file_use)
            self._cache_file_use = None

    def refresh(self, deadline: float) -> bool:
        return self._source.refresh(deadline)

    def after_pause(self, pause: Pause) -> None:
        self._source.after_pause(pause)

    def after_fork(self, pause: Pause) -> None:
        self._lock = threading.Lock()
        self._settled = threading.Event()
        self._initial_source = self.freshness().source
        if self._cache_writer is not None:
            self._cache_writer.after_fork()
        self._source.after_fork(self._initial_flag_set(), pause)

    def evaluate(self, flag_key: str, context: object) -> ResultWithTelemetry:
        # Read once, so that result and telemetry are of one revision.
        snapshot = self._snapshot
        if snapshot is None:
            return no_flags(flag_key)
        return snapshot.evaluate_with_telemetry(flag_key, context)

    def freshness(self) -> Freshness:
        current = self._source.freshness()
        return replace(
            current,
            revision=self._snapshot.flag_set.revision if self._snapshot else None,
            source=self._initial_source if current.source == "none" else current.source,
            last_error=_latest(self._last_error, current.last_error),
        )

    def _initial_flag_set(self) -> FlagSet | None:
        """What the follower need not load again. Without an id, the server cannot confirm it."""
        return self._snapshot.flag_set if self._snapshot and self._snapshot.flag_set.id else None

    def _start_loading(self) -> None:
        """Loads the initial flags on another thread, and waits for the grace period.

        The disk may hang. Flags that it delivers later are used if there are no others by then.
        """
        sources = initial_sources(self._options)
        if not sources:
            return
        loader = threading.Thread(
            target=self._load_first, args=(sources,), name="pennon-load", daemon=True
        )
        loader.start()
        loader.join(self._options.timing.grace_ms / 1_000)

    def _load_first(self, sources: list[InitialSource]) -> None:
        """Loads the first source that can be used."""
        for source in sources:
            try:
                flags = source.read()
                if flags is None:
                    continue
                self._start_with(flags, source.name)
            except Exception as error:  # noqa: BLE001 - logged, and another source may work
                self._report(f"the flags of {source.name} cannot be used: {error}")
                continue
            return

    def _start_with(self, flags: InitialFlags, name: DataOrigin) -> None:
        snapshot = FlagSnapshot(flags.flag_set)
        with self._lock:
            if self._snapshot is not None:
                return
            self._initial_current_at = flags.current_at
            self._initial_source = name
            self._snapshot = snapshot
        # Late flags end the wait for the server, which has already had its grace period.
        if self._has_source_started:
            self._settled.set()

    def _apply(self, update: FlagSetUpdate) -> FlagSet:
        with self._lock:
            snapshot = FlagSnapshot(update.flag_set, self._snapshot, update.changed)
            self._snapshot = snapshot
        if self._cache_writer is not None:
            current_at = instant_of(update.source_age_ms or 0)
            self._cache_writer.offer(CachedFlags(snapshot.flag_set, current_at))
        if self._options.offline_file is not None and snapshot.compiled.problems:
            # For the person who edits the file.
            self._last_error = last_error_of("; ".join(map(str, snapshot.compiled.problems)))
        self._listener.on_change(snapshot)
        return snapshot.flag_set

    def _write_cache_file(self, flags: CachedFlags) -> None:
        cache_file, address = self._options.cache_file, self._options.address
        assert cache_file is not None
        assert address is not None
        try:
            write_cache_file(cache_file, flags, address.key)
        except OSError as error:
            self._report(f"the cache file cannot be written: {error}")

    def _report(self, message: str) -> None:
        logger.warning(message)
        self._last_error = last_error_of(message)

    def _on_source_state(self) -> None:
        self._listener.on_state()
        # Without flags, an unreachable server may still respond in time.
        is_pending = self.source_state == "connecting" or (
            self.source_state in ("stale", "unreachable") and self._snapshot is None
        )
        if not is_pending:
            self._settled.set()


def _latest(one: LastError | None, other: LastError | None) -> LastError | None:
    errors = [error for error in (one, other) if error is not None]
    return max(errors, key=lambda error: error.at, default=None)

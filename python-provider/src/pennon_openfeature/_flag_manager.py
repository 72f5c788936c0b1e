"""The current flags of a provider, kept as current as their source allows."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ._cache_file import CacheFile, cache_file_written_at, read_cache_file
from ._engine import ChangedKeys
from ._errors import SyncError
from ._evaluation_result import ResultWithTelemetry, no_flags
from ._flag_file import read_flags
from ._flag_set import FlagSet
from ._flag_snapshot import FlagSnapshot
from ._follower import FollowOptions
from ._freshness import Freshness, LastError, Source, last_error_of
from ._options import Options
from ._provider_state import SourceState
from ._sources import FileSource, FlagSource, ServerSource, SourceListener

logger = logging.getLogger("pennon_openfeature")


@dataclass(frozen=True, slots=True)
class FlagListener:
    # Receives the keys of flags whose result may differ from now on.
    on_change: Callable[[list[str]], None]
    # Called after `on_change`, and when the state of the source may have changed.
    on_state: Callable[[], None]


class FlagManager:
    """Starts with the cache file or the bootstrap, then follows the server or the offline file."""

    def __init__(self, options: Options, listener: FlagListener) -> None:
        self._options = options
        self._listener = listener
        self._snapshot: FlagSnapshot | None = None
        # Where the flags came from before the source delivered any.
        self._initial_source: Source = "none"
        # The last error outside of the source, such as of the cache file.
        self._last_error: LastError | None = None
        self._settled = threading.Event()
        self._cache_file: CacheFile | None = None
        self._source = self._create_source()

    def _create_source(self) -> FlagSource:
        options = self._options
        listener = SourceListener(self._apply_flags, self._on_source_state)
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
    def state(self) -> SourceState:
        return self._source.state

    def start(self) -> None:
        current_at = self._load_initial_flags()
        if self._options.cache_file is not None and self._options.offline_file is None:
            self._cache_file = CacheFile(self._options.cache_file, self._on_cache_file_error)
        self._source.start(self._initial_flag_set(), current_at)

    def wait_until_settled(self, deadline: float) -> None:
        """Returns when waiting longer cannot help to start, or at the deadline."""
        self._settled.wait(max(0.0, deadline - time.monotonic()))

    def wait_for_cache_file(self, deadline: float) -> None:
        if self._cache_file is not None:
            self._cache_file.wait(deadline - time.monotonic())

    def stop(self, timeout_s: float) -> None:
        self._source.stop(timeout_s)
        if self._cache_file is not None:
            self._cache_file.close()

    def after_fork(self) -> None:
        self._settled = threading.Event()
        self._initial_source = self.freshness().source
        if self._cache_file is not None:
            self._cache_file.after_fork()
        self._source.after_fork(self._initial_flag_set())

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
            last_error=_later(self._last_error, current.last_error),
        )

    def _initial_flag_set(self) -> FlagSet | None:
        """What the follower need not load again. Without an id, the server cannot confirm it."""
        return self._snapshot.flag_set if self._snapshot and self._snapshot.flag_set.id else None

    def _load_initial_flags(self) -> float | None:
        """Loads the cache file, otherwise the bootstrap. Returns when the flags were current."""
        if self._options.offline_file is None and self._load("cache_file", self._read_cache_file):
            assert self._options.cache_file is not None
            return cache_file_written_at(self._options.cache_file)
        self._load("bootstrap", self._read_bootstrap)
        return None

    def _load(self, source: Source, read: Callable[[], FlagSet | None]) -> bool:
        """Returns whether the flags are usable; an unusable file does not prevent the start."""
        try:
            flag_set = read()
            if flag_set is None:
                return False
            self._snapshot = FlagSnapshot(flag_set)
        except Exception as error:  # noqa: BLE001 - logged, and another source may work
            self._record_error(f"the flags of {source} cannot be used: {error}")
            return False
        self._initial_source = source
        return True

    def _read_cache_file(self) -> FlagSet | None:
        path, address = self._options.cache_file, self._options.address
        cached = read_cache_file(path) if path is not None else None
        environment = address.environment if address else None
        if cached is None or environment in (None, cached.environment):
            return cached
        raise SyncError(f'it is of the environment "{cached.environment}", not "{environment}"')

    def _read_bootstrap(self) -> FlagSet | None:
        bootstrap = self._options.bootstrap
        return read_flags(bootstrap) if bootstrap is not None else None

    def _apply_flags(self, flag_set: FlagSet, changed: ChangedKeys | None) -> FlagSet:
        snapshot = self._snapshot = FlagSnapshot(flag_set, self._snapshot, changed)
        if self._cache_file is not None:
            self._cache_file.save(snapshot.flag_set)
        problems = snapshot.compiled.problems
        if problems and self._options.offline_file is not None:
            # Whoever edits the file finds it in `freshness()`; the server's flags are valid.
            first = problems[0]
            message = f'flag "{first.flag_key}": {first.path} {first.message}'
            self._last_error = last_error_of(message)
        self._listener.on_change(snapshot.affected)
        return snapshot.flag_set

    def _on_cache_file_error(self, error: OSError) -> None:
        self._record_error(f"the cache file cannot be written: {error}")

    def _record_error(self, message: str) -> None:
        logger.warning(message)
        self._last_error = last_error_of(message)

    def _on_source_state(self) -> None:
        self._listener.on_state()
        # Without flags, an unreachable server may still respond in time.
        is_pending = self.state == "connecting" or (
            self.state == "unreachable" and self._snapshot is None
        )
        if not is_pending:
            self._settled.set()


def _later(one: LastError | None, other: LastError | None) -> LastError | None:
    errors = [error for error in (one, other) if error is not None]
    return max(errors, key=lambda error: error.at, default=None)

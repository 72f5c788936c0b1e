"""Sources of flags: the server or an offline file, and the flags to start with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal, Protocol, TypeAlias

from ._errors import SyncError, is_auth_status, is_request_status
from ._flag_file import FilePath, parse_bootstrap, read_cache_file, read_flag_file
from ._flag_set import FlagSet, FlagSetUpdate
from ._follower import Follower, FollowOptions
from ._follower_state import (
    DataSource,
    FollowerCallbacks,
    FollowerMode,
    LastError,
    last_error_of,
)
from ._http import Address
from ._options import Options
from ._process import Pause, is_before_fork

# file: the flags come from an offline file. flags: they come from the application.
FreshnessMode: TypeAlias = FollowerMode | Literal["file", "flags"]

# Where the current flags came from.
DataOrigin: TypeAlias = DataSource | Literal["cache_file", "bootstrap", "offline_file", "flags"]


@dataclass(frozen=True, slots=True)
class Freshness:
    """How current the flags of a provider are, and why."""

    # A key that only evaluates, in remote mode, follows nothing: it is polling while the server
    # responds to evaluations, and disconnected while it does not.
    mode: FreshnessMode
    revision: int | None = None
    # Milliseconds since the flags were last known to be current in the server's store, or since the
    # file was read.
    data_age_ms: float | None = None
    source: DataOrigin = "none"
    # Kept after recovery; `mode` shows whether the problem persists.
    last_error: LastError | None = None
    # How old the server's own data were when it last sent something, if it reported that.
    source_age_ms: float | None = None


# connecting: waiting for the first response. ready: the flags are current.
# stale: the server that sent the flags is cut off from its store, or this process may have missed
# changes.
# unreachable: the server does not respond. unauthorized: it rejects the key.
# invalid: the file cannot be used, or the server rejects the request, as for an environment that
# does not exist.
SourceState: TypeAlias = Literal[
    "connecting", "ready", "stale", "unreachable", "unauthorized", "invalid"
]


@dataclass(frozen=True, slots=True)
class SourceListener:
    # Receives the first flag set, and again whenever it changes. Returns the flag set to keep.
    # Raises SyncError if it cannot be used. Called on the source's thread, one at a time.
    on_update: Callable[[FlagSetUpdate], FlagSet]
    # Called after `on_update`, and when the state may have changed, on any thread.
    on_state: Callable[[], None]


class FlagSource(Protocol):
    @property
    def state(self) -> SourceState: ...

    def start(self, initial: FlagSet | None, current_at: float | None) -> None:
        """Continues from `initial`, which was current at `current_at` on the monotonic clock."""

    def stop(self, timeout_s: float) -> None: ...

    def after_fork(self, initial: FlagSet | None, pause: Pause) -> None: ...

    def after_pause(self, pause: Pause) -> None: ...

    def refresh(self, deadline: float) -> bool:
        """Returns whether the flags are confirmed or replaced by the deadline."""

    def freshness(self) -> Freshness: ...


class ServerSource:
    """Follows the flag set of a server."""

    def __init__(self, options: FollowOptions, listener: SourceListener) -> None:
        self._options = options
        self._callbacks = FollowerCallbacks(listener.on_update, listener.on_state)
        self._follower: Follower | None = None

    @property
    def state(self) -> SourceState:
        if self._follower is None:
            return "connecting"
        current = self._follower.status()
        if current.mode != "disconnected":
            if current.mode == "stale" or current.is_outdated:
                return "stale"
            return "connecting" if current.source == "none" else "ready"
        status = current.last_error.status if current.last_error else None
        if is_auth_status(status):
            return "unauthorized"
        return "invalid" if is_request_status(status) else "unreachable"

    def start(self, initial: FlagSet | None, current_at: float | None) -> None:
        self._follower = Follower(self._options, self._callbacks, initial, current_at)
        self._follower.start()

    def stop(self, timeout_s: float) -> None:
        if self._follower is not None:
            self._follower.stop(timeout_s)

    def after_fork(self, initial: FlagSet | None, pause: Pause) -> None:
        """Follows with a thread and a connection of its own; the parent's cannot be used."""
        parents = self._follower
        if parents is not None:
            parents.abandon()
            self._follower = Follower(self._options, self._callbacks, initial, parents.current_at)
            self._follower.start_after_fork(pause)

    def after_pause(self, pause: Pause) -> None:
        if self._follower is not None:
            self._follower.after_pause(pause)

    def refresh(self, deadline: float) -> bool:
        return self._follower is not None and self._follower.refresh(deadline)

    def freshness(self) -> Freshness:
        if self._follower is None:
            return Freshness("connecting")
        status = self._follower.status()
        return Freshness(
            status.mode,
            status.revision,
            status.data_age_ms,
            status.source,
            status.last_error,
            status.source_age_ms,
        )


class FileSource:
    """Reads a file, and reads it again after each edit. Makes no requests."""

    def __init__(self, path: FilePath, check_interval_ms: float, listener: SourceListener) -> None:
        self._path = Path(path)
        self._check_interval_s = check_interval_ms / 1_000
        self._listener = listener
        self._state: SourceState = "connecting"
        # Identifies the content that was read last.
        self._fingerprint: object = None
        self._read_at: float | None = None
        self._last_error: LastError | None = None
        self._reader: FileReader | None = None

    @property
    def state(self) -> SourceState:
        return self._state

    def start(self, initial: FlagSet | None, current_at: float | None) -> None:  # noqa: ARG002
        self._reader = FileReader(self._read_if_changed, self._check_interval_s)

    def stop(self, timeout_s: float) -> None:  # noqa: ARG002 - its thread holds nothing
        if self._reader is not None:
            self._reader.stop()

    def after_fork(self, initial: FlagSet | None, pause: Pause) -> None:  # noqa: ARG002
        if self._reader is not None:
            # The parent may have noticed an edit without having read it.
            self._fingerprint = None
            self.start(initial, None)

    def after_pause(self, pause: Pause) -> None:  # noqa: ARG002
        """Reads the file at once."""
        if self._reader is not None:
            self._reader.request()

    def refresh(self, deadline: float) -> bool:
        if self._reader is None or not self._reader.request().wait(deadline - time.monotonic()):
            return False
        return self._state == "ready"

    def freshness(self) -> Freshness:
        if self._read_at is None:
            return Freshness("file", last_error=self._last_error)
        age_ms = (time.monotonic() - self._read_at) * 1_000
        return Freshness("file", None, age_ms, "offline_file", self._last_error)

    def _read_if_changed(self) -> None:
        try:
            fingerprint = self._read_fingerprint()
            if fingerprint == self._fingerprint:
                return
            # Set before reading, so an edit during the read is noticed next time.
            self._fingerprint = fingerprint
            self._listener.on_update(FlagSetUpdate(read_flag_file(self._path)))
            self._read_at = time.monotonic()
            self._state = "ready"
        except Exception as error:  # noqa: BLE001 - the last good flags remain in use
            if isinstance(error, OSError):
                # The same content may be readable next time.
                self._fingerprint = None
            self._last_error = last_error_of(
                f"the offline file cannot be used, so the last good flags remain: {error}"
            )
            self._state = "invalid"
        self._listener.on_state()

    def _read_fingerprint(self) -> object:
        stat = self._path.stat()
        return stat.st_mtime_ns, stat.st_size, stat.st_ino


class FileReader:
    """A thread that calls `read` immediately, at intervals, and whenever that is requested."""

    def __init__(self, read: Callable[[], None], interval_s: float) -> None:
        self._read = read
        self._interval_s = interval_s
        self._requests: SimpleQueue[threading.Event | None] = SimpleQueue()
        threading.Thread(target=self._run, name="pennon-file", daemon=True).start()

    def request(self) -> threading.Event:
        """Reads soon. Returns an event that is set afterwards."""
        done = threading.Event()
        self._requests.put(done)
        return done

    def stop(self) -> None:
        self._requests.put(None)

    def _run(self) -> None:
        self._read()
        while not is_before_fork() and (done := self._next_request()) is not None:
            self._read()
            done.set()

    def _next_request(self) -> threading.Event | None:
        try:
            return self._requests.get(timeout=self._interval_s)
        except Empty:
            return threading.Event()


class LocalSource:
    """Flags that the application passes. They are always current."""

    def __init__(self, flag_set: FlagSet, listener: SourceListener) -> None:
        self._flag_set = flag_set
        self._listener = listener
        # Applications may replace the flags on any thread.
        self._lock = threading.Lock()
        self._state: SourceState = "connecting"

    @property
    def state(self) -> SourceState:
        return self._state

    def start(self, initial: FlagSet | None, current_at: float | None) -> None:  # noqa: ARG002
        self.set_flags(self._flag_set)

    def set_flags(self, flag_set: FlagSet) -> None:
        with self._lock:
            self._listener.on_update(FlagSetUpdate(flag_set))
            self._state = "ready"
            self._listener.on_state()

    def stop(self, timeout_s: float) -> None:
        """Does nothing: there is no thread."""

    def after_fork(self, initial: FlagSet | None, pause: Pause) -> None:  # noqa: ARG002
        self._lock = threading.Lock()

    def after_pause(self, pause: Pause) -> None:
        """Does nothing: the flags are always current."""

    def refresh(self, deadline: float) -> bool:  # noqa: ARG002
        return True

    def freshness(self) -> Freshness:
        return Freshness("flags", data_age_ms=0, source="flags")


@dataclass(frozen=True, slots=True)
class InitialFlags:
    """Flags for the time until the server or the offline file has been read."""

    flag_set: FlagSet
    # When the flags were current, on the monotonic clock, if that is known.
    current_at: float | None


@dataclass(frozen=True, slots=True)
class InitialSource:
    name: DataOrigin
    # Returns None if there are no flags yet.
    read: Callable[[], InitialFlags | None]


def initial_sources(options: Options) -> list[InitialSource]:
    """The sources of flags to start with, the best first."""
    sources: list[InitialSource] = []
    cache_file, bootstrap = options.cache_file, options.bootstrap
    if cache_file is not None and options.address is not None:
        address = options.address
        sources.append(InitialSource("cache_file", lambda: _read_cache_file(cache_file, address)))
    if bootstrap is not None:
        sources.append(InitialSource("bootstrap", lambda: _read_bootstrap(bootstrap)))
    return sources


def _read_cache_file(path: FilePath, address: Address) -> InitialFlags | None:
    """The flags of the previous run. A missing file is not an error: the first run has none."""
    try:
        cached = read_cache_file(path, address.key)
    except FileNotFoundError:
        return None
    # Other options may have left flags of another environment behind.
    environment, found = address.environment, cached.flag_set.environment
    if environment not in (None, found):
        raise SyncError(f'these flags are of the environment "{found}", not of "{environment}"')
    return InitialFlags(cached.flag_set, _to_monotonic(cached.current_at))


def instant_of(age_ms: float) -> float:
    """The time to store for what is this old, in seconds since 1970."""
    return time.time() - age_ms / 1_000


def _to_monotonic(instant: float) -> float | None:
    """A stored time on the monotonic clock, or None if that is unknown.

    It is unknown for a time in the future: the clock has been set back since.
    """
    age_s = time.time() - instant
    return None if age_s < 0 else time.monotonic() - age_s


def _read_bootstrap(bootstrap: FilePath | Mapping[str, Any]) -> InitialFlags:
    if isinstance(bootstrap, Mapping):
        return InitialFlags(parse_bootstrap(bootstrap), None)
    return InitialFlags(read_flag_file(bootstrap), None)

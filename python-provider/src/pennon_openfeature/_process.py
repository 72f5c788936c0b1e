"""What happens to the process of running providers: forks, pauses, and its exit.

The providers' threads exist only in the process that started them, and run only if that process
does. This module notices if they did not, with a thread that records when it ran last.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol
from weakref import WeakSet

from openfeature import _event_support
from openfeature.provider._registry import provider_registry

logger = logging.getLogger("pennon_openfeature")

# How often the thread of this module runs, and after which time it must have been kept from it.
INTERVAL_S = 0.5
LONGEST_PAUSE_S = 2
# By how much the wall clock may be put forward. If it is further ahead, the machine counts as
# suspended, which stops the monotonic clock. A wrong guess costs one request.
LONGEST_CLOCK_STEP_S = 30
# How long a new worker of uWSGI waits for current flags before it serves requests.
GRACE_MS = 250
# How long another thread may hold a lock of the SDK. It does no I/O while it holds one.
LONGEST_LOCK_S = 0.2


@dataclass(frozen=True, slots=True)
class Pause:
    """A time for which no thread of the providers has run in this process."""

    seconds: float
    # How much of it the monotonic clock has missed, as in a suspended virtual machine.
    missed_s: float
    is_fork: bool

    @property
    def is_long(self) -> bool:
        return self.seconds > LONGEST_PAUSE_S

    @property
    def reason(self) -> str:
        remedy = "" if threads_run_in_background() else f"; {_UWSGI_REMEDY}"
        if self.is_fork:
            return f"this process was forked, and has not followed the server since{remedy}"
        return f"the provider's threads did not run for {self.seconds:.1f} s{remedy}"


class ProcessHooks(Protocol):
    def refresh(self, timeout_ms: float) -> bool: ...

    def after_fork(self, pause: Pause) -> None: ...

    def after_pause(self, pause: Pause) -> None: ...

    def at_exit(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Run:
    """When a thread ran, and in which process."""

    pid: int
    monotonic_s: float
    wall_s: float


def _this_run() -> _Run:
    return _Run(os.getpid(), time.monotonic(), time.time())


class ProcessMonitor:
    """Informs providers of forks, pauses and the exit of their process."""

    def __init__(self) -> None:
        self._registered: WeakSet[ProcessHooks] = WeakSet()
        self._last_run = _this_run()
        self._have_threads = False
        # Updates `_last_run`, if any provider has threads.
        self._recorder: _Recorder | None = None
        self._are_workers_followed = False
        # The process in which a pause is being handled.
        self._handling: int | None = None
        # By process, because a thread of the parent may hold the lock of the parent.
        self._locks: dict[int, threading.RLock] = {}

    def register(self, hooks: ProcessHooks, *, has_threads: bool) -> None:
        """Pauses are of interest only to providers with threads."""
        self._registered.add(hooks)
        with self._lock():
            self._have_threads = self._have_threads or has_threads
            if is_before_fork():
                self._wait_for_fork()
            elif has_threads and self._recorder is None:
                self._start_recorder()

    def unregister(self, hooks: ProcessHooks) -> None:
        self._registered.discard(hooks)
        with self._lock():
            if self._registered:
                return
            self._have_threads = False
            if self._recorder is None:
                return
            recorder, self._recorder = self._recorder, None
        recorder.stop()

    def check(self) -> None:
        """Notices a pause, and a fork without notice to Python, as by uWSGI.

        Cheap enough to be called by each evaluation.
        """
        last = self._last_run
        elapsed_s = time.monotonic() - last.monotonic_s
        if (
            elapsed_s > LONGEST_PAUSE_S
            or time.time() - last.wall_s - elapsed_s > LONGEST_CLOCK_STEP_S
            or os.getpid() != last.pid
        ):
            self._handle_pause()

    def check_fork(self) -> None:
        """Notices only a fork: no other thread runs yet, so the caller may hold locks."""
        if os.getpid() != self._last_run.pid:
            self._handle_pause()

    def start_worker(self) -> None:
        """Waits a moment for current flags, because the flags of the parent may be old."""
        self.check()
        for hooks in list(self._registered):
            hooks.refresh(GRACE_MS)

    def at_exit(self) -> None:
        # In a child, the threads and connections are still those of the parent.
        if os.getpid() == self._last_run.pid:
            for hooks in list(self._registered):
                hooks.at_exit()

    def _lock(self) -> threading.RLock:
        return self._locks.setdefault(os.getpid(), threading.RLock())

    def _wait_for_fork(self) -> None:
        """uWSGI forks without notice to Python, but calls a function of its own module."""
        # The first check in a worker counts as the first after a fork.
        self._last_run = replace(_this_run(), pid=0)
        if not self._are_workers_followed:
            self._are_workers_followed = True
            _call_after_fork(self.start_worker)

    def _start_recorder(self) -> None:
        self._last_run = _this_run()
        recorder = _Recorder(self._record)
        # The exiting interpreter starts no threads.
        with suppress(RuntimeError):
            recorder.start()
            self._recorder = recorder

    def _record(self) -> None:
        # Before the check, because a pause between the two must not be missed.
        run = _this_run()
        self.check()
        self._last_run = run

    def _handle_pause(self) -> None:
        with self._lock():
            if self._handling == os.getpid() or is_before_fork():
                return
            run = _this_run()
            pause = _pause_between(self._last_run, run)
            # Another thread may have been faster.
            if not pause.is_long and not pause.is_fork:
                return
            self._handling = run.pid
            self._notify(pause)
            self._handling = None
            # Only now, so that other threads wait until all providers have been notified.
            self._last_run = run

    def _notify(self, pause: Pause) -> None:
        registered = list(self._registered)
        if pause.is_fork and registered:
            self._restart_threads()
        for hooks in registered:
            _call(hooks.after_fork if pause.is_fork else hooks.after_pause, pause)

    def _restart_threads(self) -> None:
        _free_sdk()
        if self._have_threads:
            self._start_recorder()


class _Recorder:
    """A thread that calls a function at intervals."""

    def __init__(self, record: Callable[[], None]) -> None:
        self._call = record
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pennon-process", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join(INTERVAL_S)

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL_S):
            self._call()


def _pause_between(last: _Run, run: _Run) -> Pause:
    elapsed_s = run.monotonic_s - last.monotonic_s
    missed_s = run.wall_s - last.wall_s - elapsed_s
    if missed_s <= LONGEST_CLOCK_STEP_S:
        missed_s = 0
    return Pause(elapsed_s + missed_s, missed_s, run.pid != last.pid)


def is_before_fork() -> bool:
    """Whether this process is uWSGI's master, which serves no requests and forks workers.

    A worker hangs if a thread of the master held the interpreter's lock at the fork. So no thread
    must run there for longer than necessary.
    """
    uwsgi: Any = sys.modules.get("uwsgi")
    worker_id = getattr(uwsgi, "worker_id", None)
    return worker_id is not None and worker_id() == 0 and uwsgi.mule_id() == 0


def threads_run_in_background() -> bool:
    """Whether threads run while no code of the application does. Not so in uWSGI by default."""
    options = getattr(sys.modules.get("uwsgi"), "opt", None)
    return options is None or not {"enable-threads", "threads"}.isdisjoint(map(_text, options))


_UWSGI_REMEDY = "uWSGI runs threads between requests only with enable-threads = true"


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _call(hook: Callable[[Pause], None], pause: Pause) -> None:
    try:
        hook(pause)
    except Exception:
        logger.exception("the provider could not continue: %s", pause.reason)


def _free_sdk() -> None:
    """Gives the SDK a new pool for event handlers, and new locks for those that stay locked.

    Its pool counts on threads that exist in the parent only, so the first events in the child
    would never be handled. Needed in all SDK releases that this package allows.
    """
    if isinstance(getattr(_event_support, "_event_executor", None), ThreadPoolExecutor):
        executor = ThreadPoolExecutor(thread_name_prefix="openfeature-event-handler")
        _event_support._event_executor = executor
    _free_lock(_event_support, "_global_lock")
    _free_lock(_event_support, "_client_lock")
    _free_lock(provider_registry, "_lock")


def _free_lock(owner: Any, name: str) -> None:
    lock = getattr(owner, name, None)
    if lock is None:
        return
    if lock.acquire(timeout=LONGEST_LOCK_S):
        lock.release()
    else:
        setattr(owner, name, threading.RLock())


def _call_after_fork(function: Callable[[], None]) -> None:
    uwsgi: Any = sys.modules["uwsgi"]
    previous = getattr(uwsgi, "post_fork_hook", None)

    def post_fork() -> None:
        if previous is not None:
            previous()
        function()

    uwsgi.post_fork_hook = post_fork


_monitor = ProcessMonitor()
register, unregister = _monitor.register, _monitor.unregister
check, check_fork = _monitor.check, _monitor.check_fork

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=check)
atexit.register(_monitor.at_exit)

"""Providers that run when the process forks, where no thread outlives it, or when it ends."""

from __future__ import annotations

import atexit
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol
from weakref import WeakSet

from openfeature import _event_support


class Running(Protocol):
    def after_fork(self) -> None: ...

    def at_exit(self) -> None: ...


_running: WeakSet[Running] = WeakSet()


def runs(started: Running) -> None:
    _running.add(started)


def runs_no_longer(stopped: Running) -> None:
    _running.discard(stopped)


def _in_child() -> None:
    running = list(_running)
    if running:
        _renew_event_threads()
    for each in running:
        each.after_fork()


def _renew_event_threads() -> None:
    """The SDK's handlers run on a pool, which counts on threads that only the parent has.

    In the releases that this package allows, the first events of a child would wait for them.
    """
    if isinstance(getattr(_event_support, "_event_executor", None), ThreadPoolExecutor):
        renewed = ThreadPoolExecutor(thread_name_prefix="openfeature-event-handler")
        _event_support._event_executor = renewed


def _at_exit() -> None:
    for each in list(_running):
        each.at_exit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
atexit.register(_at_exit)

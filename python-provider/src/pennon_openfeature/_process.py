"""Hooks for running providers: after a fork, in which no thread survives, and at exit."""

from __future__ import annotations

import atexit
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol
from weakref import WeakSet

from openfeature import _event_support


class ProcessHooks(Protocol):
    def after_fork(self) -> None: ...

    def at_exit(self) -> None: ...


_registered: WeakSet[ProcessHooks] = WeakSet()


def register(hooks: ProcessHooks) -> None:
    _registered.add(hooks)


def unregister(hooks: ProcessHooks) -> None:
    _registered.discard(hooks)


def _after_fork_in_child() -> None:
    registered = list(_registered)
    if registered:
        _replace_event_threads()
    for hooks in registered:
        hooks.after_fork()


def _replace_event_threads() -> None:
    """Gives the SDK a new pool for event handlers.

    Its pool counts on threads that exist in the parent only, so the first events in the child
    would never be handled. Needed in all SDK releases that this package allows.
    """
    if isinstance(getattr(_event_support, "_event_executor", None), ThreadPoolExecutor):
        executor = ThreadPoolExecutor(thread_name_prefix="openfeature-event-handler")
        _event_support._event_executor = executor


def _at_exit() -> None:
    for hooks in list(_registered):
        hooks.at_exit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)

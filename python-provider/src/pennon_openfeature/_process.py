"""Providers that run when the process forks, where no thread outlives it, or when it ends."""

from __future__ import annotations

import atexit
import os
from typing import Protocol
from weakref import WeakSet


class Running(Protocol):
    def after_fork(self) -> None: ...

    def at_exit(self) -> None: ...


_running: WeakSet[Running] = WeakSet()


def runs(started: Running) -> None:
    _running.add(started)


def runs_no_longer(stopped: Running) -> None:
    _running.discard(stopped)


def _in_child() -> None:
    for each in list(_running):
        each.after_fork()


def _at_exit() -> None:
    for each in list(_running):
        each.at_exit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
atexit.register(_at_exit)

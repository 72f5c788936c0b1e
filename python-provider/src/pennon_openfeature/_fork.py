"""Forked workers: each gets a follower of its own, since no thread outlives a fork."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    def after_fork(self) -> None: ...


_started: WeakSet[Forkable] = WeakSet()


def follow_into_forks(started: Forkable) -> None:
    _started.add(started)


def no_longer(stopped: Forkable) -> None:
    _started.discard(stopped)


def _in_child() -> None:
    for each in list(_started):
        each.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)

"""Which events the provider tells, and in which order: one place decides."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Literal, TypeAlias

from openfeature.event import ProviderEvent, ProviderEventDetails

logger = logging.getLogger("pennon_openfeature")

Emit: TypeAlias = Callable[[ProviderEvent, ProviderEventDetails], None]
Told: TypeAlias = Literal["nothing", "ready", "stale", "error"]


class Teller:
    """Tells READY and STALE when they become true, and never what was told already.

    The SDK itself tells READY or ERROR when `initialize` returns or raises, so until then, and
    for a moment after, what is true is kept and told later.
    """

    def __init__(self, emit: Emit, after_ready_ms: float) -> None:
        self._emit = emit
        self._after_ready_ms = after_ready_ms
        self._lock = threading.Lock()
        self._told: Told = "nothing"
        self._true: Literal["ready", "stale"] = "ready"
        self._message: str | None = None
        self._settling: threading.Timer | None = None

    def initialized(self) -> None:
        """`initialize` returns now, and the SDK will tell READY."""
        with self._lock:
            self._told = "ready"
            self._settling = threading.Timer(self._after_ready_ms / 1_000, self._settle)
            self._settling.daemon = True
            self._settling.start()

    def failed(self) -> None:
        """`initialize` raises now, and the SDK will tell ERROR."""
        with self._lock:
            self._told = "error"

    def healthy(self) -> None:
        self._becomes("ready", None)

    def stale(self, message: str) -> None:
        self._becomes("stale", message)

    def changed(self, flag_keys: list[str]) -> None:
        with self._lock:
            if flag_keys and self._told in ("ready", "stale"):
                details = ProviderEventDetails(flags_changed=flag_keys)
                self._emit(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, details)

    def stop(self) -> None:
        with self._lock:
            self._told = "nothing"
            if self._settling is not None:
                self._settling.cancel()
                self._settling = None

    def after_fork(self) -> None:
        """Another thread of the parent may have held the lock, and its timers are not here."""
        self._lock = threading.Lock()
        self._settling = None

    def _becomes(self, true: Literal["ready", "stale"], message: str | None) -> None:
        with self._lock:
            self._true, self._message = true, message
            if self._settling is None:
                self._tell()

    def _settle(self) -> None:
        with self._lock:
            self._settling = None
            self._tell()

    def _tell(self) -> None:
        # After an error there is nothing to be stale: only data end it.
        if self._told in ("nothing", self._true) or (self._told, self._true) == ("error", "stale"):
            return
        self._told = self._true
        if self._true == "ready":
            self._emit(ProviderEvent.PROVIDER_READY, ProviderEventDetails())
        else:
            logger.warning("the flags may be out of date: %s", self._message)
            self._emit(ProviderEvent.PROVIDER_STALE, ProviderEventDetails(message=self._message))

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

    def __init__(self, emit: Emit, after_told_ms: float) -> None:
        self._emit = emit
        self._after_told_ms = after_told_ms
        self._lock = threading.Lock()
        self._told: Told = "nothing"
        self._true: Literal["nothing", "ready", "stale"] = "nothing"
        self._message: str | None = None
        self._settling: threading.Timer | None = None

    def initialized(self) -> None:
        """`initialize` returns now, and the SDK will tell READY."""
        self._told_by_sdk("ready")

    def failed(self) -> None:
        """`initialize` raises now, and the SDK will tell ERROR."""
        self._told_by_sdk("error")

    def _told_by_sdk(self, told: Told) -> None:
        with self._lock:
            self._told = told
            self._settling = threading.Timer(self._after_told_ms / 1_000, self._settle)
            self._settling.daemon = True
            self._settling.start()

    def healthy(self) -> None:
        self._becomes("ready", None)

    def stale(self, message: str) -> None:
        self._becomes("stale", message)

    def changed(self, flag_keys: list[str]) -> None:
        with self._lock:
            # At the start nothing was answered yet that could be another now.
            if flag_keys and self._told != "nothing":
                details = ProviderEventDetails(flags_changed=flag_keys)
                self._emit(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, details)

    def stop(self) -> None:
        with self._lock:
            self._told = self._true = "nothing"
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
        if "nothing" in (self._told, self._true) or self._told == self._true:
            return
        # After an error there is nothing to be stale: only data end it.
        if self._told == "error" and self._true == "stale":
            return
        self._told = self._true
        if self._true == "ready":
            self._emit(ProviderEvent.PROVIDER_READY, ProviderEventDetails())
        else:
            logger.warning("the flags may be out of date: %s", self._message)
            self._emit(ProviderEvent.PROVIDER_STALE, ProviderEventDetails(message=self._message))

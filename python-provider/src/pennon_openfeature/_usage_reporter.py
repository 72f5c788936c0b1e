"""Reports to the server how often the application got each variant of each flag."""

from __future__ import annotations

import json
import logging
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

from ._delivery import Delivery, StoppedError, sdk_name
from ._errors import SyncError
from ._http import Address
from ._timing import Timing
from ._usage_counters import UsageCounters, UsageEntry

logger = logging.getLogger("pennon_openfeature")

_MAX_COUNT: Final = 1_000_000_000
# The same for client keys, which are public.
_MAX_PUBLIC_COUNT: Final = 10_000
_MAX_ENTRIES: Final = 2_000
# Of the entries of one report. With everything else, the server accepts 64 KiB.
_MAX_BYTES: Final = 60_000


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What was counted in a time.

    A report that is sent again has the same sequence, so it counts once.
    """

    instance: str
    sequence: int
    since: str
    until: str
    entries: list[UsageEntry]

    def body(self) -> bytes:
        fields: dict[str, Any] = {
            "instance": self.instance,
            "sequence": self.sequence,
            "from": self.since,
            "until": self.until,
            "counts": [each for each in self.entries if not isinstance(each, str)],
            "unknown": [each for each in self.entries if isinstance(each, str)],
            "sdk": sdk_name(),
        }
        return json.dumps(fields).encode()


class UsageReporter:
    """Counts what an application gets, and reports it on a thread of its own. Never raises."""

    def __init__(self, address: Address, timing: Timing) -> None:
        self._timing = timing
        is_public = address.key.startswith("pennon_client_")
        self._max_count = _MAX_PUBLIC_COUNT if is_public else _MAX_COUNT
        self._sender = Delivery(address, "usage", timing, self._run)
        self._begin()

    def _begin(self) -> None:
        self._counters = UsageCounters()
        self._instance = secrets.token_urlsafe(16)
        self._sequence = 0
        self._since = time.time()
        self._waiting: list[UsageReport] = []

    def start(self) -> None:
        self._sender.start()

    def end(self) -> None:
        """Begins to report the rest, which `join` waits for."""
        self._sender.end()

    def join(self, deadline: float) -> None:
        self._sender.join(deadline)

    def after_fork(self) -> None:
        """Counts from the beginning in a child. The parent reports what it has counted."""
        self._sender.after_fork()
        self._begin()
        self.start()

    def count(self, flag_key: str, variant: str | None, reason: str) -> None:
        self._counters.count(flag_key, variant, reason)

    def count_unknown(self, flag_key: str) -> None:
        self._counters.count_unknown(flag_key)

    def _run(self) -> None:
        while not self._sender.wait(self._timing.usage_delay() / 1_000):
            try:
                self._report()
            except Exception:
                logger.exception("usage could not be reported")
        self._collect()
        for report in self._waiting:
            with suppress(SyncError):
                self._sender.post(report.body)

    def _report(self) -> None:
        self._collect()
        with suppress(StoppedError):
            while self._waiting:
                # What is given up is lost.
                with suppress(SyncError):
                    self._sender.deliver(self._waiting[0].body)
                self._waiting.pop(0)

    def _collect(self) -> None:
        """Makes reports of what was counted."""
        until = time.time()
        # The clock may have been set back.
        since, self._since = min(self._since, until), until
        for entries in _in_parts(self._counters.take(self._max_count)):
            self._sequence += 1
            report = UsageReport(
                self._instance, self._sequence, _to_text(since), _to_text(until), entries
            )
            self._waiting.append(report)


def _to_text(instant: float) -> str:
    utc = datetime.fromtimestamp(instant, tz=timezone.utc)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _in_parts(entries: list[UsageEntry]) -> list[list[UsageEntry]]:
    """The entries in parts that each fit into one report."""
    parts: list[list[UsageEntry]] = []
    size = _MAX_BYTES
    for entry in entries:
        # With the comma and the space between two.
        added = len(json.dumps(entry)) + 2
        if size + added > _MAX_BYTES or len(parts[-1]) == _MAX_ENTRIES:
            parts.append([])
            size = 0
        parts[-1].append(entry)
        size += added
    return parts

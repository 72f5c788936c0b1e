"""Reports to the server how often the application got each variant of each flag."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from ._errors import SyncError, to_sync_error
from ._http import Address, Connection, RequestScope
from ._process import is_before_fork
from ._timing import Timing
from ._usage_counters import UsageCounters, UsageEntry

logger = logging.getLogger("pennon_openfeature")

# A report that is not accepted for so long is given up. The server knows repeated ones for an hour.
_GIVE_UP_S: Final = 15 * 60
# How long `stop` waits for the server.
_STOP_TIMEOUT_S: Final = 2

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
            "sdk": f"pennon-openfeature {_version()}",
        }
        return json.dumps(fields).encode()


class UsageReporter:
    """Counts what an application gets, and reports it on a thread of its own. Never raises."""

    def __init__(self, address: Address, timing: Timing) -> None:
        self._address = address
        self._timing = timing
        is_public = address.key.startswith("pennon_client_")
        self._max_count = _MAX_PUBLIC_COUNT if is_public else _MAX_COUNT
        # Whether the log has a line since reports are not accepted.
        self._is_refused = False
        self._begin()

    def _begin(self) -> None:
        self._counters = UsageCounters()
        self._instance = secrets.token_urlsafe(16)
        self._sequence = 0
        self._since = time.time()
        self._waiting: list[UsageReport] = []
        self._stopped = threading.Event()
        self._scope = RequestScope()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if is_before_fork():
            return
        # A daemon, so a slow server does not keep the process alive.
        thread = threading.Thread(target=self._run, name="pennon-usage", daemon=True)
        # Too many threads, or the interpreter exits. Nothing is reported then.
        with suppress(RuntimeError):
            thread.start()
            self._thread = thread

    def stop(self) -> None:
        """Reports the rest. Waits for the server, but at most 2 s."""
        # The thread sends the report of this request again, with those that are not sent yet.
        self._scope.cancel()
        self._stopped.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_STOP_TIMEOUT_S)
        self._scope.cancel()

    def after_fork(self) -> None:
        """Counts from the beginning in a child. The parent reports what it has counted."""
        self._scope.abandon()
        self._begin()
        self.start()

    def count(self, flag_key: str, variant: str | None, reason: str) -> None:
        self._counters.count(flag_key, variant, reason)

    def count_unknown(self, flag_key: str) -> None:
        self._counters.count_unknown(flag_key)

    def _run(self) -> None:
        while not self._stopped.wait(self._timing.usage_delay() / 1_000):
            try:
                self._report()
            except Exception:
                logger.exception("usage could not be reported")
        self._collect()
        for report in self._waiting:
            self._post(report)

    def _report(self) -> None:
        self._collect()
        while self._waiting and self._deliver(self._waiting[0]):
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

    def _deliver(self, report: UsageReport) -> bool:
        """Sends a report until it is accepted or given up. Returns False if that was ended."""
        give_up_at = time.monotonic() + _GIVE_UP_S
        failures = 0
        while (error := self._post(report)) is not None:
            delay_s = self._delay_after(error, failures)
            is_final = error.is_auth_error or error.is_request_error
            if is_final or time.monotonic() + delay_s > give_up_at:
                self._refuse(error)
                return not self._stopped.is_set()
            if self._stopped.wait(delay_s):
                return False
            failures += 1
        self._is_refused = False
        return True

    def _delay_after(self, error: SyncError, failures: int) -> float:
        """In seconds."""
        backoff_ms = self._timing.first_backoff_ms + self._timing.backoff_delay(failures)
        return max(error.retry_after_ms, backoff_ms) / 1_000

    def _refuse(self, error: SyncError) -> None:
        if not self._is_refused:
            logger.warning("usage is not reported: %s", error.message)
        self._is_refused = True

    def _post(self, report: UsageReport) -> SyncError | None:
        """Returns why the server has not accepted the report, or None if it has."""
        scope = self._scope = RequestScope()
        connection: Connection | None = None
        try:
            connection = Connection(self._address, self._timing.response_timeout_ms)
            headers = {"content-type": "application/json"}
            scope.use(connection).send("POST", "usage", headers, report.body()).read()
        except Exception as error:  # noqa: BLE001 - sent again, or logged
            return to_sync_error(error)
        finally:
            if connection is not None:
                connection.close()
        return None


def _version() -> str:
    try:
        return version("pennon-openfeature")
    except PackageNotFoundError:
        # A copy of the source.
        return "0"


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

"""Sends reports to the server, on a thread of their own: of usage, and of events."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from ._errors import SyncError, to_sync_error
from ._follower_state import LastError, last_error_of
from ._http import Address, Connection, RequestScope
from ._process import is_before_fork
from ._timing import Timing

logger = logging.getLogger("pennon_openfeature")

# How long the end of a provider waits for the server.
STOP_TIMEOUT_S: Final = 2

_SUBJECTS: Final = {"usage": "usage is", "events": "events are"}


class StoppedError(Exception):
    """The sender was stopped before the server accepted a report."""


class Delivery:
    """A thread, from `start` until all is sent after `end`. It sends one report at a time."""

    def __init__(
        self, address: Address, endpoint: str, timing: Timing, run: Callable[[], None]
    ) -> None:
        """`run` is the whole work of the thread."""
        self._address = address
        self._endpoint = endpoint
        self._timing = timing
        self._run = run
        # Whether the log has a line since reports are not accepted.
        self._is_refused = False
        self._begin()

    def _begin(self) -> None:
        self._ended = threading.Event()
        self._scope = RequestScope()
        self._thread: threading.Thread | None = None
        # Whether nothing is sent any more.
        self.is_closed = False
        # Kept after recovery.
        self.last_error: LastError | None = None

    def start(self) -> None:
        """Does nothing if it has been started."""
        if self._thread is not None or self._ended.is_set() or is_before_fork():
            return
        # A daemon, so a slow server does not keep the process alive.
        name = f"pennon-{self._endpoint}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        # Too many threads, or the interpreter exits. Nothing is reported then.
        with suppress(RuntimeError):
            thread.start()
            self._thread = thread

    def end(self) -> None:
        """Ends all delays. The thread then sends what is left."""
        # The thread sends the report of this request again, with those that are not sent yet.
        self._scope.cancel()
        self._ended.set()

    def join(self, deadline: float) -> None:
        """Waits for the thread after `end`. Nothing is sent after the deadline."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
        self.is_closed = True
        self._scope.cancel()

    def after_fork(self) -> None:
        """Prepares `start` in a child. The connection and the thread are those of the parent."""
        self._scope.abandon()
        self._begin()

    def wait(self, seconds: float) -> bool:
        """Returns whether the sender was ended by then."""
        return self._ended.wait(seconds)

    @property
    def is_ended(self) -> bool:
        return self._ended.is_set()

    def deliver(self, body: Callable[[], bytes]) -> bytes:
        """Sends a report until the server accepts it, and returns the response.

        Raises SyncError if the report is given up, and StoppedError if the sender is ended.
        """
        give_up_at = time.monotonic() + self._timing.give_up_ms / 1_000
        failures = 0
        while True:
            try:
                response = self.post(body)
            except SyncError as error:
                delay_s = self._delay_after(error, failures)
                if is_final(error) or time.monotonic() + delay_s > give_up_at:
                    self._log_refusal(error)
                    raise
                if self.wait(delay_s):
                    raise StoppedError from None
                failures += 1
            else:
                self._is_refused = False
                return response

    def _delay_after(self, error: SyncError, failures: int) -> float:
        """In seconds."""
        return max(error.retry_after_ms, self._timing.report_delay(failures)) / 1_000

    def _log_refusal(self, error: SyncError) -> None:
        if not self._is_refused:
            logger.warning("%s not reported: %s", _SUBJECTS[self._endpoint], error.message)
        self._is_refused = True

    def post(self, body: Callable[[], bytes]) -> bytes:
        """Sends a report once, and returns the response. Raises SyncError."""
        scope = self._scope = RequestScope()
        if self.is_closed:
            scope.cancel()
        connection: Connection | None = None
        try:
            connection = Connection(self._address, self._timing.response_timeout_ms)
            headers = {"content-type": "application/json"}
            return scope.use(connection).send("POST", self._endpoint, headers, body()).read()
        except Exception as caught:
            error = to_sync_error(caught)
            if not scope.is_cancelled:
                self.last_error = last_error_of(error)
            raise error from caught
        finally:
            if connection is not None:
                connection.close()


def is_final(error: SyncError) -> bool:
    """Whether the server will not accept the same report later."""
    return error.is_auth_error or error.is_request_error


def sdk_name() -> str:
    """The name and the version of this package, as the server receives them."""
    try:
        return f"pennon-openfeature {version('pennon-openfeature')}"
    except PackageNotFoundError:
        # A copy of the source.
        return "pennon-openfeature 0"

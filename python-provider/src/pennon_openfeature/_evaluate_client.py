"""HTTP client for remote evaluation: connection reuse, timeouts and a circuit breaker."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal
from uuid import uuid4

from ._engine import Evaluation, Failed, NotServed, Served, is_number
from ._errors import SyncError, to_sync_error
from ._flag_set import parse_object
from ._http import Address, Connection, RequestScope
from ._pending_request import DaemonThreadPool, PendingRequest, Result
from ._process import check
from ._resolution import FlagTelemetry, ResultWithTelemetry, flag_telemetry
from ._source_age import source_age_of
from ._timing import Timing

PROBE_INTERVAL_S = 0.1

# Error codes that concern the flag. All others concern the request.
_FLAG_ERROR_CODES: dict[
    str, Literal["FLAG_NOT_FOUND", "PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT"]
] = {
    "FLAG_NOT_FOUND": "FLAG_NOT_FOUND",
    "PARSE_ERROR": "PARSE_ERROR",
    "TARGETING_KEY_MISSING": "TARGETING_KEY_MISSING",
    "INVALID_CONTEXT": "INVALID_CONTEXT",
}


class CircuitBreaker:
    """Stops requests to a server that does not respond, so callers do not wait for it.

    Opens after a failed request. After a delay, one request is let through as a trial.
    """

    def __init__(self, timing: Timing, trial_ms: float, on_change: Callable[[], None]) -> None:
        self._timing = timing
        # How long a trial may take before another one is let through.
        self._trial_s = trial_ms / 1_000
        # Called when the breaker trips or resets.
        self._on_change = on_change
        self._circuit_error: SyncError | None = None
        self._trial_at = 0.0
        self._failures = 0

    @property
    def circuit_error(self) -> SyncError | None:
        """The error that opened the breaker, or None while it is closed."""
        return self._circuit_error

    def seconds_until_trial(self) -> float:
        """How long no request may be sent."""
        if self._circuit_error is None:
            return 0
        return max(0.0, self._trial_at - time.monotonic())

    def admit_request(self) -> SyncError | None:
        """Must be called before each request.

        Returns the error to fail with, or None if the request may be sent. After a delay, the open
        breaker admits one request as a trial, and no other until that has timed out.
        """
        now = time.monotonic()
        if self._circuit_error is None or now < self._trial_at:
            return self._circuit_error
        self._trial_at = now + self._trial_s
        return None

    def trip(self, error: SyncError) -> None:
        delay_ms = max(
            error.retry_after_ms,
            self._timing.rejected_key_delay(error),
            self._timing.backoff_delay(self._failures),
        )
        self._failures += 1
        self._trial_at = time.monotonic() + delay_ms / 1_000
        self._circuit_error = error
        self._on_change()

    def reset(self) -> None:
        if self._circuit_error is not None:
            self._circuit_error, self._failures = None, 0
            self._on_change()


class EvaluateClient:
    """Sends requests of any thread, over connections that are kept open and reused."""

    def __init__(
        self,
        address: Address,
        timeout_ms: float,
        breaker: CircuitBreaker,
        on_source_age: Callable[[float | None], None],
        on_probe: Callable[[dict[str, Any]], None],
    ) -> None:
        """`on_source_age` receives the source age of each response, and `on_probe` the body of
        each response to a probe.
        """
        self._on_source_age = on_source_age
        self._on_probe = on_probe
        self._address = address
        self._timeout_ms = timeout_ms
        self._breaker = breaker
        self._idle: list[Connection] = []
        self._in_flight: set[RequestScope] = set()
        self._threads = DaemonThreadPool()
        self._closed = threading.Event()

    def probe(self, deadline: float) -> SyncError | None:
        """Evaluates no flags, until the server accepts or rejects the key or time is up.

        Returns the last error, or None if the server evaluates for this key.
        """
        while (error := self.probe_once(deadline)) is not None:
            if error.is_auth_error or error.is_request_error:
                break
            pause_s = max(PROBE_INTERVAL_S, error.retry_after_ms / 1_000)
            if time.monotonic() + pause_s >= deadline:
                break
            if self.wait_until_closed(pause_s):
                break
        return error

    def wait_until_closed(self, seconds: float) -> bool:
        """Returns whether the client is closed by then."""
        return self._closed.wait(seconds)

    def probe_once(self, deadline: float) -> SyncError | None:
        timeout_ms = max((deadline - time.monotonic()) * 1_000, 1)

        def send(scope: RequestScope) -> None:
            connection = scope.use(Connection(self._address, timeout_ms))
            body = '{"context": {}, "flagKeys": []}'
            self._on_probe(self._exchange(connection, "evaluations", body))

        try:
            self._start(send, timeout_ms, lambda _error: None).result()
        except SyncError as error:
            return error
        return None

    def evaluate(
        self, flag_key: str, body: str, on_result: Callable[[ResultWithTelemetry], None]
    ) -> PendingRequest[ResultWithTelemetry]:
        """Starts a request. Raises SyncError without one while the circuit breaker is open.

        `on_result` receives the result even if all callers have stopped waiting.
        """
        circuit_error = self._breaker.admit_request()
        if circuit_error is not None:
            # Without the traceback, which would keep the frames of all previous callers alive.
            raise circuit_error.with_traceback(None)

        def send(scope: RequestScope) -> ResultWithTelemetry:
            result = self._evaluate(flag_key, body, scope)
            on_result(result)
            return result

        return self._start(send, self._timeout_ms, self._breaker.trip)

    def _start(
        self,
        send: Callable[[RequestScope], Result],
        timeout_ms: float,
        on_timeout: Callable[[SyncError], None],
    ) -> PendingRequest[Result]:
        scope = RequestScope()
        self._in_flight.add(scope)

        def run() -> Result:
            try:
                return send(scope)
            finally:
                self._in_flight.discard(scope)

        def time_out(error: SyncError) -> None:
            # If this process was paused, the server may be well.
            check()
            if not scope.is_cancelled:
                scope.cancel()
                on_timeout(error)

        try:
            return PendingRequest(self._threads.submit(run), timeout_ms, time_out)
        except RuntimeError as error:
            self._in_flight.discard(scope)
            raise to_sync_error(error) from error

    def _evaluate(self, flag_key: str, body: str, scope: RequestScope) -> ResultWithTelemetry:
        try:
            fields = self._post("evaluate", body, scope)
        except SyncError as error:
            if error.server_error is not None:
                code = _FLAG_ERROR_CODES.get(error.server_error.code)
                if code is not None:
                    failed = Failed(flag_key, code, error.server_error.message)
                    return ResultWithTelemetry(failed, {}, is_counted=True)
            if not (error.is_context_error or scope.is_cancelled):
                self._breaker.trip(error)
            raise
        self._breaker.reset()
        evaluation = _read_evaluation(flag_key, fields)
        return ResultWithTelemetry(evaluation, _read_telemetry(fields), is_counted=True)

    def _post(self, endpoint: str, body: str, scope: RequestScope) -> dict[str, Any]:
        try:
            connection = scope.use(self._idle.pop())
        except IndexError:
            return self._post_on_new_connection(endpoint, body, scope)
        connection.set_idle_timeout(self._timeout_ms)
        try:
            return self._exchange(connection, endpoint, body)
        except SyncError as error:
            if error.status is not None or isinstance(error.__cause__, TimeoutError):
                raise
        # The server had closed the idle connection. Evaluating twice has no side effects.
        return self._post_on_new_connection(endpoint, body, scope)

    def _post_on_new_connection(
        self, endpoint: str, body: str, scope: RequestScope
    ) -> dict[str, Any]:
        connection = scope.use(Connection(self._address, self._timeout_ms))
        return self._exchange(connection, endpoint, body)

    def _exchange(self, connection: Connection, endpoint: str, body: str) -> dict[str, Any]:
        headers = {"content-type": "application/json"}
        try:
            response = connection.send("POST", endpoint, headers, body.encode())
            fields = parse_object(response.read())
        except Exception as error:
            connection.close()
            raise to_sync_error(error) from error
        if connection.is_open:
            self._idle.append(connection)
        else:
            connection.close()
        self._on_source_age(source_age_of(response.headers))
        return fields

    def close(self) -> None:
        self._closed.set()
        self._threads.stop()
        self._cancel_requests()
        self.renew_connections()

    def renew_connections(self) -> None:
        """Closes idle connections, which may be dead: they would swallow a request silently."""
        # Other threads take connections at the same time.
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def after_pause(self) -> None:
        """Sends no request on a connection from before the pause, and waits for none."""
        self._cancel_requests()
        self.renew_connections()

    def _cancel_requests(self) -> None:
        for scope in list(self._in_flight):
            scope.cancel()

    def after_fork(self) -> None:
        """Drops the parent's connections; two processes would mix up their responses."""
        for scope in self._in_flight:
            scope.abandon()
        for connection in self._idle:
            connection.abandon()
        self._idle = []
        self._in_flight = set()
        self._threads = DaemonThreadPool()
        self._closed = threading.Event()


def _read_evaluation(flag_key: str, fields: dict[str, Any]) -> Evaluation:
    metadata = fields.get("metadata")
    if "variant" not in fields:
        return NotServed(flag_key, fields.get("reason", "DEFAULT"), metadata)
    return Served(
        flag_key,
        fields.get("enabled") is True,
        fields.get("reason", "STATIC"),
        fields["variant"],
        fields.get("value"),
        fields.get("ruleId"),
        metadata,
    )


def _read_telemetry(fields: dict[str, Any]) -> FlagTelemetry:
    """Empty for a server that does not send it."""
    return flag_telemetry(fields.get("version"), fields.get("environment"))


def body_of(flag_key: str, context: dict[str, Any]) -> str:
    """The body of the request, in a canonical form because it is also the cache key."""
    body = {"flagKey": flag_key, "context": context}
    try:
        return json.dumps(body, sort_keys=True, allow_nan=False)
    except (ValueError, TypeError):
        safe = {"flagKey": flag_key, "context": _json_safe(context)}
        return json.dumps(safe, sort_keys=True).replace(f'"{_NOT_FINITE}"', "1e999")


# A placeholder for numbers that JSON cannot represent. Random, so no context contains it.
_NOT_FINITE = f"not finite {uuid4()}"


def _json_safe(value: Any) -> Any:
    """A copy without values that JSON cannot represent.

    Numbers that are not finite stay so: if they became null, the server would look up the dotted
    path instead.
    """
    if isinstance(value, dict):
        return {name: _json_safe(each) for name, each in value.items() if isinstance(name, str)}
    if isinstance(value, list):
        return [_json_safe(each) for each in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if is_number(value) else _NOT_FINITE
    return value if isinstance(value, str | bool) else None

"""Remote mode: the server evaluates, and its results are cached."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Literal
from uuid import uuid4

from ._circuit_breaker import CircuitBreaker
from ._engine import is_number
from ._errors import SyncError
from ._evaluate_client import EvaluateClient
from ._evaluation_cache import EvaluationCache
from ._flag_snapshot import FlagSnapshot
from ._options import Options
from ._pending_request import PendingRequest, SingleFlight
from ._resolution import ResultWithTelemetry, Unavailable


class RemoteEvaluator:
    """Evaluates on the server; if it is unreachable, with local flags or a cached result."""

    def __init__(
        self,
        options: Options,
        local_flags: Callable[[], FlagSnapshot | None],
        on_availability: Callable[[], None],
    ) -> None:
        """`on_availability` is called when `is_available` may have changed."""
        assert options.address is not None
        timing, timeout_ms = options.timing, options.request_timeout_ms
        self._local_flags = local_flags
        self._breaker = CircuitBreaker(timing, timeout_ms, on_availability)
        self._client = EvaluateClient(options.address, timeout_ms, self._breaker)
        self._cache = EvaluationCache(
            options.cache_ttl_ms, options.cache_entries, timing.server_lag_ms
        )
        self._single_flight: SingleFlight[ResultWithTelemetry] = SingleFlight()
        self._on_availability = on_availability
        self._request_timeout_s = timeout_ms / 1_000
        # The key may evaluate, but it may not read the flag set.
        self._evaluate_only = False
        self._recovery: threading.Thread | None = None

    @property
    def is_available(self) -> bool:
        """Whether the server evaluates for a key that may not read the flag set."""
        return self._evaluate_only and self.circuit_error is None

    @property
    def circuit_error(self) -> SyncError | None:
        """Why the server receives no requests at the moment, or None if it does."""
        return self._breaker.circuit_error

    def probe(self, deadline: float) -> SyncError | None:
        """Finds out whether a key that may not read the flag set may evaluate."""
        error = self._client.probe(deadline)
        self._evaluate_only = error is None
        return error

    def recover(self) -> None:
        """Probes on another thread until `is_available`, so no evaluation has to find that out."""
        if self._recovery is not None and self._recovery.is_alive():
            return
        recovery = threading.Thread(target=self._recover, name="pennon-recover", daemon=True)
        # The exiting interpreter starts no threads.
        with suppress(RuntimeError):
            recovery.start()
            self._recovery = recovery

    def _recover(self) -> None:
        while not self.is_available:
            if self._client.wait_until_closed(self._breaker.seconds_until_trial()):
                return
            error = self._client.probe_once(time.monotonic() + self._request_timeout_s)
            if error is not None:
                self._breaker.trip(error)
                continue
            self._evaluate_only = True
            self._breaker.reset()
            self._on_availability()

    def evaluate(self, flag_key: str, context: dict[str, Any]) -> ResultWithTelemetry:
        body = _request_body(flag_key, context)
        result = self._cache.get(body)
        if result is None:
            try:
                result = self._request(flag_key, body).result()
            except SyncError as error:
                result = self._fallback(flag_key, context, body, error)
        return self._with_telemetry(result)

    async def evaluate_async(self, flag_key: str, context: dict[str, Any]) -> ResultWithTelemetry:
        body = _request_body(flag_key, context)
        result = self._cache.get(body)
        if result is None:
            try:
                result = await self._request(flag_key, body).result_async()
            except SyncError as error:
                result = self._fallback(flag_key, context, body, error)
        return self._with_telemetry(result)

    def invalidate(self, flag_keys: Iterable[str]) -> None:
        """Removes the results of flags that changed from the cache."""
        self._cache.invalidate(flag_keys)

    def close(self) -> None:
        self._client.close()

    def after_fork(self) -> None:
        self._client.after_fork()
        self._cache.after_fork()
        self._single_flight = SingleFlight()
        self._recovery = None

    def _request(self, flag_key: str, body: str) -> PendingRequest[ResultWithTelemetry]:
        generation = self._cache.generation

        def store(result: ResultWithTelemetry) -> None:
            self._cache.set(body, result, generation)

        # A request from before a change is not shared with callers after it.
        return self._single_flight.run(
            (body, generation), lambda: self._client.evaluate(flag_key, body, store)
        )

    def _fallback(
        self, flag_key: str, context: dict[str, Any], body: str, error: SyncError
    ) -> ResultWithTelemetry:
        if error.is_context_error:
            return _unavailable(flag_key, "INVALID_CONTEXT", error)
        flags = self._local_flags()
        if flags is not None:
            return flags.evaluate_with_telemetry(flag_key, context)
        return self._cache.get_expired(body) or _unavailable(flag_key, "GENERAL", error)

    def _with_telemetry(self, result: ResultWithTelemetry) -> ResultWithTelemetry:
        """Adds what an older server does not send, or an error does not contain."""
        flags = self._local_flags()
        if result.telemetry or flags is None:
            return result
        return result._replace(telemetry=flags.telemetry_of(result.result.flag_key))


def _unavailable(
    flag_key: str, code: Literal["INVALID_CONTEXT", "GENERAL"], error: SyncError
) -> ResultWithTelemetry:
    return ResultWithTelemetry(Unavailable(flag_key, code, error.message), {})


def _request_body(flag_key: str, context: dict[str, Any]) -> str:
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

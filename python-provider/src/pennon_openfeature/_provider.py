"""The OpenFeature provider."""

from __future__ import annotations

import logging
import math
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NoReturn

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode, OpenFeatureError, ProviderFatalError
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider import Metadata, ProviderStatus
from openfeature.provider._registry import provider_registry
from openfeature.track import TrackingEventDetails

from ._events import EventCounts
from ._flag_file import FilePath, parse_local_flags
from ._flag_snapshot import FlagSnapshot
from ._measured import Experiment
from ._options import (
    Options,
    ProviderMode,
    option_warnings,
    parse_address,
    parse_network,
    unknown_option,
    validate_duration,
    validate_options,
    validate_origin,
)
from ._process import Pause, check, check_fork, register, unregister
from ._provider_state import ProviderStateMachine
from ._resolution import (
    EvaluationResult,
    ResultWithTelemetry,
    no_flags,
    to_plain_attributes,
    to_plain_context,
)
from ._resolvers import Resolvers
from ._session import EXIT_TIMEOUT_S, Session
from ._sources import Freshness
from ._timing import LONGEST_TIMER_MS, Timing

logger = logging.getLogger("pennon_openfeature")


class Snapshot:
    """Flags of one revision, which do not change while several of them are read."""

    __slots__ = ("_flags", "_report")

    def __init__(
        self,
        flags: FlagSnapshot | None,
        report: Callable[[EvaluationResult, Sequence[Experiment], dict[str, Any]], None],
    ) -> None:
        """`report` is called with each result that the application gets, the experiments to which
        it is an exposure, and its context.
        """
        self._flags = flags
        self._report = report

    @property
    def revision(self) -> int | None:
        return self._flags.flag_set.revision if self._flags else None

    def evaluate(self, flag_key: str, context: Mapping[str, Any] | None = None) -> EvaluationResult:
        plain = to_plain_attributes(context or {})
        flags = self._flags
        if flags is None:
            result: EvaluationResult = no_flags(flag_key).result
            self._report(result, (), plain)
        else:
            result = flags.evaluate(flag_key, plain)
            self._report(result, flags.experiments_of(result), plain)
        return result

    def evaluate_all(self, context: Mapping[str, Any] | None = None) -> dict[str, EvaluationResult]:
        """The result of every flag, by its key. The application has not used any of them yet, so
        none is an exposure.
        """
        if self._flags is None:
            return {}
        plain = to_plain_attributes(context or {})
        return {key: self._flags.evaluate(key, plain) for key in self._flags.flag_set.flags}


class PennonProvider(Resolvers):
    """Evaluates feature flags from Pennon in this process and follows their changes.

    >>> from openfeature import api
    >>> from pennon_openfeature import PennonProvider
    >>> provider = PennonProvider(url="https://flags.example.com", key="…")  # doctest: +SKIP
    >>> api.set_provider_and_wait(provider)  # doctest: +SKIP
    >>> api.get_client().get_boolean_value("new-checkout", False)  # doctest: +SKIP
    """

    _timing: ClassVar[Timing] = Timing()

    def __init__(  # noqa: PLR0913 - options, by keyword
        self,
        *,
        url: str | None = None,
        key: str | None = None,
        environment: str | None = None,
        mode: ProviderMode = "in-process",
        init_timeout_ms: float = 2_000,
        stream: bool = True,
        poll_interval_ms: float = 30_000,
        cache_file: FilePath | None = None,
        bootstrap: FilePath | Mapping[str, Any] | None = None,
        offline_file: FilePath | None = None,
        flags: Mapping[str, Any] | None = None,
        cache_ttl_ms: float = 60_000,
        cache_entries: int = 10_000,
        request_timeout_ms: float = 2_000,
        usage: bool = True,
        events: bool = True,
        events_flush_ms: float = 5_000,
        events_queue: int = 10_000,
        hash_units: bool = False,
        headers: Mapping[str, str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        # Type checkers reject them, because no value is of this type.
        **unknown: NoReturn,
    ) -> None:
        arguments = locals()
        super().__init__()
        defaults = PennonProvider.__init__.__kwdefaults__ or {}
        for name in unknown:
            raise unknown_option(name, defaults)
        given = [name for name, default in defaults.items() if arguments[name] != default]
        validate_origin(given)
        network = parse_network(headers, ssl_context, proxy)
        is_local = flags is not None or offline_file is not None
        self._options = validate_options(
            Options(
                address=None if is_local else parse_address(url, key, environment, network),
                mode=mode,
                init_timeout_ms=init_timeout_ms,
                stream=stream,
                poll_interval_ms=poll_interval_ms,
                cache_file=cache_file,
                bootstrap=bootstrap,
                offline_file=offline_file,
                flags=None if flags is None else parse_local_flags(flags),
                cache_ttl_ms=cache_ttl_ms,
                cache_entries=cache_entries,
                request_timeout_ms=request_timeout_ms,
                usage=usage,
                events=events,
                events_flush_ms=events_flush_ms,
                events_queue=events_queue,
                hash_units=hash_units,
                timing=self._timing,
            )
        )
        for warning in option_warnings(given, self._options):
            logger.warning("%s", warning)
        self._state = ProviderStateMachine(
            self.emit, self._set_status, self._is_announced, self._timing.event_delay_ms
        )
        self._session: Session | None = None

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002
        """Returns when flags are available. Raises if there are none within `init_timeout_ms`."""
        if self._session is not None:
            self.shutdown()
        self._state.start()
        session = self._session = Session(self._options, self._state)
        register(self, has_threads=self._options.flags is None)
        try:
            session.start()
        except Exception as error:
            # The session continues, so the provider becomes ready when flags arrive.
            is_fatal = isinstance(error, ProviderFatalError)
            self._state.finish_start("unauthorized" if is_fatal else "error")
            raise
        self._state.finish_start("ready")

    def shutdown(self) -> None:
        """Ends all threads and connections."""
        # In a child, they would be those of the parent.
        check()
        unregister(self)
        self._state.close()
        session, self._session = self._session, None
        if session is not None:
            session.stop()

    def at_exit(self) -> None:
        """Ends events and file writes before the interpreter exits. Evaluations still work."""
        self._state.close()
        if self._session is not None:
            self._session.stop(EXIT_TIMEOUT_S)

    def after_pause(self, pause: Pause) -> None:
        """Finds out what changed while no thread of this process ran."""
        if self._session is not None:
            self._session.after_pause(pause)

    def after_fork(self, pause: Pause) -> None:
        """Continues in a forked child with threads and connections of its own."""
        self._state.after_fork()
        if self._session is None:
            return
        # Before anything else, so that stopping the session does not affect the parent.
        self._session.after_fork(pause)
        if self._state.state == "starting":
            threading.Thread(target=self._restart, name="pennon-start", daemon=True).start()

    def _restart(self) -> None:
        """Does what the SDK was doing when the process forked: its thread is in the parent."""
        try:
            self.initialize(EvaluationContext())
        except Exception as error:  # noqa: BLE001 - emitted, as the SDK does
            code = error.error_code if isinstance(error, OpenFeatureError) else ErrorCode.GENERAL
            details = ProviderEventDetails(message=str(error), error_code=code)
            self.emit(ProviderEvent.PROVIDER_ERROR, details)
        else:
            self.emit(ProviderEvent.PROVIDER_READY, ProviderEventDetails())

    def emit(self, event: ProviderEvent, details: ProviderEventDetails) -> None:
        # Read once, because the SDK may detach at any time.
        on_emit = getattr(self, "_on_emit", None)
        if on_emit is None:
            return
        try:
            on_emit(self, event, details)
        except RuntimeError as error:
            # The SDK cannot run handlers while the interpreter exits.
            logger.debug("an event could not be emitted: %s", error)
        except Exception:
            logger.exception("an event could not be emitted")

    def _set_status(self, event: ProviderEvent, details: ProviderEventDetails) -> None:
        """Does nothing before the SDK has announced the start, which sets the status again."""
        if self._has_status():
            provider_registry._update_provider_status(self, event, details)

    def _is_announced(self) -> bool:
        """Whether the SDK has announced the start. An application may call `initialize` itself."""
        return getattr(self, "_on_emit", None) is None or self._has_status()

    def _has_status(self) -> bool:
        return provider_registry.get_provider_status(self) != ProviderStatus.NOT_READY

    def __hash__(self) -> int:
        # The SDK looks up a status by the hash of its provider, and calls nothing else for that.
        check_fork()
        return super().__hash__()

    def get_metadata(self) -> Metadata:
        # The SDK calls this when it announces the start: after it has set the status to READY, and
        # before it calls handlers. A fork changes the state, so it is noticed first.
        check_fork()
        self._state.correct_status()
        return Metadata(name="pennon")

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Reports an event to the server, if an experiment measures it. Never raises.

        `evaluation_context` needs the attributes by which experiments are bucketed, such as the
        targeting key. Nothing else of it is sent.
        """
        try:
            check()
            if self._session is not None:
                context = to_plain_context(evaluation_context)
                self._session.track(tracking_event_name, context, tracking_event_details)
        except Exception:
            logger.exception("an event could not be reported")

    def set_flags(self, flags: Mapping[str, Any]) -> None:
        """Replaces all flags of a provider that was created with the option `flags`.

        Emits PROVIDER_CONFIGURATION_CHANGED if results may differ. Raises ValueError, and keeps the
        current flags, if a flag is malformed.
        """
        if self._options.flags is None:
            raise ValueError("set_flags requires a provider with the option flags")
        flag_set = parse_local_flags(flags)
        self._options = replace(self._options, flags=flag_set)
        if self._session is not None:
            self._session.set_flags(flag_set)

    def refresh(self, timeout_ms: float = 2_000) -> bool:
        """Requests the current flags and waits until they are in use.

        Returns False if that takes longer than `timeout_ms`, or after `shutdown`. Needed only if
        the process was paused, as serverless functions are. In remote mode, it also requests cached
        results again; an offline file is read again. Concurrent calls share one request.
        """
        validate_duration("timeout_ms", timeout_ms, math.inf)
        deadline = time.monotonic() + min(timeout_ms, LONGEST_TIMER_MS) / 1_000
        check()
        return self._session is not None and self._session.refresh(deadline)

    def freshness(self) -> Freshness:
        """How current the flags are, and why."""
        check()
        return self._session.freshness() if self._session else Freshness("stopped")

    def evaluate(
        self,
        flag_key: str,
        context: Mapping[str, Any] | None = None,
        *,
        expose: bool = True,
    ) -> EvaluationResult:
        """Evaluates a flag without the overhead of the OpenFeature client, for hot loops.

        `context` holds `targetingKey` and any attributes. In remote mode the server evaluates.
        `expose=False`: the result is not an exposure to an experiment, because no user gets it.
        """
        plain = to_plain_attributes(context or {})
        evaluated = self._evaluate(flag_key, plain)
        self._report_result(evaluated, plain, is_exposure=expose)
        return evaluated.result

    def snapshot(self, *, expose: bool = True) -> Snapshot:
        """The current flags, for reading several of one revision.

        `expose=False`: its results are not exposures to experiments, because no user gets them.
        """
        check()
        session = self._session
        report = self._report_exposure if expose else self._report_count
        return Snapshot(session.snapshot if session else None, report)

    def flush(self, timeout_ms: float = 2_000) -> bool:
        """Sends the exposures and events that are queued, and waits until the server has them.

        Returns False if that takes longer than `timeout_ms`, or if some are dropped. `shutdown`
        sends them, too, so this is needed only if the process may be frozen or killed.
        """
        validate_duration("timeout_ms", timeout_ms, math.inf)
        deadline = time.monotonic() + min(timeout_ms, LONGEST_TIMER_MS) / 1_000
        check()
        return self._session is None or self._session.flush(deadline)

    @property
    def events(self) -> EventCounts:
        """How many exposures and events of this process were sent, and why others were not."""
        check()
        return self._session.event_counts() if self._session else EventCounts()

    def _report(
        self,
        evaluated: ResultWithTelemetry,
        context: dict[str, Any],
        details: FlagResolutionDetails[Any],
    ) -> None:
        is_mismatch = details.error_code is ErrorCode.TYPE_MISMATCH
        self._report_result(evaluated, context, is_mismatch=is_mismatch)

    def _report_result(
        self,
        evaluated: ResultWithTelemetry,
        context: dict[str, Any],
        *,
        is_mismatch: bool = False,
        is_exposure: bool = True,
    ) -> None:
        session = self._session
        if session is None:
            return
        if not evaluated.is_counted:
            session.count(evaluated.result, is_mismatch=is_mismatch)
        if evaluated.experiments and is_exposure and not is_mismatch:
            session.expose(evaluated.result, evaluated.experiments, context)

    def _report_exposure(
        self, result: EvaluationResult, experiments: Sequence[Experiment], context: dict[str, Any]
    ) -> None:
        session = self._session
        if session is not None:
            session.count(result)
            if experiments:
                session.expose(result, experiments, context)

    def _report_count(
        self, result: EvaluationResult, _experiments: object, _context: object
    ) -> None:
        if self._session is not None:
            self._session.count(result)

    def _evaluate(self, flag_key: str, context: dict[str, Any]) -> ResultWithTelemetry:
        check()
        session = self._session
        return session.evaluate(flag_key, context) if session else no_flags(flag_key)

    async def _evaluate_async(self, flag_key: str, context: dict[str, Any]) -> ResultWithTelemetry:
        check()
        session = self._session
        return await session.evaluate_async(flag_key, context) if session else no_flags(flag_key)

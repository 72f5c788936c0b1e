"""The OpenFeature provider: ten resolvers over one decision, and a life from start to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode, OpenFeatureError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import AbstractProvider, Metadata
from openfeature.track import TrackingEventDetails

from ._answer import Answer, no_flags
from ._context import plain_attributes, plain_context
from ._copies import FilePath
from ._events import Teller
from ._follow import Following
from ._freshness import Freshness
from ._live import Live
from ._options import Options, ProviderMode, address_of, checked
from ._pace import Pace
from ._process import runs, runs_no_longer
from ._remote import Remote
from ._resolution import Kind, failure, resolution
from ._sources import AnswerSource, AnswerWithFacts, InProcess, OfflineFile, answered

logger = logging.getLogger("pennon_openfeature")

ObjectValue = Sequence[FlagValueType] | Mapping[str, FlagValueType]


class Snapshot:
    """Flags that do not change while they are read: all of one revision."""

    __slots__ = ("_live",)

    def __init__(self, live: Live | None) -> None:
        self._live = live

    @property
    def revision(self) -> int | None:
        return self._live.flag_set.revision if self._live else None

    def evaluate(self, flag_key: str, context: Mapping[str, Any] | None = None) -> Answer:
        return answered(self._live, flag_key, plain_attributes(context or {}))[0]

    def evaluate_all(self, context: Mapping[str, Any] | None = None) -> dict[str, Answer]:
        """What every flag answers, by its key."""
        if self._live is None:
            return {}
        plain = plain_attributes(context or {})
        return {key: self._live.evaluate(key, plain) for key in self._live.flag_set.flags}


class PennonProvider(AbstractProvider):
    """Feature flags from Pennon, decided in this process and kept current over one connection.

    >>> from openfeature import api
    >>> from pennon_openfeature import PennonProvider
    >>> provider = PennonProvider(url="https://flags.example.com", key="…")  # doctest: +SKIP
    >>> api.set_provider_and_wait(provider)  # doctest: +SKIP
    >>> api.get_client().get_boolean_value("new-checkout", False)  # doctest: +SKIP
    """

    _pace: ClassVar[Pace] = Pace()

    def __init__(  # noqa: PLR0913 - each is an option of its own, by keyword
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
        cache_ttl_ms: float = 60_000,
        cache_entries: int = 10_000,
        request_timeout_ms: float = 2_000,
    ) -> None:
        super().__init__()
        self._options = checked(
            Options(
                address=address_of(url, key, environment),
                mode=mode,
                init_timeout_ms=init_timeout_ms,
                stream=stream,
                poll_interval_ms=poll_interval_ms,
                cache_file=cache_file,
                bootstrap=bootstrap,
                offline_file=offline_file,
                cache_ttl_ms=cache_ttl_ms,
                cache_entries=cache_entries,
                request_timeout_ms=request_timeout_ms,
                pace=self._pace,
            )
        )
        self._teller = Teller(self.emit, self._pace.after_told_ms)
        self._source: AnswerSource | None = None
        self._is_starting = False

    # The life of a provider

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002
        """Returns once there are flags: within `init_timeout_ms`, or it raises why not."""
        if self._source is not None:
            self.shutdown()
        source = self._source = self._made_source()
        self._is_starting = True
        runs(self)
        try:
            source.start(self._options.init_timeout_ms)
        except Exception:
            # What is followed is followed on: when flags come after all, READY is told.
            self._teller.failed()
            raise
        else:
            self._teller.initialized()
        finally:
            self._is_starting = False

    def shutdown(self) -> None:
        """At once: no thread and no connection is left."""
        runs_no_longer(self)
        self._teller.stop()
        source, self._source = self._source, None
        if source is not None:
            source.stop(patience_s=1)

    def at_exit(self) -> None:
        """As the interpreter ends: nothing is told, no file is left half written, answers go on."""
        self._teller.stop()
        if self._source is not None:
            self._source.stop(patience_s=0.1)

    def after_fork(self) -> None:
        """Called in a forked child: its answers go on, and it follows on its own."""
        self._teller.after_fork()
        if self._source is None:
            return
        # First, so that stopping it later touches nothing that is the parent's.
        self._source.after_fork()
        if self._is_starting:
            threading.Thread(target=self._start_again, name="pennon-start", daemon=True).start()

    def _start_again(self) -> None:
        """On behalf of the SDK, whose thread that was within `initialize` is the parent's."""
        try:
            self.initialize(EvaluationContext())
        except Exception as error:  # noqa: BLE001 - told, as the SDK tells it
            code = error.error_code if isinstance(error, OpenFeatureError) else ErrorCode.GENERAL
            details = ProviderEventDetails(message=str(error), error_code=code)
            self.emit(ProviderEvent.PROVIDER_ERROR, details)
        else:
            self.emit(ProviderEvent.PROVIDER_READY, ProviderEventDetails())

    def _made_source(self) -> AnswerSource:
        options = self._options
        if options.offline_file is not None:
            return OfflineFile(options.offline_file, options, self._teller)
        assert options.address is not None
        following = Following(
            options.address, options.stream, options.poll_interval_ms, options.pace
        )
        make = InProcess if options.mode == "in-process" else Remote
        return make(following, options, self._teller)

    def emit(self, event: ProviderEvent, details: ProviderEventDetails) -> None:
        # Read once: the SDK may detach between asking whether it is there and calling it.
        on_emit = getattr(self, "_on_emit", None)
        if on_emit is None:
            return
        try:
            on_emit(self, event, details)
        except RuntimeError as error:
            # While the interpreter ends, the SDK takes no more events, and nobody hears them.
            logger.debug("an event could not be told: %s", error)
        except Exception:
            logger.exception("an event could not be told")

    def get_metadata(self) -> Metadata:
        return Metadata(name="pennon")

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Does nothing: there are no tracking events yet."""

    # Beside OpenFeature

    def freshness(self) -> Freshness:
        """How current the flags are, and why."""
        return self._source.freshness() if self._source else Freshness("stopped")

    def evaluate(self, flag_key: str, context: Mapping[str, Any] | None = None) -> Answer:
        """Decide one flag on the same live data, without OpenFeature's costs: for hot loops.

        `context` holds `targetingKey` and any attributes. In remote mode it asks the server.
        """
        if self._source is None:
            return no_flags(flag_key)
        return self._source.answer(flag_key, plain_attributes(context or {}))[0]

    def snapshot(self) -> Snapshot:
        """The flags of this moment, to read several of one revision."""
        return Snapshot(self._source.live() if self._source else None)

    # Resolvers

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        return self._resolve(flag_key, default_value, evaluation_context, "boolean")

    async def resolve_boolean_details_async(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        return await self._resolve_async(flag_key, default_value, evaluation_context, "boolean")

    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        return self._resolve(flag_key, default_value, evaluation_context, "string")

    async def resolve_string_details_async(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        return await self._resolve_async(flag_key, default_value, evaluation_context, "string")

    def resolve_integer_details(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[int]:
        return self._resolve(flag_key, default_value, evaluation_context, "integer")

    async def resolve_integer_details_async(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[int]:
        return await self._resolve_async(flag_key, default_value, evaluation_context, "integer")

    def resolve_float_details(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[float]:
        return self._resolve(flag_key, default_value, evaluation_context, "float")

    async def resolve_float_details_async(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[float]:
        return await self._resolve_async(flag_key, default_value, evaluation_context, "float")

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: ObjectValue,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[ObjectValue]:
        return self._resolve(flag_key, default_value, evaluation_context, "object")

    async def resolve_object_details_async(
        self,
        flag_key: str,
        default_value: ObjectValue,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[ObjectValue]:
        return await self._resolve_async(flag_key, default_value, evaluation_context, "object")

    def _resolve(
        self, flag_key: str, default_value: Any, context: EvaluationContext | None, kind: Kind
    ) -> FlagResolutionDetails[Any]:
        """One answer of the type that was asked for; it never raises."""
        try:
            return _details(self._answer(flag_key, plain_context(context)), default_value, kind)
        except Exception as error:  # noqa: BLE001 - an application asked for a flag, not for this
            return _unexpected(error, default_value)

    async def _resolve_async(
        self, flag_key: str, default_value: Any, context: EvaluationContext | None, kind: Kind
    ) -> FlagResolutionDetails[Any]:
        """As above; where the server must be asked, a thread waits for it and not the loop."""
        source = self._source
        try:
            if not isinstance(source, Remote):
                return self._resolve(flag_key, default_value, context, kind)
            answered_there = await source.answer_async(flag_key, plain_context(context))
            return _details(answered_there, default_value, kind)
        except Exception as error:  # noqa: BLE001 - as above
            return _unexpected(error, default_value)

    def _answer(self, flag_key: str, context: dict[str, Any]) -> AnswerWithFacts:
        source = self._source
        return source.answer(flag_key, context) if source else (no_flags(flag_key), {})


def _details(
    answer_with_facts: AnswerWithFacts, default_value: Any, kind: Kind
) -> FlagResolutionDetails[Any]:
    answer, facts = answer_with_facts
    own = getattr(answer, "metadata", None)
    # Not shared: it is the application's now.
    metadata = {**own, **facts} if own else {**facts}
    return resolution(answer, default_value, kind, metadata)


def _unexpected(error: Exception, default_value: Any) -> FlagResolutionDetails[Any]:
    return failure(default_value, ErrorCode.GENERAL, f"{type(error).__name__}: {error}", {})

"""The OpenFeature provider: ten resolvers over one decision, and a life from start to stop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import AbstractProvider, Metadata
from openfeature.track import TrackingEventDetails

from ._context import plain_attributes, plain_context
from ._copies import FilePath
from ._engine import Evaluation
from ._events import Teller
from ._follow import Following
from ._fork import follow_into_forks, no_longer
from ._live import Live
from ._options import Options, ProviderMode, address_of, checked
from ._pace import Pace
from ._remote import Remote
from ._resolution import Kind, failure, resolution
from ._sources import AnswerSource, InProcess, NotReadyError, OfflineFile
from ._status import Status
from ._trouble import Trouble

logger = logging.getLogger("pennon_openfeature")

ObjectValue = Sequence[FlagValueType] | Mapping[str, FlagValueType]


class Snapshot:
    """Several flags read from one revision, however the flag set changes meanwhile."""

    __slots__ = ("_live",)

    def __init__(self, live: Live) -> None:
        self._live = live

    @property
    def revision(self) -> int:
        return self._live.flag_set.revision

    def evaluate(self, flag_key: str, context: Mapping[str, Any] | None = None) -> Evaluation:
        return self._live.evaluate(flag_key, plain_attributes(context or {}))


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
        cache_max_age_ms: float | None = None,
        bootstrap: FilePath | Mapping[str, Any] | None = None,
        offline_file: FilePath | None = None,
        cache_ttl_ms: float = 60_000,
        cache_size: int = 10_000,
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
                cache_max_age_ms=cache_max_age_ms,
                bootstrap=bootstrap,
                offline_file=offline_file,
                cache_ttl_ms=cache_ttl_ms,
                cache_size=cache_size,
                pace=self._pace,
            )
        )
        self._teller = Teller(self.emit, self._pace.after_ready_ms)
        self._source: AnswerSource | None = None

    # The life of a provider

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002
        """Returns once there are flags: within `init_timeout_ms`, or it raises why not."""
        if self._source is not None:
            self.shutdown()
        source = self._source = self._made_source()
        follow_into_forks(self)
        try:
            source.start(self._options.init_timeout_ms)
        except Exception:
            # What is followed is followed on: when flags come after all, READY is told.
            self._teller.failed()
            raise
        self._teller.initialized()

    def shutdown(self) -> None:
        """At once: no thread and no connection is left."""
        no_longer(self)
        self._teller.stop()
        source, self._source = self._source, None
        if source is not None:
            source.stop()

    def after_fork(self) -> None:
        """Called in a forked child: its answers go on, and it follows on its own."""
        self._teller.after_fork()
        if self._source is not None:
            self._source.after_fork()

    def _made_source(self) -> AnswerSource:
        options = self._options
        if options.offline_file is not None:
            return OfflineFile(options.offline_file, options.pace.look_ms, self._teller)
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
        except Exception:
            # While the interpreter ends, the SDK takes no more events, and nobody hears them.
            if threading.main_thread().is_alive():
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

    def status(self) -> Status:
        """How current the flags are, and why."""
        return self._source.status() if self._source else Status("stopped")

    def evaluate(self, flag_key: str, context: Mapping[str, Any] | None = None) -> Evaluation:
        """Decide one flag on the same live data, without OpenFeature's costs: for hot loops.

        `context` holds `targetingKey` and any attributes. In remote mode it asks the server.
        It raises NotReadyError where there is nothing to answer from.
        """
        try:
            evaluation, _ = self._ready().answer(flag_key, plain_attributes(context or {}))
        except Trouble as trouble:
            raise NotReadyError(trouble.message) from trouble
        return evaluation

    def snapshot(self) -> Snapshot:
        """The flags of one revision; not in remote mode, where the server has them."""
        live = self._source.live() if self._source else None
        if live is None:
            raise NotReadyError("there are no flags in this process")
        return Snapshot(live)

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
            evaluation, metadata = self._ready().answer(flag_key, plain_context(context))
            return resolution(evaluation, default_value, kind, metadata)
        except NotReadyError as error:
            return failure(default_value, ErrorCode.PROVIDER_NOT_READY, str(error), {})
        except Trouble as trouble:
            return failure(default_value, ErrorCode.GENERAL, trouble.message, {})
        except Exception as error:  # noqa: BLE001 - an application asked for a flag, not for this
            message = f"{type(error).__name__}: {error}"
            return failure(default_value, ErrorCode.GENERAL, message, {})

    async def _resolve_async(
        self, flag_key: str, default_value: Any, context: EvaluationContext | None, kind: Kind
    ) -> FlagResolutionDetails[Any]:
        """As above; where the server must be asked, a thread waits for it and not the loop."""
        source = self._source
        if isinstance(source, Remote) and not source.remembers(flag_key, plain_context(context)):
            return await asyncio.to_thread(self._resolve, flag_key, default_value, context, kind)
        return self._resolve(flag_key, default_value, context, kind)

    def _ready(self) -> AnswerSource:
        if self._source is None:
            raise NotReadyError("the provider has not been initialized")
        return self._source

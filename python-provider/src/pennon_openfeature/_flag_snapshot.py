"""Compiled flag sets. One immutable object is one revision."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ._context import to_plain_attributes
from ._engine import (
    ChangedKeys,
    CompiledFlagSet,
    Evaluation,
    affected_flags,
    changed_keys,
    compile,  # noqa: A004
    evaluate,
)
from ._errors import SyncError
from ._flag_set import FlagSet, reuse_unchanged
from ._resolution import (
    EvaluationResult,
    FlagTelemetry,
    ResultWithTelemetry,
    flag_telemetry,
    no_flags,
)

logger = logging.getLogger("pennon_openfeature")


class FlagSnapshot:
    """The flags that evaluations read. A new revision is a new object, so no lock is needed."""

    __slots__ = ("_telemetry", "affected", "changed", "compiled", "flag_set")

    def __init__(
        self,
        flag_set: FlagSet,
        previous: FlagSnapshot | None = None,
        changed: ChangedKeys | None = None,
    ) -> None:
        """`changed` are the differences from `previous`, or None if they are not known.

        Raises SyncError if this engine cannot read the format of the flag set.
        """
        if previous is not None and changed is None:
            flag_set = reuse_unchanged(previous.flag_set, flag_set)
        self.flag_set: FlagSet = flag_set
        self.compiled: CompiledFlagSet = compile(
            self.flag_set.document(), previous.compiled if previous else None
        )
        if self.compiled.refused:
            raise SyncError(self.compiled.problems[0].message)
        # The flags that differ from the previous snapshot, even if only by their version.
        self.changed: frozenset[str] = frozenset(flag_set.flags)
        # The keys of all flags with results that may differ from those of the previous snapshot.
        self.affected: list[str] = sorted(flag_set.flags)
        if previous is not None:
            keys = changed or changed_keys(previous.flag_set, flag_set)
            self.changed, self.affected = keys.flags, _affected_flags(previous, self, keys)
        self._telemetry: dict[str, FlagTelemetry] = {}
        _log_problems(self)

    def evaluate(self, flag_key: str, context: object) -> Evaluation:
        return evaluate(self.compiled, flag_key, context)

    def evaluate_with_telemetry(self, flag_key: str, context: object) -> ResultWithTelemetry:
        return ResultWithTelemetry(self.evaluate(flag_key, context), self.telemetry_of(flag_key))

    def telemetry_of(self, flag_key: str) -> FlagTelemetry:
        telemetry = self._telemetry.get(flag_key)
        if telemetry is None:
            telemetry = self._make_telemetry(flag_key)
            # Unknown keys are not stored, since callers may pass any number of them.
            if flag_key in self.flag_set.flags:
                self._telemetry[flag_key] = telemetry
        return telemetry

    def _make_telemetry(self, flag_key: str) -> FlagTelemetry:
        definition = self.flag_set.flags.get(flag_key)
        version = definition.get("version") if isinstance(definition, dict) else None
        return MappingProxyType(dict(flag_telemetry(version, self.flag_set.environment)))


class Snapshot:
    """Flags of one revision, which do not change while several of them are read."""

    __slots__ = ("_flags",)

    def __init__(self, flags: FlagSnapshot | None) -> None:
        self._flags = flags

    @property
    def revision(self) -> int | None:
        return self._flags.flag_set.revision if self._flags else None

    def evaluate(self, flag_key: str, context: Mapping[str, Any] | None = None) -> EvaluationResult:
        if self._flags is None:
            return no_flags(flag_key).result
        return self._flags.evaluate(flag_key, to_plain_attributes(context or {}))

    def evaluate_all(self, context: Mapping[str, Any] | None = None) -> dict[str, EvaluationResult]:
        """The result of every flag, by its key."""
        if self._flags is None:
            return {}
        plain = to_plain_attributes(context or {})
        return {key: self._flags.evaluate(key, plain) for key in self._flags.flag_set.flags}


def _affected_flags(
    previous: FlagSnapshot, current: FlagSnapshot, changed: ChangedKeys
) -> list[str]:
    """Changed and removed flags, and the flags that depend on them or on a changed segment.

    A flag that only has another version is not affected.
    """
    dependents = current.compiled.unlinked.values()
    return sorted(affected_flags(previous.flag_set, current.flag_set, changed, dependents))


def _log_problems(snapshot: FlagSnapshot) -> None:
    """Logs the problems of flags that changed; those of unchanged flags are logged already."""
    affected = set(snapshot.affected)
    for problem in snapshot.compiled.problems:
        if problem.flag_key in affected or not problem.flag_key:
            logger.warning("%s", problem)

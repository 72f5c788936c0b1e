"""Compiled flag sets. One immutable object is one revision."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ._engine import (
    CompiledFlagSet,
    Evaluation,
    FlagSetChanges,
    affected_flags,
    changed_keys,
    compile,  # noqa: A004
    evaluate,
    same_json,
)
from ._errors import SyncError
from ._flag_set import FlagSet
from ._measured import NOTHING_MEASURED, Experiment, Measured
from ._resolution import EvaluationResult, FlagTelemetry, ResultWithTelemetry, flag_telemetry

logger = logging.getLogger("pennon_openfeature")


class FlagSnapshot:
    """The flags that evaluations read. A new revision is a new object, so no lock is needed."""

    __slots__ = (
        "_has_experiments",
        "_telemetry",
        "affected",
        "changed",
        "compiled",
        "flag_set",
        "measured",
    )

    def __init__(
        self,
        flag_set: FlagSet,
        previous: FlagSnapshot | None = None,
        changed: FlagSetChanges | None = None,
    ) -> None:
        """`changed` are the differences from `previous`, or None if they are not known.

        Raises SyncError if this engine cannot read the format of the flag set.
        """
        if previous is not None and changed is None:
            flag_set = _reuse_unchanged(previous.flag_set, flag_set)
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
        before = previous.measured if previous else NOTHING_MEASURED
        self.measured: Measured = before.after(flag_set.measured)
        # Most applications have none, and evaluations must not become slower.
        self._has_experiments = self.measured.has_experiments
        _log_problems(self)

    def evaluate(self, flag_key: str, context: object) -> Evaluation:
        return evaluate(self.compiled, flag_key, context)

    def evaluate_with_telemetry(self, flag_key: str, context: object) -> ResultWithTelemetry:
        result = self.evaluate(flag_key, context)
        telemetry = self.telemetry_of(flag_key)
        if not self._has_experiments:
            return ResultWithTelemetry(result, telemetry)
        return ResultWithTelemetry(result, telemetry, self.measured.experiments_of(result))

    def experiments_of(self, result: EvaluationResult) -> Sequence[Experiment]:
        """The running experiments to which a result is an exposure."""
        return self.measured.experiments_of(result) if self._has_experiments else ()

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


def _reuse_unchanged(previous: FlagSet, current: FlagSet) -> FlagSet:
    """`current`, but with the objects of `previous` for all flags and segments that are equal.

    The engine does not compile an object again that it has compiled before.
    """
    return replace(
        current,
        flags=_reuse_equal(previous.flags, current.flags),
        segments=_reuse_equal(previous.segments, current.segments),
    )


def _reuse_equal(previous: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: previous[key] if key in previous and same_json(previous[key], value) else value
        for key, value in current.items()
    }


def _affected_flags(
    previous: FlagSnapshot, current: FlagSnapshot, changed: FlagSetChanges
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

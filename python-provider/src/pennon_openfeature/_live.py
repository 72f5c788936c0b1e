"""A flag set, compiled and ready: one immutable object is one revision."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType

from ._engine import CompiledFlagSet, Evaluation, compile, evaluate  # noqa: A004
from ._flag_set import FlagSet, differing, keeping
from ._trouble import Trouble

logger = logging.getLogger("pennon_openfeature")

FlagMetadata = Mapping[str, "bool | int | float | str"]


class Live:
    """What evaluations read. A new revision is a new object, so no evaluation needs a lock."""

    __slots__ = ("_metadata", "changed", "compiled", "flag_set")

    def __init__(self, flag_set: FlagSet, before: Live | None = None) -> None:
        self.flag_set: FlagSet = keeping(before.flag_set if before else None, flag_set)
        self.compiled: CompiledFlagSet = compile(
            self.flag_set.document(), before.compiled if before else None
        )
        if self.compiled.refused:
            raise Trouble(self.compiled.problems[0].message)
        self.changed = _changed(before, self)
        self._metadata: dict[str, FlagMetadata] = {}
        _warn_of_problems(self)

    def evaluate(self, flag_key: str, context: object) -> Evaluation:
        return evaluate(self.compiled, flag_key, context)

    def metadata_of(self, flag_key: str) -> FlagMetadata:
        """The flag's `version`, and the `flagSetId` that is its environment."""
        known = self._metadata.get(flag_key)
        if known is None:
            known = self._made_metadata(flag_key)
            # Two threads may both make it, which is as good. Of unknown flags there is no end.
            if flag_key in self.flag_set.flags:
                self._metadata[flag_key] = known
        return known

    def _made_metadata(self, flag_key: str) -> FlagMetadata:
        definition = self.flag_set.flags.get(flag_key)
        version = definition.get("version") if isinstance(definition, dict) else None
        metadata: dict[str, bool | int | float | str] = {}
        if isinstance(version, int):
            metadata["version"] = version
        if self.flag_set.environment:
            metadata["flagSetId"] = self.flag_set.environment
        return MappingProxyType(metadata)


def _changed(before: Live | None, after: Live) -> list[str]:
    """Every flag whose answer may be another now, removed ones included."""
    if before is None:
        return sorted(after.flag_set.flags)
    changed = differing(before.flag_set.flags, after.flag_set.flags)
    segments = differing(before.flag_set.segments, after.flag_set.segments)
    for compiled in (before.compiled, after.compiled):
        changed |= {key for key, flag in compiled.parsed.items() if flag.segments_named & segments}
    return sorted(_with_dependents(changed, before.compiled, after.compiled))


def _with_dependents(changed: set[str], *flag_sets: CompiledFlagSet) -> set[str]:
    dependents: dict[str, list[str]] = {}
    for flag_set in flag_sets:
        for key, flag in flag_set.parsed.items():
            for named in flag.flags_named:
                dependents.setdefault(named, []).append(key)
    reached = list(changed)
    for key in reached:
        reached += [other for other in dependents.get(key, ()) if other not in changed]
        changed.update(dependents.get(key, ()))
    return changed


def _warn_of_problems(live: Live) -> None:
    fresh = set(live.changed)
    for problem in live.compiled.problems:
        if problem.flag_key in fresh or not problem.flag_key:
            path = f" {problem.path}" if problem.path else ""
            logger.warning('flag "%s":%s %s', problem.flag_key, path, problem.message)

"""A flag set, compiled: every doubt is settled here, so that evaluating cannot fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .conditions import Segment
from .flags import CompiledFlag, broken, compile_flag
from .graph import cycle_members, depths
from .problems import Problem
from .segments import compile_segment
from .values import as_double, described

FORMAT_VERSION = 1
DEEPEST_CHAIN = 10


@dataclass(frozen=True, slots=True)
class CompiledFlagSet:
    """Immutable; one reference to it is one revision, whichever thread reads it."""

    flags: Mapping[str, CompiledFlag]
    problems: tuple[Problem, ...]
    # No flag set that this engine can read: whoever follows one keeps the set it has.
    refused: bool = False
    # Before links between flags were checked, and the segments' definitions: for the next compile.
    parsed: Mapping[str, CompiledFlag] = field(default_factory=dict)
    segments: Mapping[str, tuple[object, Segment]] = field(default_factory=dict)


def compile(flag_set: object, previous: CompiledFlagSet | None = None) -> CompiledFlagSet:  # noqa: A001
    """Compile a flag set as JSON gives it; it never raises, whatever it is given.

    With `previous`, flags and segments that are the very same objects as last time are not
    compiled again, so those objects must not have been changed in place.
    """
    if not isinstance(flag_set, dict):
        return _refusing(f"a flag set must be an object; it is {described(flag_set)}")
    version = flag_set.get("formatVersion")
    if version is not None and as_double(version) != FORMAT_VERSION:
        return _refusing(
            f"this engine reads the format version {FORMAT_VERSION}; "
            f"it is {described(version)}: upgrade pennon-openfeature"
        )
    flags, segments = flag_set.get("flags"), flag_set.get("segments")
    if not isinstance(flags, dict):
        return _refusing(f'"flags" must be an object; it is {described(flags)}')
    if segments is None or isinstance(segments, dict):
        return _compiled(flags, segments or {}, previous)
    message = f"must be an object; it is {described(segments)}"
    without = _compiled(flags, {}, previous)
    return replace(without, problems=(Problem("", "segments", message), *without.problems))


def _refusing(message: str) -> CompiledFlagSet:
    return CompiledFlagSet({}, (Problem("", "", message),), refused=True)


def _compiled(
    flags: dict[str, object], segments: dict[str, object], previous: CompiledFlagSet | None
) -> CompiledFlagSet:
    before = previous or CompiledFlagSet({}, ())
    compiled_segments = _compile_segments(segments, before)
    usable = {key: segment for key, (_, segment) in compiled_segments.items()}
    unchanged = frozenset(
        key for key, segment in compiled_segments.items() if before.segments.get(key) is segment
    )
    parsed: dict[str, CompiledFlag] = {}
    for key, definition in flags.items():
        known = before.parsed.get(key)
        if known and known.definition is definition and known.segments_named <= unchanged:
            parsed[key] = known
        else:
            parsed[key] = compile_flag(key, definition, usable)
    linked = {**parsed, **_ill_linked(parsed)}
    problems = tuple(problem for flag in linked.values() for problem in flag.problems)
    return CompiledFlagSet(linked, problems, False, parsed, compiled_segments)


def _compile_segments(
    segments: dict[str, object], before: CompiledFlagSet
) -> dict[str, tuple[object, Segment]]:
    compiled: dict[str, tuple[object, Segment]] = {}
    for key, definition in segments.items():
        known = before.segments.get(key)
        if known and known[0] is definition:
            compiled[key] = known
        else:
            compiled[key] = (definition, compile_segment(key, definition))
    return compiled


def _ill_linked(flags: dict[str, CompiledFlag]) -> dict[str, CompiledFlag]:
    """The flags in cycles or nested too deep, broken."""
    graph = {key: flag.flags_named for key, flag in flags.items() if flag.flags_named}
    if not graph:
        return {}
    in_cycles = cycle_members(graph)
    open_ends = {key: children for key, children in graph.items() if key not in in_cycles}
    too_deep = [key for key, depth in depths(open_ends).items() if depth > DEEPEST_CHAIN]
    cycle = "depends on itself through the conditions of flags; break the cycle"
    chain = f"is more than {DEEPEST_CHAIN} flags deep; shorten the chain of flag conditions"
    return {
        **{key: broken(flags[key], (Problem(key, "", cycle),)) for key in sorted(in_cycles)},
        **{key: broken(flags[key], (Problem(key, "", chain),)) for key in too_deep},
    }

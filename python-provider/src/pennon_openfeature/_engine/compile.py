"""Compiles flag sets. Everything that can fail does so here, so evaluating cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .conditions import CompiledSegment
from .envelope import Envelope, read_envelope
from .flags import CompiledFlag, as_malformed, compile_flag
from .graph import GraphPosition, analyze_graph
from .problems import Problem
from .re2_subset import set_problem
from .references import pattern_size_of
from .segments import compile_segment

# How many flags deep a flag may depend on others.
MAX_DEPENDENCY_DEPTH = 10

IN_CYCLE = "depends on itself through flag conditions: remove one of them"
TOO_DEEP = f"must not depend on other flags more than {MAX_DEPENDENCY_DEPTH} flags deep"


@dataclass(frozen=True, slots=True)
class CompiledFlagSet:
    """A compiled flag set. Immutable, so any thread may read it."""

    flags: Mapping[str, CompiledFlag]
    problems: tuple[Problem, ...]
    # Whether this engine cannot read the format; followers keep the previous flag set then.
    refused: bool = False
    # For the next compile: flags before cycles and chains were checked, and segments.
    unlinked: Mapping[str, CompiledFlag] = field(default_factory=dict)
    segments: Mapping[str, CompiledSegment] = field(default_factory=dict)


def compile(flag_set: object, previous: CompiledFlagSet | None = None) -> CompiledFlagSet:  # noqa: A001
    """Compiles a flag set, given as JSON. Never raises.

    Flags and segments that are the same objects as in `previous` are not compiled again, so they
    must not be modified in place.
    """
    envelope = read_envelope(flag_set)
    previous = previous or CompiledFlagSet({}, ())
    # Before anything is compiled, because that could use up the memory of the process.
    problem = set_problem(_pattern_size(envelope, previous))
    if problem is not None:
        return CompiledFlagSet({}, (Problem("", "", problem),), refused=True)
    segments = _compile_segments(envelope, previous)
    unlinked = _compile_flags(envelope, segments, previous)
    flags = {**unlinked, **_malformed_links(unlinked)}
    problems = [problem for flag in flags.values() for problem in flag.problems]
    return CompiledFlagSet(
        flags, (*envelope.problems, *problems), envelope.refused, unlinked, segments
    )


def _pattern_size(envelope: Envelope, previous: CompiledFlagSet) -> int:
    """The size of all regular expressions. Only those of changed definitions are measured."""

    def size_of(known: CompiledFlag | CompiledSegment | None, definition: object) -> int:
        if known is not None and known.definition is definition:
            return known.pattern_size
        return pattern_size_of(definition)

    flags = (size_of(previous.unlinked.get(key), flag) for key, flag in envelope.flags.items())
    segments = (
        size_of(previous.segments.get(key), segment) for key, segment in envelope.segments.items()
    )
    return sum(flags) + sum(segments)


def _compile_segments(envelope: Envelope, previous: CompiledFlagSet) -> dict[str, CompiledSegment]:
    segments: dict[str, CompiledSegment] = {}
    for key, definition in envelope.segments.items():
        segment = previous.segments.get(key)
        if segment is None or segment.definition is not definition:
            segment = compile_segment(key, definition)
        segments[key] = segment
    return segments


def _compile_flags(
    envelope: Envelope, segments: dict[str, CompiledSegment], previous: CompiledFlagSet
) -> dict[str, CompiledFlag]:
    unchanged = frozenset(
        key for key, segment in segments.items() if previous.segments.get(key) is segment
    )
    flags: dict[str, CompiledFlag] = {}
    for key, definition in envelope.flags.items():
        flag = previous.unlinked.get(key)
        if (
            flag is None
            or flag.definition is not definition
            or not flag.referenced_segments <= unchanged
        ):
            flag = compile_flag(key, definition, segments)
        flags[key] = flag
    return flags


def _malformed_links(flags: dict[str, CompiledFlag]) -> dict[str, CompiledFlag]:
    """The flags that are part of a cycle or of a chain that is too long, as malformed flags."""
    # A malformed flag evaluates no other flag, whichever flags its conditions refer to.
    graph = {
        key: flag.referenced_flags
        for key, flag in flags.items()
        if flag.referenced_flags and not flag.problems
    }
    malformed: dict[str, CompiledFlag] = {}
    for key, position in analyze_graph(graph).items():
        message = _link_problem(position)
        if message is not None:
            malformed[key] = as_malformed(flags[key], Problem(key, "", message))
    return malformed


def _link_problem(position: GraphPosition) -> str | None:
    if position.in_cycle:
        return IN_CYCLE
    return TOO_DEEP if position.depth > MAX_DEPENDENCY_DEPTH else None

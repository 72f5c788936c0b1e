"""Flags that name flags in their conditions: who stands in a cycle, and how deep each nests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

Graph: TypeAlias = Mapping[str, Iterable[str]]


def cycle_members(graph: Graph) -> set[str]:
    """Every flag that, by way of others, depends on itself; not those that merely lead there."""
    reversed_graph = _reversed(graph)
    members: set[str] = set()
    seen: set[str] = set()
    # Kosaraju: walked backwards in reverse order of finishing, each walk is one knot of flags.
    for key in reversed(children_first(graph)):
        if key in seen:
            continue
        knot = _reached(reversed_graph, key, seen)
        if len(knot) > 1 or key in graph.get(key, ()):
            members.update(knot)
    return members


def depths(graph: Graph) -> dict[str, int]:
    """The longest chain of flags below each flag, in a graph without cycles."""
    deepest: dict[str, int] = {}
    for key in children_first(graph):
        deepest[key] = max((deepest[child] + 1 for child in graph.get(key, ())), default=0)
    return deepest


def children_first(graph: Graph) -> list[str]:
    """Every key after all those it leads to, cycles aside; without recursion."""
    finished: list[str] = []
    seen: set[str] = set()
    for root in graph:
        if root in seen:
            continue
        seen.add(root)
        open_keys = [(root, iter(graph.get(root, ())))]
        while open_keys:
            key, children = open_keys[-1]
            child = next((child for child in children if child not in seen), None)
            if child is None:
                finished.append(key)
                open_keys.pop()
            else:
                seen.add(child)
                open_keys.append((child, iter(graph.get(child, ()))))
    return finished


def _reversed(graph: Graph) -> dict[str, list[str]]:
    parents: dict[str, list[str]] = {}
    for key, children in graph.items():
        for child in children:
            parents.setdefault(child, []).append(key)
    return parents


def _reached(graph: Graph, start: str, seen: set[str]) -> list[str]:
    seen.add(start)
    reached = [start]
    for key in reached:
        for other in graph.get(key, ()):
            if other not in seen:
                seen.add(other)
                reached.append(other)
    return reached

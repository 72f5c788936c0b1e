"""The graph of flags that refer to other flags in their conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

Graph: TypeAlias = Mapping[str, Iterable[str]]


class GraphPosition(NamedTuple):
    """Whether a flag is part of a cycle; otherwise its longest chain of references."""

    in_cycle: bool
    depth: int


def analyze_graph(graph: Graph) -> dict[str, GraphPosition]:
    """Returns the position of every flag that is part of the graph.

    A flag that refers to a cycle is not part of it; the members count as leaves.
    """
    in_cycles = _cycle_members(graph)
    acyclic = {key: edges for key, edges in graph.items() if key not in in_cycles}
    positions = dict.fromkeys(in_cycles, GraphPosition(in_cycle=True, depth=0))
    depths: dict[str, int] = {}
    for key in _children_first(acyclic):
        depths[key] = max((depths[child] + 1 for child in acyclic.get(key, ())), default=0)
        if key not in in_cycles:
            positions[key] = GraphPosition(in_cycle=False, depth=depths[key])
    return positions


def _cycle_members(graph: Graph) -> set[str]:
    """Kosaraju's algorithm for strongly connected components."""
    reversed_graph = _reverse(graph)
    members: set[str] = set()
    visited: set[str] = set()
    for key in reversed(_children_first(graph)):
        if key in visited:
            continue
        component = _reachable(reversed_graph, key, visited)
        if len(component) > 1 or key in graph.get(key, ()):
            members.update(component)
    return members


def _children_first(graph: Graph) -> list[str]:
    """Every key after all that it leads to, except within cycles.

    Iterative, because a long chain would overflow the stack.
    """
    finished: list[str] = []
    visited: set[str] = set()
    for root in graph:
        if root in visited:
            continue
        visited.add(root)
        stack = [(root, iter(graph.get(root, ())))]
        while stack:
            key, children = stack[-1]
            child = next((child for child in children if child not in visited), None)
            if child is None:
                finished.append(key)
                stack.pop()
            else:
                visited.add(child)
                stack.append((child, iter(graph.get(child, ()))))
    return finished


def _reverse(graph: Graph) -> dict[str, list[str]]:
    parents: dict[str, list[str]] = {}
    for key, children in graph.items():
        for child in children:
            parents.setdefault(child, []).append(key)
    return parents


def _reachable(graph: Graph, start: str, visited: set[str]) -> list[str]:
    visited.add(start)
    reached = [start]
    for key in reached:
        for other in graph.get(key, ()):
            if other not in visited:
                visited.add(other)
                reached.append(other)
    return reached

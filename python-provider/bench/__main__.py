"""Measures nanoseconds per evaluation, for Pennon's Python engine and for other engines.

    pip install -e '.[bench]' && python bench  # or python bench --quick

Every engine evaluates the same flags for the same subjects, with the least overhead that its
documentation describes. The engines take turns, so a slow moment of the machine affects all of
them. The exit code is 1 if another engine is faster for any flag.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

from engines import ENGINES, Engine, Evaluate, is_on
from flags import FLAGS, SUBJECTS

ROUNDS = 2 if "--quick" in sys.argv else 7
NANOSECONDS_A_ROUND = 60_000_000


def main() -> int:
    engines = {name: make() for name, make in ENGINES.items()}
    check_agreement(engines)
    best = measure(engines)
    print(json.dumps(best) if "--json" in sys.argv else table(best))
    ours, *others = best.values()
    return 0 if all(ours[flag] < other[flag] for other in others for flag in FLAGS) else 1


def check_agreement(engines: dict[str, Engine]) -> None:
    """The engines must agree about flags without hashing; otherwise a comparison is pointless."""
    for flag in ("always-on", "one-condition", "many-rules"):
        for subject in SUBJECTS:
            values = {name: is_on(engine(flag, subject)()) for name, engine in engines.items()}
            assert len(set(values.values())) == 1, (flag, subject, values)


def measure(engines: dict[str, Engine]) -> dict[str, dict[str, float]]:
    best: dict[str, dict[str, float]] = {name: {} for name in engines}
    for flag in FLAGS:
        calls = {
            name: [engine(flag, subject) for subject in SUBJECTS]
            for name, engine in engines.items()
        }
        for _ in range(ROUNDS):
            for name, evaluations in calls.items():
                nanoseconds = nanoseconds_per_call(evaluations)
                best[name][flag] = min(nanoseconds, best[name].get(flag, nanoseconds))
    return best


def nanoseconds_per_call(evaluations: Sequence[Evaluate]) -> float:
    calls = 0
    start = now = time.perf_counter_ns()
    while now - start < NANOSECONDS_A_ROUND:
        for evaluate in evaluations:
            evaluate()
        calls += len(evaluations)
        now = time.perf_counter_ns()
    return (now - start) / calls


def table(best: dict[str, dict[str, float]]) -> str:
    ours = next(iter(best.values()))
    lines = [["ns per evaluation", *FLAGS]]
    for name, times in best.items():
        lines.append(
            [name, *(f"{times[flag]:,.0f} ({times[flag] / ours[flag]:.1f}x)" for flag in FLAGS)]
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


if __name__ == "__main__":
    sys.exit(main())

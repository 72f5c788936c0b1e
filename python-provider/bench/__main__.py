"""Nanoseconds per evaluation of Pennon's Python engine and of others, measured in one run.

    pip install -e '.[bench]' && python bench

Every engine decides the same flags for the same subjects, through the least that its own
documentation asks for. The engines take turns, so that a slow moment of the machine meets all.
It exits with 1 where another engine is ahead on any flag.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

from engines import ENGINES, Ask, Engine, is_on
from flags import FLAGS, SUBJECTS

ROUNDS = 7
NANOSECONDS_A_ROUND = 60_000_000


def main() -> int:
    engines = {name: make() for name, make in ENGINES.items()}
    check_agreement(engines)
    best = measured(engines)
    print(json.dumps(best) if "--json" in sys.argv else table(best))
    ours, *others = best.values()
    return 0 if all(ours[flag] < other[flag] for other in others for flag in FLAGS) else 1


def check_agreement(engines: dict[str, Engine]) -> None:
    """Where no hash decides, every engine must give the same answers, or speed means nothing."""
    for flag in ("always-on", "one-condition", "many-rules"):
        for subject in SUBJECTS:
            answers = {name: is_on(engine(flag, subject)()) for name, engine in engines.items()}
            assert len(set(answers.values())) == 1, (flag, subject, answers)


def measured(engines: dict[str, Engine]) -> dict[str, dict[str, float]]:
    best: dict[str, dict[str, float]] = {name: {} for name in engines}
    for flag in FLAGS:
        asks = {name: [engine(flag, it) for it in SUBJECTS] for name, engine in engines.items()}
        for _ in range(ROUNDS):
            for name, asked in asks.items():
                taken = nanoseconds_each(asked)
                best[name][flag] = min(taken, best[name].get(flag, taken))
    return best


def nanoseconds_each(asks: Sequence[Ask]) -> float:
    calls = 0
    start = now = time.perf_counter_ns()
    while now - start < NANOSECONDS_A_ROUND:
        for ask in asks:
            ask()
        calls += len(asks)
        now = time.perf_counter_ns()
    return (now - start) / calls


def table(best: dict[str, dict[str, float]]) -> str:
    ours = next(iter(best.values()))
    lines = [["ns per evaluation", *FLAGS]]
    for name, taken in best.items():
        lines.append(
            [name, *(f"{taken[flag]:,.0f} ({taken[flag] / ours[flag]:.1f}x)" for flag in FLAGS)]
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


if __name__ == "__main__":
    sys.exit(main())

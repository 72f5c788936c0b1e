"""Evaluates compiled flags: deterministic, and without exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .attributes import Attributes
from .compile import CompiledFlagSet
from .flags import CompiledFlag
from .results import Evaluation, Served, not_found, too_much_work
from .work import WorkExceededError, add_work, reset_work, work_done

_NO_ATTRIBUTES: Final[Attributes] = {}


class _Memo:
    """Evaluates other flags for one evaluation, each at most once.

    Counts the work of a flag each time, so whether an evaluation takes too much does not depend on
    which flags were evaluated before.
    """

    __slots__ = ("_flags", "_variants", "_work")

    def __init__(self, flags: Mapping[str, CompiledFlag]) -> None:
        self._flags = flags
        self._variants: dict[str, str | None] = {}
        self._work: dict[str, int] = {}

    def variant_of(self, flag_key: str, context: Attributes) -> str | None:
        if flag_key in self._variants:
            add_work(self._work[flag_key])
            return self._variants[flag_key]
        before = work_done()
        variant = self._variants[flag_key] = self._evaluate(flag_key, context)
        self._work[flag_key] = work_done() - before
        return variant

    def _evaluate(self, flag_key: str, context: Attributes) -> str | None:
        flag = self._flags.get(flag_key)
        result = flag.evaluate(context, self) if flag else None
        return result.variant if isinstance(result, Served) else None


# For flags that do not refer to others, so it is never used.
_NO_OTHERS: Final = _Memo({})


def evaluate(flag_set: CompiledFlagSet, flag_key: str, context: object) -> Evaluation:
    """Evaluates one flag. Never raises; a context that is not an object is an empty one."""
    flag = flag_set.flags.get(flag_key)
    if flag is None:
        return not_found(flag_key)
    others = _Memo(flag_set.flags) if flag.referenced_flags else _NO_OTHERS
    if flag.counts_work:
        reset_work()
    try:
        return flag.evaluate(context if isinstance(context, dict) else _NO_ATTRIBUTES, others)
    except WorkExceededError:
        return too_much_work(flag_key)

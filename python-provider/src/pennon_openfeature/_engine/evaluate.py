"""Evaluates compiled flags: deterministic, and without exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .attributes import Attributes
from .compile import CompiledFlagSet
from .flags import CompiledFlag
from .results import Evaluation, Served, not_found

_NO_ATTRIBUTES: Final[Attributes] = {}


class _Memo:
    """Evaluates other flags for one evaluation, each at most once."""

    __slots__ = ("_flags", "_variants")

    def __init__(self, flags: Mapping[str, CompiledFlag]) -> None:
        self._flags = flags
        self._variants: dict[str, str | None] = {}

    def variant_of(self, flag_key: str, context: Attributes) -> str | None:
        if flag_key not in self._variants:
            self._variants[flag_key] = self._evaluate(flag_key, context)
        return self._variants[flag_key]

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
    return flag.evaluate(context if isinstance(context, dict) else _NO_ATTRIBUTES, others)

"""The decision: the same answer to the same question for ever, and never an exception."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .answers import Evaluation, Failed, Served
from .attributes import Context
from .compile import CompiledFlagSet
from .flags import CompiledFlag

_NO_CONTEXT: Final[Context] = {}


class _Run:
    """One evaluation of a flag that names others: each is decided at most once."""

    __slots__ = ("_flags", "_variants")

    def __init__(self, flags: Mapping[str, CompiledFlag]) -> None:
        self._flags = flags
        self._variants: dict[str, str | None] = {}

    def variant_of(self, flag_key: str, context: Context) -> str | None:
        if flag_key not in self._variants:
            self._variants[flag_key] = self._decided(flag_key, context)
        return self._variants[flag_key]

    def _decided(self, flag_key: str, context: Context) -> str | None:
        flag = self._flags.get(flag_key)
        answer = flag.decide(context, self) if flag else None
        return answer.variant if isinstance(answer, Served) else None


# For flags that name no other: none of their conditions looks at the run.
_ALONE: Final = _Run({})


def evaluate(flag_set: CompiledFlagSet, flag_key: str, context: object) -> Evaluation:
    """Decide one flag for one context, a plain JSON object; anything else is an empty one."""
    flag = flag_set.flags.get(flag_key)
    if flag is None:
        return Failed(flag_key, "FLAG_NOT_FOUND", f'there is no flag "{flag_key}"')
    run = _Run(flag_set.flags) if flag.flags_named else _ALONE
    return flag.decide(context if isinstance(context, dict) else _NO_CONTEXT, run)

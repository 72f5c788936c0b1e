"""What asking for a flag gives: a decision, or why nobody could decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ._engine import Evaluation


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No flags are here to decide with, or nobody could be asked. The default value applies."""

    flag_key: str
    error_code: Literal["PROVIDER_NOT_READY", "INVALID_CONTEXT", "GENERAL"]
    error_message: str
    reason: Literal["ERROR"] = "ERROR"
    enabled: Literal[False] = False


Answer: TypeAlias = Evaluation | Unavailable

NO_FLAGS = "there are no flags: the provider is not initialized, or found none so far"


def no_flags(flag_key: str) -> Unavailable:
    return Unavailable(flag_key, "PROVIDER_NOT_READY", NO_FLAGS)

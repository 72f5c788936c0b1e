"""Pennon's evaluation engine: pure functions without I/O, clock, randomness or logger."""

from .compile import CompiledFlagSet, compile  # noqa: A004
from .diff import (
    FlagSetChanges,
    affected_flags,
    changed_keys,
    diff_flag_sets,
    same_json,
)
from .evaluate import evaluate
from .problems import Problem
from .results import Evaluation, Failed, NotServed, Served
from .short_form import expand_short_form
from .values import copy_json, is_number

__all__ = [
    "CompiledFlagSet",
    "Evaluation",
    "Failed",
    "FlagSetChanges",
    "NotServed",
    "Problem",
    "Served",
    "affected_flags",
    "changed_keys",
    "compile",
    "copy_json",
    "diff_flag_sets",
    "evaluate",
    "expand_short_form",
    "is_number",
    "same_json",
]

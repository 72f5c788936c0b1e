"""Pennon's evaluation engine: pure functions without I/O, clock, randomness or logger."""

from .attributes import Context
from .compile import CompiledFlagSet, compile  # noqa: A004
from .diff import (
    ChangedKeys,
    FlagSetDiff,
    changed_keys,
    closure_of,
    dependents_of,
    diff_flag_sets,
    same_json,
)
from .envelope import FORMAT_VERSION
from .evaluate import evaluate
from .problems import Problem
from .results import ErrorCode, Evaluation, Failed, Metadata, NotServed, Served
from .short_form import expand_short_form
from .values import JsonValue, copy_json, is_number

__all__ = [
    "FORMAT_VERSION",
    "ChangedKeys",
    "CompiledFlagSet",
    "Context",
    "ErrorCode",
    "Evaluation",
    "Failed",
    "FlagSetDiff",
    "JsonValue",
    "Metadata",
    "NotServed",
    "Problem",
    "Served",
    "changed_keys",
    "closure_of",
    "compile",
    "copy_json",
    "dependents_of",
    "diff_flag_sets",
    "evaluate",
    "expand_short_form",
    "is_number",
    "same_json",
]

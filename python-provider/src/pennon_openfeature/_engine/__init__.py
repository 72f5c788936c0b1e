"""Pennon's evaluation engine: pure functions, no I/O, no clock, no randomness, no logger."""

from .answers import ErrorCode, Evaluation, Failed, Metadata, NotServed, Served
from .attributes import Context
from .compile import FORMAT_VERSION, CompiledFlagSet, compile  # noqa: A004
from .evaluate import evaluate
from .problems import Problem
from .short_form import expand_short_form
from .values import JsonValue, copied, is_number

__all__ = [
    "FORMAT_VERSION",
    "CompiledFlagSet",
    "Context",
    "ErrorCode",
    "Evaluation",
    "Failed",
    "JsonValue",
    "Metadata",
    "NotServed",
    "Problem",
    "Served",
    "compile",
    "copied",
    "evaluate",
    "expand_short_form",
    "is_number",
]

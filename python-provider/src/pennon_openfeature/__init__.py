"""OpenFeature provider for Pennon: feature flags decided in this process, live."""

from ._answer import Answer, Unavailable
from ._engine import Evaluation, Failed, NotServed, Served
from ._freshness import Freshness, LastError
from ._provider import PennonProvider, Snapshot

__all__ = [
    "Answer",
    "Evaluation",
    "Failed",
    "Freshness",
    "LastError",
    "NotServed",
    "PennonProvider",
    "Served",
    "Snapshot",
    "Unavailable",
]

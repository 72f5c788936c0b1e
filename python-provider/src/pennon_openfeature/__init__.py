"""OpenFeature provider for Pennon: evaluates feature flags in this process."""

from ._engine import Evaluation, Failed, NotServed, Served
from ._flag_snapshot import Snapshot
from ._freshness import Freshness, LastError
from ._provider import PennonProvider
from ._resolution import EvaluationResult, Unavailable

__all__ = [
    "Evaluation",
    "EvaluationResult",
    "Failed",
    "Freshness",
    "LastError",
    "NotServed",
    "PennonProvider",
    "Served",
    "Snapshot",
    "Unavailable",
]

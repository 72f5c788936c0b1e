"""OpenFeature provider for Pennon: evaluates feature flags in this process."""

from ._engine import Evaluation, Failed, NotServed, Served
from ._events import EventCounts
from ._follower_state import LastError
from ._provider import PennonProvider, Snapshot
from ._resolution import EvaluationResult, Unavailable
from ._sources import Freshness

__all__ = [
    "Evaluation",
    "EvaluationResult",
    "EventCounts",
    "Failed",
    "Freshness",
    "LastError",
    "NotServed",
    "PennonProvider",
    "Served",
    "Snapshot",
    "Unavailable",
]

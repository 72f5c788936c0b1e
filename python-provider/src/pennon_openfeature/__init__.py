"""OpenFeature provider for Pennon: feature flags decided in this process, live."""

from ._answer import Answer, Unavailable
from ._engine import Evaluation, Failed, NotServed, Served
from ._provider import PennonProvider, Snapshot
from ._status import LastError, Status

__all__ = [
    "Answer",
    "Evaluation",
    "Failed",
    "LastError",
    "NotServed",
    "PennonProvider",
    "Served",
    "Snapshot",
    "Status",
    "Unavailable",
]

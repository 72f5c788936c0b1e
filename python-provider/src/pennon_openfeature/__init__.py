"""OpenFeature provider for Pennon: feature flags decided in this process, live."""

from ._engine import Evaluation, Failed, NotServed, Served
from ._provider import PennonProvider, Snapshot
from ._sources import NotReadyError
from ._status import LastError, Status

__all__ = [
    "Evaluation",
    "Failed",
    "LastError",
    "NotReadyError",
    "NotServed",
    "PennonProvider",
    "Served",
    "Snapshot",
    "Status",
]

"""The exposures that have been reported, so that each is reported once a day."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from ._measured import Experiment

_MAX_EXPOSURES: Final = 100_000
_SECONDS_PER_DAY: Final = 86_400


class Exposure(NamedTuple):
    """A unit that got a variant of an experiment."""

    experiment: Experiment
    unit: str
    variant: str

    @property
    def identity(self) -> tuple[object, str, str]:
        """Equal for an exposure to the same run."""
        return self.experiment.run or self.experiment, self.unit, self.variant


class RecentExposures:
    """The exposures of the current UTC day, of which the least recent ones are forgotten.

    Only one thread may call this at a time.
    """

    def __init__(self, max_exposures: int = _MAX_EXPOSURES) -> None:
        self._max_exposures = max_exposures
        self._exposures: OrderedDict[tuple[object, str, str], None] = OrderedDict()
        self._day = 0

    def add(self, exposure: Exposure, seconds: float) -> bool:
        """Returns whether the exposure is new. `seconds` is the time since 1970."""
        day = int(seconds // _SECONDS_PER_DAY)
        if day != self._day:
            self._day = day
            self._exposures.clear()
        identity = exposure.identity
        if identity in self._exposures:
            self._exposures.move_to_end(identity)
            return False
        self._exposures[identity] = None
        if len(self._exposures) > self._max_exposures:
            self._exposures.popitem(last=False)
        return True

    def forget(self, exposure: Exposure) -> None:
        """Makes an exposure new again that has not reached the server."""
        self._exposures.pop(exposure.identity, None)

"""What the server measures: exposures of the running experiments, and tracking events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ._engine import Served
from ._engine.attributes import AttributeReader, Attributes, attribute_reader, to_bucketing_value

# What a unit did before an experiment began counts too, and most experiments are by this attribute.
_DEFAULT_UNIT: Final = "targetingKey"


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """An attribute of the evaluation context by which an experiment is bucketed."""

    attribute: str
    _read: AttributeReader

    def of(self, context: Attributes) -> str | None:
        """The text that the engine buckets by."""
        return to_bucketing_value(self._read(context))


def _unit(attribute: str) -> Unit:
    return Unit(attribute, attribute_reader(attribute))


@dataclass(frozen=True, slots=True, eq=False)
class Experiment:
    """A running experiment. If it has ended and begins again, it is another object."""

    key: str
    flag: str
    rule: str
    unit: Unit
    # Identifies its run. Servers of earlier versions do not send it.
    run: str | None = None


class Measured:
    """The running experiments of a flag set, and the names of the events that are measured."""

    __slots__ = ("_document", "_experiments", "_rules", "_tracked", "_units")

    def __init__(self, document: Mapping[str, Any], previous: Measured | None = None) -> None:
        """`document` has the fields `experiments` and `tracked`, as the server sends them.

        Experiments of `previous` that still run remain the same objects.
        """
        self._document = document
        self._experiments = _read_experiments(document, previous)
        # By the key of the flag and the id of the rule.
        self._rules: dict[tuple[str, str], tuple[Experiment, ...]] = {}
        for each in self._experiments.values():
            rule = (each.flag, each.rule)
            self._rules[rule] = (*self._rules.get(rule, ()), each)
        self._tracked = _read_tracked(document)
        units = {each.unit.attribute: each.unit for each in self._experiments.values()}
        self._units = list({_DEFAULT_UNIT: _unit(_DEFAULT_UNIT), **units}.values())

    def after(self, document: Mapping[str, Any]) -> Measured:
        """What is measured with the next flag set."""
        return self if document == self._document else Measured(document, self)

    @property
    def has_experiments(self) -> bool:
        return bool(self._rules)

    def experiments_of(self, result: object) -> tuple[Experiment, ...]:
        """The experiments to which a result is an exposure of its unit."""
        if not isinstance(result, Served) or result.rule_id is None:
            return ()
        return self._rules.get((result.flag_key, result.rule_id), ())

    def is_tracked(self, name: str) -> bool:
        return self._tracked is None or name in self._tracked

    def units_of(self, context: Attributes) -> dict[str, str]:
        """The units to which a tracking event with this context belongs, by attribute."""
        units = {each.attribute: each.of(context) for each in self._units}
        return {attribute: unit for attribute, unit in units.items() if unit is not None}


def _read_experiments(
    document: Mapping[str, Any], previous: Measured | None
) -> dict[str, Experiment]:
    experiments = document.get("experiments")
    if not isinstance(experiments, dict):
        return {}
    before = previous._experiments if previous else {}
    read = {key: _read_experiment(key, each) for key, each in experiments.items()}
    return {
        key: _same(before.get(key), each) or each
        for key, each in read.items()
        # A newer server may have experiments of other kinds.
        if each is not None
    }


def _same(before: Experiment | None, experiment: Experiment) -> Experiment | None:
    if before is None or _fields(before) != _fields(experiment):
        return None
    return before


def _fields(experiment: Experiment) -> tuple[str | None, ...]:
    return experiment.flag, experiment.rule, experiment.unit.attribute, experiment.run


def _read_experiment(key: str, fields: object) -> Experiment | None:
    if not isinstance(fields, dict):
        return None
    flag, rule, unit = fields.get("flag"), fields.get("rule"), fields.get("unit")
    if not (isinstance(flag, str) and isinstance(rule, str) and isinstance(unit, str)):
        return None
    run = fields.get("run")
    return Experiment(key, flag, rule, _unit(unit), run if isinstance(run, str) else None)


def _read_tracked(document: Mapping[str, Any]) -> frozenset[str] | None:
    """The names of the events that are measured, or None for all."""
    if "experiments" not in document:
        return frozenset()
    tracked = document.get("tracked")
    if not isinstance(tracked, list):
        return None
    return frozenset(name for name in tracked if isinstance(name, str))


NOTHING_MEASURED: Final = Measured({})

"""The operators. Each prepares its operand once, at compile, and returns the test that runs hot.

A test is given one value of the context and answers False for whatever it does not understand;
it never raises. To add an operator, write what prepares it and give it a line in `OPERATORS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from .cidr import Network, address_of, network_of
from .dates import instant_of
from .patterns import PatternError, searcher
from .semver import Version, version_of
from .text import well_formed
from .values import as_double, described, is_number

Test: TypeAlias = Callable[[object], bool]
Prepare: TypeAlias = Callable[[object], Test]


class OperandError(ValueError):
    """What is wrong with an operand, and what it should be."""


@dataclass(frozen=True, slots=True)
class Operator:
    prepare: Prepare
    # The exact opposite of the operator that prepares it: a missing attribute holds.
    opposite: bool = False
    # Looks at a list as a whole rather than at each of its elements.
    whole_list: bool = False


def _equals(operand: object) -> Test:
    if isinstance(operand, str):
        return _equals_text(operand)
    if isinstance(operand, bool):
        return lambda value: value is operand
    if not is_number(operand):
        raise OperandError(f"must be a string, a number or a boolean; it is {described(operand)}")
    number = as_double(operand)
    return lambda value: as_double(value) == number


def _equals_text(operand: str) -> Test:
    text = well_formed(operand)
    if text.isascii():
        return lambda value: value == text
    return lambda value: isinstance(value, str) and well_formed(value) == text


def _in(operand: object) -> Test:
    if not isinstance(operand, list):
        raise OperandError(
            f"must be a list of strings, numbers and booleans; it is {described(operand)}"
        )
    for member in operand:
        if not (isinstance(member, str | bool) or is_number(member)):
            raise OperandError(
                f"may hold strings, numbers and booleans only, not {described(member)}"
            )
    texts = frozenset(well_formed(member) for member in operand if isinstance(member, str))
    booleans = frozenset(member for member in operand if isinstance(member, bool))
    numbers = frozenset(as_double(member) for member in operand if is_number(member))

    def test(value: object) -> bool:
        if isinstance(value, str):
            return (value if value.isascii() else well_formed(value)) in texts
        # Apart from numbers, for Python takes True for 1.
        if isinstance(value, bool):
            return value in booleans
        return as_double(value) in numbers

    return test


def _text_operator(holds: Callable[[str, str], bool]) -> Prepare:
    def prepare(operand: object) -> Test:
        if not isinstance(operand, str) or not operand:
            raise OperandError(f"must be a string that is not empty; it is {described(operand)}")
        text = well_formed(operand)
        if text.isascii():
            return lambda value: isinstance(value, str) and holds(value, text)
        return lambda value: isinstance(value, str) and holds(well_formed(value), text)

    return prepare


def _number_operator(holds: Callable[[float, float], bool]) -> Prepare:
    def prepare(operand: object) -> Test:
        if not is_number(operand):
            raise OperandError(f"must be a number; it is {described(operand)}")
        number = as_double(operand)
        # What is no number is NaN, of which nothing holds.
        return lambda value: holds(as_double(value), number)

    return prepare


def _exists(operand: object) -> Test:
    if operand is not None and operand is not True:
        raise OperandError('must be absent or true; to ask for its absence, say "not": true')
    return _is_there


def _is_there(value: object) -> bool:
    if type(value) is int or type(value) is float:
        return is_number(value)
    return value is not None


def _date_operator(holds: Callable[[int, int], bool]) -> Prepare:
    def prepare(operand: object) -> Test:
        wanted = instant_of(operand) if isinstance(operand, str) else None
        if wanted is None:
            raise OperandError(
                f"must be a date and time such as 2026-01-31T12:00:00Z; it is {described(operand)}"
            )

        def test(value: object) -> bool:
            instant = instant_of(value) if isinstance(value, str) else None
            return instant is not None and holds(instant, wanted)

        return test

    return prepare


def _semver_operator(holds: Callable[[Version, Version], bool]) -> Prepare:
    def prepare(operand: object) -> Test:
        wanted = version_of(operand) if isinstance(operand, str) else None
        if wanted is None:
            raise OperandError(
                f"must be a semantic version such as 1.2.3; it is {described(operand)}"
            )

        def test(value: object) -> bool:
            version = version_of(value) if isinstance(value, str) else None
            return version is not None and holds(version, wanted)

        return test

    return prepare


def _in_cidr(operand: object) -> Test:
    networks = [
        _network(member) for member in (operand if isinstance(operand, list) else [operand])
    ]

    def test(value: object) -> bool:
        address = address_of(value) if isinstance(value, str) else None
        return address is not None and any(network.holds(address) for network in networks)

    return test


def _network(operand: object) -> Network:
    network = network_of(operand) if isinstance(operand, str) else None
    if network is None:
        raise OperandError(
            f"must be networks such as 10.0.0.0/8 or 2001:db8::/32; {described(operand)} is none"
        )
    return network


def _matches(operand: object) -> Test:
    if not isinstance(operand, str):
        raise OperandError(f"must be a regular expression; it is {described(operand)}")
    try:
        found = searcher(operand)
    except PatternError as error:
        raise OperandError(str(error)) from error
    return lambda value: isinstance(value, str) and found(value)


OPERATORS: Final[dict[str, Operator]] = {
    "equals": Operator(_equals),
    "notEquals": Operator(_equals, opposite=True),
    "in": Operator(_in),
    "notIn": Operator(_in, opposite=True),
    "contains": Operator(_text_operator(lambda value, text: text in value)),
    "startsWith": Operator(_text_operator(lambda value, text: value.startswith(text))),
    "endsWith": Operator(_text_operator(lambda value, text: value.endswith(text))),
    "greaterThan": Operator(_number_operator(lambda value, number: value > number)),
    "lessThan": Operator(_number_operator(lambda value, number: value < number)),
    "greaterOrEqual": Operator(_number_operator(lambda value, number: value >= number)),
    "lessOrEqual": Operator(_number_operator(lambda value, number: value <= number)),
    "exists": Operator(_exists, whole_list=True),
    "before": Operator(_date_operator(lambda value, instant: value < instant)),
    "after": Operator(_date_operator(lambda value, instant: value > instant)),
    "semverEquals": Operator(_semver_operator(lambda value, version: value == version)),
    "semverGreaterThan": Operator(_semver_operator(lambda value, version: value > version)),
    "semverLessThan": Operator(_semver_operator(lambda value, version: value < version)),
    "semverGreaterOrEqual": Operator(_semver_operator(lambda value, version: value >= version)),
    "semverLessOrEqual": Operator(_semver_operator(lambda value, version: value <= version)),
    "inCidr": Operator(_in_cidr),
    "matches": Operator(_matches),
}

"""The operators. Each prepares its operand once, at compile, and returns the test that runs hot.

A test receives one attribute value. It returns False for values that it cannot compare, and never
raises. To add an operator, write a function that prepares its operand and add it to `OPERATORS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from .cidr import Network, in_networks, parse_address, parse_network
from .dates import parse_instant
from .format import MISSING, describe
from .re2_subset import PatternError, compile_pattern
from .semver import SemanticVersion, parse_version
from .text import well_formed
from .values import as_double, is_number
from .work import add_text, add_work, utf16_length

ValueTest: TypeAlias = Callable[[object], bool]
Prepare: TypeAlias = Callable[[object], ValueTest]


class OperandError(ValueError):
    """An operand is invalid; the message describes what it must be."""

    @classmethod
    def expected(cls, what: str, operand: object) -> OperandError:
        return cls(f"must be {what}, but is {describe(operand)}")


@dataclass(frozen=True, slots=True)
class OperatorEntry:
    prepare: Prepare
    # The condition holds exactly if the test does not pass, so also for a missing attribute.
    is_negated: bool = False
    # Tests only that the attribute is present, so a list is not tested by its elements.
    tests_presence: bool = False
    # Whether the operand is a regular expression.
    is_pattern: bool = False
    # The units of work that one item of a list takes.
    item_work: int = 4


# The work of an item that must be parsed.
_PARSED_ITEM_WORK: Final = 300


def _equals(operand: object) -> ValueTest:
    if isinstance(operand, str):
        return _equals_text(operand)
    if isinstance(operand, bool):
        return lambda value: value is operand
    if not is_number(operand):
        raise OperandError.expected("a string, a finite number or a boolean", operand)
    number = as_double(operand)
    return lambda value: as_double(value) == number


def _equals_text(operand: str) -> ValueTest:
    text = well_formed(operand)
    if text.isascii():
        return lambda value: value == text
    return lambda value: isinstance(value, str) and well_formed(value) == text


def _in(operand: object) -> ValueTest:
    if not isinstance(operand, list) or not all(map(_is_scalar, operand)):
        raise OperandError.expected("a list of strings, finite numbers and booleans", operand)
    texts = frozenset(well_formed(member) for member in operand if isinstance(member, str))
    booleans = frozenset(member for member in operand if isinstance(member, bool))
    numbers = frozenset(as_double(member) for member in operand if is_number(member))

    def test(value: object) -> bool:
        if isinstance(value, str):
            return (value if value.isascii() else well_formed(value)) in texts
        # Separate from numbers, because in Python True equals 1.
        if isinstance(value, bool):
            return value in booleans
        return as_double(value) in numbers

    return test


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | bool) or is_number(value)


def _search_work(length: int, _operand_length: int) -> int:
    """The units of a search, which reads a character up to six times."""
    return length * 2


def _compare_work(length: int, operand_length: int) -> int:
    return min(length, operand_length) >> 2


def _text_operator(
    holds: Callable[[str, str], bool], work: Callable[[int, int], int] = _compare_work
) -> Prepare:
    """An operator on texts. `work` returns its units, for the lengths of value and operand."""

    def prepare(operand: object) -> ValueTest:
        if not isinstance(operand, str) or not operand:
            raise OperandError.expected("a string that is not empty", operand)
        text = well_formed(operand)
        is_ascii, operand_length = text.isascii(), utf16_length(text)

        def test(value: object) -> bool:
            if not isinstance(value, str):
                return False
            add_work(work(utf16_length(value), operand_length))
            return holds(value if is_ascii else well_formed(value), text)

        return test

    return prepare


def _number_operator(holds: Callable[[float, float], bool]) -> Prepare:
    def prepare(operand: object) -> ValueTest:
        if not is_number(operand):
            raise OperandError.expected("a finite number", operand)
        number = as_double(operand)
        # Other values are NaN, for which every comparison fails.
        return lambda value: holds(as_double(value), number)

    return prepare


def _exists(operand: object) -> ValueTest:
    if operand not in (MISSING, None) and operand is not True:
        raise OperandError.expected('absent or true (for the opposite, use "not": true)', operand)
    return _is_present


def _is_present(value: object) -> bool:
    if type(value) is int or type(value) is float:
        return is_number(value)
    return value is not None


def _date_operator(holds: Callable[[int, int], bool]) -> Prepare:
    def prepare(operand: object) -> ValueTest:
        bound = parse_instant(operand) if isinstance(operand, str) else None
        if bound is None:
            raise OperandError.expected("a date and time such as 2026-01-31T12:00:00Z", operand)

        def test(value: object) -> bool:
            instant = parse_instant(value) if isinstance(value, str) else None
            return instant is not None and holds(instant, bound)

        return test

    return prepare


def _semver_operator(holds: Callable[[SemanticVersion, SemanticVersion], bool]) -> Prepare:
    def prepare(operand: object) -> ValueTest:
        bound = parse_version(operand) if isinstance(operand, str) else None
        if bound is None:
            raise OperandError.expected("a version such as 1.2.3 or 2.0.0-beta.1", operand)

        def test(value: object) -> bool:
            version = parse_version(value) if isinstance(value, str) else None
            return version is not None and holds(version, bound)

        return test

    return prepare


def _in_cidr(operand: object) -> ValueTest:
    members = operand if isinstance(operand, list) else [operand]
    contain = in_networks([_prepare_network(member) for member in members])

    def test(value: object) -> bool:
        address = parse_address(value) if isinstance(value, str) else None
        return address is not None and contain(address)

    return test


def _prepare_network(operand: object) -> Network:
    network = parse_network(operand) if isinstance(operand, str) else None
    if network is None:
        raise OperandError.expected(
            "a network such as 10.0.0.0/8 or 2001:db8::/32, an address, or a list of them", operand
        )
    return network


def prepare_pattern(operand: object, size_of_all: int) -> ValueTest:
    if not isinstance(operand, str):
        raise OperandError.expected("a pattern", operand)
    try:
        search = compile_pattern(operand, size_of_all)
    except PatternError as error:
        raise OperandError(str(error)) from error
    return lambda value: isinstance(value, str) and search(value)


def any_passes(value: object, test: ValueTest, entry: OperatorEntry) -> bool:
    """Whether a value, or any element of a list, passes the test."""
    if isinstance(value, list):
        return _any_item_passes(value, test, entry)
    if isinstance(value, str):
        add_text(value)
    return test(value)


def _any_item_passes(items: list[object], test: ValueTest, entry: OperatorEntry) -> bool:
    add_work(len(items) * entry.item_work)
    for item in items:
        if isinstance(item, str):
            add_text(item)
        # Tests return False for lists and objects within the list.
        if test(item):
            return True
    return False


OPERATORS: Final[dict[str, OperatorEntry]] = {
    "equals": OperatorEntry(_equals),
    "notEquals": OperatorEntry(_equals, is_negated=True),
    "in": OperatorEntry(_in),
    "notIn": OperatorEntry(_in, is_negated=True),
    "contains": OperatorEntry(_text_operator(lambda value, text: text in value, _search_work)),
    "startsWith": OperatorEntry(_text_operator(lambda value, text: value.startswith(text))),
    "endsWith": OperatorEntry(_text_operator(lambda value, text: value.endswith(text))),
    "greaterThan": OperatorEntry(_number_operator(lambda value, bound: value > bound)),
    "lessThan": OperatorEntry(_number_operator(lambda value, bound: value < bound)),
    "greaterOrEqual": OperatorEntry(_number_operator(lambda value, bound: value >= bound)),
    "lessOrEqual": OperatorEntry(_number_operator(lambda value, bound: value <= bound)),
    "exists": OperatorEntry(_exists, tests_presence=True),
    "before": OperatorEntry(
        _date_operator(lambda value, bound: value < bound), item_work=_PARSED_ITEM_WORK
    ),
    "after": OperatorEntry(
        _date_operator(lambda value, bound: value > bound), item_work=_PARSED_ITEM_WORK
    ),
    "semverEquals": OperatorEntry(
        _semver_operator(lambda value, bound: value == bound), item_work=_PARSED_ITEM_WORK
    ),
    "semverGreaterThan": OperatorEntry(
        _semver_operator(lambda value, bound: value > bound), item_work=_PARSED_ITEM_WORK
    ),
    "semverLessThan": OperatorEntry(
        _semver_operator(lambda value, bound: value < bound), item_work=_PARSED_ITEM_WORK
    ),
    "semverGreaterOrEqual": OperatorEntry(
        _semver_operator(lambda value, bound: value >= bound), item_work=_PARSED_ITEM_WORK
    ),
    "semverLessOrEqual": OperatorEntry(
        _semver_operator(lambda value, bound: value <= bound), item_work=_PARSED_ITEM_WORK
    ),
    "inCidr": OperatorEntry(_in_cidr, item_work=_PARSED_ITEM_WORK),
    "matches": OperatorEntry(lambda operand: prepare_pattern(operand, 0), is_pattern=True),
}

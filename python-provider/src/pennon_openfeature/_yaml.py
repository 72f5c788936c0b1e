"""YAML 1.2, because other languages read the same files with it.

PyYAML follows YAML 1.1, in which `on` is true, `012` is ten and `1:30` is ninety.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable
from typing import Any

import yaml

from ._engine.exact_numbers import InexactNumber, is_inexact
from ._engine.text import number_text
from ._engine.values import as_double, is_number
from ._json import parse_integer

_TAG = "tag:yaml.org,2002:"

_DECIMAL = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"

_SCALARS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (rf"{_DECIMAL}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+.0123456789"),
}


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        # Keys are compared as text: Python considers 1, 1.0 and true equal.
        pairs = [
            (self._key_text(key), self.construct_object(value, deep)) for key, value in node.value
        ]
        mapping: dict[Hashable, Any] = dict(pairs)
        if len(mapping) < len(pairs):
            raise yaml.YAMLError(f"an object has the same key twice{node.start_mark}")
        return mapping

    def _key_text(self, node: yaml.Node) -> str:
        """Keys in JSON are text, so numbers and booleans become the text that JSON writes."""
        key = self.construct_object(node, deep=True)
        if isinstance(key, str):
            return key
        if key is None:
            return ""
        if isinstance(key, bool):
            return "true" if key else "false"
        if is_number(key):
            return number_text(as_double(key))
        raise yaml.YAMLError(f"a key must be text{node.start_mark}")


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    # Joins surrogate pairs, which may be written as two escapes.
    encoded = loader.construct_scalar(node).encode("utf-16-le", "surrogatepass")
    return encoded.decode("utf-16-le", "surrogatepass")


def _integer(_loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | float:
    return parse_integer(node.value, _base(node.value))


def _float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return loader.construct_yaml_float(node)


def _base(text: str) -> int:
    return {"0o": 8, "0x": 16}.get(text[:2], 10)


def _find_inexact(
    node: yaml.Node | None, path: tuple[str | int, ...], seen: set[int]
) -> InexactNumber | None:
    """The first number that a double would change. The same node may occur more than once."""
    if id(node) in seen:
        return None
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        return InexactNumber(path, node.value) if _is_inexact(node) else None
    for name, child in _children(node):
        found = _find_inexact(child, (*path, name), seen)
        if found is not None:
            return found
    return None


def _children(node: yaml.Node | None) -> Iterable[tuple[str | int, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        return ((str(key.value), child) for key, child in node.value)
    return enumerate(node.value) if isinstance(node, yaml.SequenceNode) else ()


def _is_inexact(node: yaml.ScalarNode) -> bool:
    text = node.value.removeprefix("+")
    if node.tag == f"{_TAG}int" and _base(text) != 10:
        text = str(parse_integer(text, _base(text)))
    elif node.tag not in (f"{_TAG}int", f"{_TAG}float") or not text.lstrip("-.")[:1].isdigit():
        return False
    # The engine reports an infinite number as a problem of its flag only.
    return math.isfinite(float(text)) and is_inexact(text)


_Loader.yaml_implicit_resolvers = {}
for _name, (_pattern, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), list(_first))
_Loader.add_constructor(_TAG + "int", _integer)
_Loader.add_constructor(_TAG + "float", _float)
_Loader.add_constructor(_TAG + "str", _text)


def parse_yaml(text: str) -> Any:
    """Parses a YAML document. Raises ValueError if it is invalid."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        number = _find_inexact(node, (), set())
        if number is not None:
            raise ValueError(str(number))
        return None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error

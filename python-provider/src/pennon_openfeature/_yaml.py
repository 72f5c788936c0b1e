"""YAML as its version 1.2 reads it, which is what other languages read the same files with.

Of the older reading that PyYAML has by default, `on` would be true, `012` ten and `1:30` ninety.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from ._engine.text import number_text
from ._engine.values import as_double, is_number
from ._json import whole_number

_TAG = "tag:yaml.org,2002:"

_DECIMAL = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"

_PLAIN = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (rf"{_DECIMAL}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+.0123456789"),
}


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        # Plain pairs: equal for Python are 1, 1.0 and true, which are three names.
        pairs = [(self._name(key), self.construct_object(value, deep)) for key, value in node.value]
        mapping: dict[Hashable, Any] = dict(pairs)
        if len(mapping) < len(pairs):
            raise yaml.YAMLError(f"a name stands twice in one object{node.start_mark}")
        return mapping

    def _name(self, node: yaml.Node) -> str:
        """The names of JSON are text: of a number or a boolean it is that which JSON writes."""
        key = self.construct_object(node, deep=True)
        if isinstance(key, str):
            return key
        if key is None:
            return ""
        if isinstance(key, bool):
            return "true" if key else "false"
        if is_number(key):
            return number_text(as_double(key))
        raise yaml.YAMLError(f"a name must be text{node.start_mark}")


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    # Two escapes may be the two halves of one character.
    written = loader.construct_scalar(node).encode("utf-16-le", "surrogatepass")
    return written.decode("utf-16-le", "surrogatepass")


def _whole_number(_loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | float:
    base = {"0o": 8, "0x": 16}.get(node.value[:2], 10)
    return whole_number(node.value, base)


_Loader.yaml_implicit_resolvers = {}
for _name, (_pattern, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), list(_first))
_Loader.add_constructor(_TAG + "int", _whole_number)
_Loader.add_constructor(_TAG + "str", _text)


def parse_yaml(text: str) -> Any:
    """The value of a document; a ValueError where it is none."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error

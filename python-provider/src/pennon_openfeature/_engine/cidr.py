"""IP addresses and networks as whole numbers."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

_PREFIX = re.compile("0|[1-9][0-9]{0,2}")
_MAPPED = 0xFFFF

BITS = {4: 32, 6: 128}


class Address(NamedTuple):
    version: int
    number: int


class Network(NamedTuple):
    version: int
    mask: int
    number: int

    def holds(self, address: Address) -> bool:
        return self.version == address.version and self.number == address.number & self.mask


def address_of(text: str) -> Address | None:
    """An address; an IPv4-mapped IPv6 address is its IPv4 address."""
    address = _written_address(text)
    if address is None or not _is_mapped(address):
        return address
    return Address(4, address.number & 0xFFFF_FFFF)


def network_of(text: str) -> Network | None:
    """A network, its host bits masked; a bare address is a network of its own."""
    written, slash, prefix = text.partition("/")
    if not slash:
        alone = address_of(written)
        return None if alone is None else Network(alone.version, -1, alone.number)
    address = _written_address(written)
    if address is None or _is_mapped(address) or not _PREFIX.fullmatch(prefix):
        return None
    return _masked(address, int(prefix))


def _masked(address: Address, prefix: int) -> Network | None:
    bits = BITS[address.version]
    if prefix > bits:
        return None
    mask = (1 << bits) - (1 << (bits - prefix))
    return Network(address.version, mask, address.number & mask)


def _written_address(text: str) -> Address | None:
    try:
        if ":" in text:
            return None if "%" in text else Address(6, int(IPv6Address(text)))
        return Address(4, int(IPv4Address(text)))
    except AddressValueError:
        return None


def _is_mapped(address: Address) -> bool:
    return address.version == 6 and address.number >> 32 == _MAPPED

"""IP addresses and networks as integers."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

_PREFIX = re.compile("0|[1-9][0-9]{0,2}")
_MAPPED = 0xFFFF

BITS = {4: 32, 6: 128}


class IpAddress(NamedTuple):
    version: int
    number: int


class Network(NamedTuple):
    version: int
    mask: int
    number: int

    @property
    def first(self) -> IpAddress:
        return IpAddress(self.version, self.number)

    @property
    def last(self) -> IpAddress:
        host_bits = ~self.mask & ((1 << BITS[self.version]) - 1)
        return IpAddress(self.version, self.number | host_bits)


def in_networks(networks: list[Network]) -> Callable[[IpAddress], bool]:
    """Returns whether an address is in one of the networks, by a binary search.

    Lists of addresses to block have thousands of entries. Two networks either nest or have nothing
    in common.
    """
    outer: list[Network] = []
    for network in sorted(networks, key=lambda network: (network.first, -network.last.number)):
        if not outer or outer[-1].last < network.first:
            outer.append(network)
    firsts = [network.first for network in outer]
    lasts = [network.last for network in outer]

    def contain(address: IpAddress) -> bool:
        at = bisect_right(firsts, address) - 1
        return at >= 0 and address <= lasts[at]

    return contain


def parse_address(text: str) -> IpAddress | None:
    """An address, or None if the text is invalid. IPv4-mapped IPv6 becomes IPv4."""
    address = _parse_as_written(text)
    if address is None or not _is_mapped(address):
        return address
    return IpAddress(4, address.number & 0xFFFF_FFFF)


def parse_network(text: str) -> Network | None:
    """A network with its host bits masked, or None if the text is invalid.

    An address without a prefix is a network of one address. Mapped networks are invalid.
    """
    written, slash, prefix = text.partition("/")
    if not slash:
        host = parse_address(written)
        return None if host is None else Network(host.version, -1, host.number)
    address = _parse_as_written(written)
    if address is None or _is_mapped(address) or not _PREFIX.fullmatch(prefix):
        return None
    return _mask(address, int(prefix))


def _mask(address: IpAddress, prefix: int) -> Network | None:
    bits = BITS[address.version]
    if prefix > bits:
        return None
    mask = (1 << bits) - (1 << (bits - prefix))
    return Network(address.version, mask, address.number & mask)


def _parse_as_written(text: str) -> IpAddress | None:
    try:
        if ":" in text:
            return None if "%" in text else IpAddress(6, int(IPv6Address(text)))
        return IpAddress(4, int(IPv4Address(text)))
    except AddressValueError:
        return None


def _is_mapped(address: IpAddress) -> bool:
    return address.version == 6 and address.number >> 32 == _MAPPED

"""IANA's special-purpose address registries: which blocks are reachable from the internet.

Python's `ipaddress` lacks newer rows, such as 3fff::/20, and its tables differ between patch releases.
https://www.iana.org/assignments/iana-ipv4-special-registry/
https://www.iana.org/assignments/iana-ipv6-special-registry/
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import NamedTuple

GLOBAL_UNICAST = IPv6Network("2000::/3")
"""The only IPv6 space that is routed on the internet (RFC 4291 §2.4)."""


class Block(NamedTuple):
    """A row of a registry."""

    network: IPv4Network | IPv6Network
    name: str
    rfc: int
    is_global: bool
    """Globally reachable, as the registry says; "N/A" counts as no."""


def _block(network: str, name: str, rfc: int, is_global: bool = False) -> Block:
    return Block(ip_network(network), name, rfc, is_global)


BLOCKS: tuple[Block, ...] = (
    _block("0.0.0.0/8", "this network", 791),
    _block("10.0.0.0/8", "private use", 1918),
    _block("100.64.0.0/10", "shared address space", 6598),
    _block("127.0.0.0/8", "loopback", 1122),
    _block("169.254.0.0/16", "link-local", 3927),
    _block("172.16.0.0/12", "private use", 1918),
    _block("192.0.0.0/24", "IETF protocol assignments", 6890),
    _block("192.0.0.0/29", "IPv4 service continuity prefix", 7335),
    _block("192.0.0.8/32", "IPv4 dummy address", 7600),
    _block("192.0.0.9/32", "port control protocol anycast", 7723, is_global=True),
    _block("192.0.0.10/32", "TURN anycast", 8155, is_global=True),
    _block("192.0.0.170/32", "NAT64/DNS64 discovery", 8880),
    _block("192.0.0.171/32", "NAT64/DNS64 discovery", 8880),
    _block("192.0.2.0/24", "documentation", 5737),
    _block("192.31.196.0/24", "AS112", 7535, is_global=True),
    _block("192.52.193.0/24", "AMT", 7450, is_global=True),
    _block("192.88.99.0/24", "deprecated 6to4 relay anycast", 7526),
    _block("192.88.99.2/32", "6a44 relay anycast", 6751),
    _block("192.168.0.0/16", "private use", 1918),
    _block("192.175.48.0/24", "direct delegation AS112", 7534, is_global=True),
    _block("198.18.0.0/15", "benchmarking", 2544),
    _block("198.51.100.0/24", "documentation", 5737),
    _block("203.0.113.0/24", "documentation", 5737),
    _block("240.0.0.0/4", "reserved", 1112),
    _block("255.255.255.255/32", "limited broadcast", 8190),
    _block("::1/128", "loopback", 4291),
    _block("::/128", "unspecified", 4291),
    _block("::ffff:0:0/96", "IPv4-mapped", 4291),
    _block("64:ff9b::/96", "IPv4-IPv6 translation", 6052, is_global=True),
    _block("64:ff9b:1::/48", "IPv4-IPv6 translation, local use", 8215),
    _block("100::/64", "discard only", 6666),
    _block("100:0:0:1::/64", "dummy prefix", 9780),
    _block("2001::/23", "IETF protocol assignments", 2928),
    _block("2001::/32", "Teredo", 4380),
    _block("2001:1::1/128", "port control protocol anycast", 7723, is_global=True),
    _block("2001:1::2/128", "TURN anycast", 8155, is_global=True),
    _block("2001:1::3/128", "DNS-SD service registration anycast", 9665, is_global=True),
    _block("2001:2::/48", "benchmarking", 5180),
    _block("2001:3::/32", "AMT", 7450, is_global=True),
    _block("2001:4:112::/48", "AS112", 7535, is_global=True),
    _block("2001:10::/28", "deprecated ORCHID", 4843),
    _block("2001:20::/28", "ORCHIDv2", 7343, is_global=True),
    _block("2001:30::/28", "drone remote ID", 9374, is_global=True),
    _block("2001:db8::/32", "documentation", 3849),
    _block("2002::/16", "6to4", 3056),
    _block("2620:4f:8000::/48", "direct delegation AS112", 7534, is_global=True),
    _block("3fff::/20", "documentation", 9637),
    _block("5f00::/16", "segment routing SIDs", 9602),
    _block("fc00::/7", "unique local", 4193),
    _block("fe80::/10", "link-local", 4291),
)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is reachable from the internet, by its most specific row. Multicast never is."""
    if address.is_multicast:
        return False
    rows = [block for block in BLOCKS if address in block.network]
    if rows:
        return max(rows, key=lambda block: block.network.prefixlen).is_global
    return isinstance(address, IPv4Address) or address in GLOBAL_UNICAST

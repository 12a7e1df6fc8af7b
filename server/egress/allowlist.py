"""Which hosts and addresses a request of ours may go to: the public ones, and those that the operator listed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network

from server.egress.target_url import Address, EgressDeniedError, TargetUrl, is_hostname

Network = IPv4Network | IPv6Network

PUBLIC_PORTS = frozenset({80, 443})
METADATA_HOSTS = frozenset({"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"})
FORBIDDEN: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "::/128"),  # connects to this very host
        *("169.254.0.0/16", "fe80::/10"),  # link-local, where most clouds serve credentials
        *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.0/24"),  # Alibaba, Azure, Oracle: the same
        *("fd00:ec2::254/128", "fd20:ce::254/128"),  # AWS, Google: the same
        *("224.0.0.0/4", "255.255.255.255/32", "ff00::/8"),  # many hosts at once
    )
)
"""Never reached, whatever the operator lists."""

GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")


class AllowRuleError(ValueError):
    """An entry of the allow-list cannot be read."""

    def __init__(self, entry: str) -> None:
        super().__init__(
            f"HUA_EGRESS_ALLOW: {entry!r} is not a network, a host or a .suffix, with :port or without; "
            "write 10.0.0.0/8, 10.1.2.3:9000, [fd00::/8]:9000, images.corp or .corp:8080"
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry: a network, one host, or (`.corp`) every host below a name. Without a port it allows every port."""

    network: Network | None
    host: str
    port: int | None

    @classmethod
    def parse(cls, entry: str) -> Rule:
        """Raises AllowRuleError."""
        if (network := _network(entry)) is not None:
            return cls(network, "", None)
        host, colon, port = entry.lower().rpartition(":") if ":" in entry else (entry.lower(), "", "")
        network = _network(host.removeprefix("[").removesuffix("]"))
        if network is None and not is_hostname(host.removeprefix(".")):
            raise AllowRuleError(entry)
        if colon and not (port.isdecimal() and 0 < int(port) < 65536):
            raise AllowRuleError(entry)
        return cls(network, "" if network else host, int(port) if port else None)

    def opens(self, port: int) -> bool:
        return self.port in (None, port)

    def names(self, host: str) -> bool:
        host = host.rstrip(".")
        return host.endswith(self.host) if self.host.startswith(".") else host == self.host

    def holds(self, address: Address) -> bool:
        return self.network is not None and address in self.network


class EgressAllowlist:
    """The operator's allow-list. Empty, it leaves public addresses on ports 80 and 443."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._rules = tuple(Rule.parse(entry) for entry in entries)

    def lists(self, target: TargetUrl) -> bool:
        """Whether the operator named this host, or the address that the URL spells out."""
        rules = [rule for rule in self._rules if rule.opens(target.port)]
        return any(rule.names(target.host) or (target.address and rule.holds(target.address)) for rule in rules)

    def judge_name(self, target: TargetUrl) -> None:
        """Raises EgressDeniedError if no address that the target's host may have can be reached. Asks no DNS."""
        if target.host.rstrip(".") in METADATA_HOSTS:
            raise _never(target)
        rules = [rule for rule in self._rules if rule.opens(target.port)]
        if target.port not in PUBLIC_PORTS and not any(rule.network or rule.names(target.host) for rule in rules):
            raise _unlisted(target, f"port {target.port} is neither 80 nor 443")

    def judge(self, target: TargetUrl, address: Address) -> None:
        """Raises EgressDeniedError if `address`, which is one of the target's, may not be reached."""
        faces = faces_of(address)
        if any(face in network for face in faces for network in FORBIDDEN):
            raise _never(target)
        rules = [rule for rule in self._rules if rule.opens(target.port)]
        if any(rule.names(target.host) for rule in rules):
            return
        unlisted = [face for face in faces if not any(rule.holds(face) for rule in rules)]
        if not all(is_public(face) for face in unlisted):
            raise _unlisted(target, "its address is not public")
        if unlisted and target.port not in PUBLIC_PORTS:
            raise _unlisted(target, f"port {target.port} is neither 80 nor 443")


def faces_of(address: Address) -> tuple[Address, ...]:
    """The addresses that packets to `address` may end at: IPv6 can carry IPv4 (RFC 4291 §2.5.5, 3056, 4380, 6052)."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.teredo is not None:
        return (address, *address.teredo)
    if address in NAT64:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    inner = address.ipv4_mapped or address.sixtofour
    return (address,) if inner is None else (inner,)


def is_public(address: Address) -> bool:
    """Python calls unassigned IPv6 space global too; only 2000::/3 is routed."""
    return address.is_global and not address.is_multicast and (address.version == 4 or address in GLOBAL_UNICAST)


def _never(target: TargetUrl) -> EgressDeniedError:
    return EgressDeniedError(
        f"{target.label} may not be called: link-local, metadata and multicast addresses are never reached; "
        "use another URL"
    )


def _unlisted(target: TargetUrl, reason: str) -> EgressDeniedError:
    entry = f"{target.host}:{target.port}" if target.origin is None else "where it leads"
    return EgressDeniedError(
        f"{target.label} may not be called: {reason}; use a public URL, or ask the operator to add {entry} "
        "to HUA_EGRESS_ALLOW"
    )


def _network(text: str) -> Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None

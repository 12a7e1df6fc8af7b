"""Which hosts and addresses our requests may reach: public ones, and those that the operator has listed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network

from server.egress.special_purpose import is_public
from server.egress.target_url import Address, EgressDeniedError, TargetUrl, is_hostname

Network = IPv4Network | IPv6Network

PUBLIC_PORTS = frozenset({80, 443})
METADATA_HOSTS = frozenset({"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"})
FORBIDDEN: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "::/128"),  # connects to this host
        *("169.254.0.0/16", "fe80::/10"),  # link-local, where most clouds serve credentials
        *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.0/24"),  # credentials of Alibaba, Azure and Oracle
        *("fd00:ec2::254/128", "fd20:ce::254/128"),  # credentials of AWS and Google
        *("224.0.0.0/4", "255.255.255.255/32", "ff00::/8"),  # multicast and broadcast
    )
)
"""Never reached, even if the operator lists them."""

NAT64 = IPv6Network("64:ff9b::/96")


class AllowRuleError(ValueError):
    """An entry of the allowlist is invalid."""

    def __init__(self, entry: str) -> None:
        super().__init__(
            f"HUA_EGRESS_ALLOW: {entry!r} is not a network, a host or a .suffix, each with or without :port; "
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

    def allows_port(self, port: int) -> bool:
        return self.port in (None, port)

    def matches_host(self, host: str) -> bool:
        host = host.rstrip(".")
        return host.endswith(self.host) if self.host.startswith(".") else host == self.host

    def contains(self, address: Address) -> bool:
        return self.network is not None and address in self.network


class EgressAllowlist:
    """The operator's allowlist. Without entries, only public addresses on ports 80 and 443 are allowed.

    Raises AllowRuleError for an invalid entry.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._rules = tuple(Rule.parse(entry) for entry in entries)

    def lists(self, target: TargetUrl) -> bool:
        """Whether an entry names this host, or the address that the URL contains."""
        return any(
            rule.matches_host(target.host) or (target.address is not None and rule.contains(target.address))
            for rule in self._rules_for(target)
        )

    def check_host(self, target: TargetUrl) -> None:
        """Raises EgressDeniedError if no address of the host could be allowed. Makes no DNS request."""
        if target.host.rstrip(".") in METADATA_HOSTS:
            raise _forbidden(target)
        rules = self._rules_for(target)
        if target.port not in PUBLIC_PORTS and not any(
            rule.network or rule.matches_host(target.host) for rule in rules
        ):
            raise _unlisted(target, f"port {target.port} is neither 80 nor 443")

    def check_address(self, target: TargetUrl, address: Address) -> None:
        """Raises EgressDeniedError if `address`, one of the target's addresses, may not be reached."""
        destinations = destinations_of(address)
        if any(destination in network for destination in destinations for network in FORBIDDEN):
            raise _forbidden(target)
        rules = self._rules_for(target)
        if any(rule.matches_host(target.host) for rule in rules):
            return
        unlisted = [
            destination for destination in destinations if not any(rule.contains(destination) for rule in rules)
        ]
        if not all(is_public(destination) for destination in unlisted):
            raise _unlisted(target, "its address is not public")
        if unlisted and target.port not in PUBLIC_PORTS:
            raise _unlisted(target, f"port {target.port} is neither 80 nor 443")

    def _rules_for(self, target: TargetUrl) -> list[Rule]:
        return [rule for rule in self._rules if rule.allows_port(target.port)]


def destinations_of(address: Address) -> tuple[Address, ...]:
    """The addresses at which packets to `address` may end.

    IPv6 can carry IPv4 (RFC 4291 §2.5.5, RFC 3056, RFC 4380, RFC 6052).
    """
    if isinstance(address, IPv4Address):
        return (address,)
    if address.teredo is not None:
        return (address, *address.teredo)
    if address in NAT64:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    inner = address.ipv4_mapped or address.sixtofour
    return (address,) if inner is None else (inner,)


def _forbidden(target: TargetUrl) -> EgressDeniedError:
    return EgressDeniedError(
        f"{target.label} may not be requested: link-local, metadata and multicast addresses are never allowed; "
        "use another URL"
    )


def _unlisted(target: TargetUrl, reason: str) -> EgressDeniedError:
    entry = f"{target.host}:{target.port}" if target.origin is None else "the host that it redirects to"
    return EgressDeniedError(
        f"{target.label} may not be requested: {reason}; use a public URL, or ask the operator to add {entry} "
        "to HUA_EGRESS_ALLOW"
    )


def _network(text: str) -> Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None

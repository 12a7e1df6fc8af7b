"""A URL that a caller gave us to call, read once: what is judged is what is connected to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

import httpx

LONGEST_URL = 2048
PORTS = {"http": 80, "https": 443}

Address = IPv4Address | IPv6Address

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?")
_NUMERIC = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)\.?")


class EgressDeniedError(Exception):
    """This URL is not one that we may call; the message says why, and what the caller or the operator can do."""


@dataclass(frozen=True, slots=True)
class TargetUrl:
    """Where a request goes. `origin` is the host that redirected here, if one did."""

    url: httpx.URL
    origin: str | None = None

    @classmethod
    def read(cls, text: str, origin: str | None = None) -> TargetUrl:
        """Raises EgressDeniedError for what is not a plain http(s) URL."""
        if len(text) > LONGEST_URL:
            raise EgressDeniedError(f"the URL is {len(text)} characters long; {LONGEST_URL} is the most")
        try:
            url = httpx.URL(text)
        except httpx.InvalidURL as error:
            raise EgressDeniedError(f"not a URL: {error}; write http://host/path") from None
        if url.scheme not in PORTS:
            raise EgressDeniedError("the URL must begin with http:// or https://")
        if url.userinfo:
            raise EgressDeniedError("the URL must not carry a user name or a password; leave out what is before the @")
        host = url.raw_host.decode("ascii")
        if literal(host) is None and not is_hostname(host):
            raise EgressDeniedError("the URL has no proper host; write a DNS name, a dotted IPv4 or [IPv6] address")
        if url.port is not None and not 0 < url.port < 65536:
            raise EgressDeniedError(f"port {url.port} does not exist; leave it out, or name the right one")
        return cls(url, origin)

    def redirected(self, location: str) -> TargetUrl:
        """Where `location`, as this target's answer gave it, leads; raises EgressDeniedError."""
        origin = self.origin or self.host
        try:
            return TargetUrl.read(str(self.url.join(location)), origin)
        except (httpx.InvalidURL, EgressDeniedError):
            raise EgressDeniedError(f"{origin} redirects to what is no http(s) URL; give the final URL") from None

    @property
    def host(self) -> str:
        """In lower case, in punycode, and without the brackets of IPv6."""
        return self.url.raw_host.decode("ascii")

    @property
    def port(self) -> int:
        return self.url.port or PORTS[self.url.scheme]

    @property
    def address(self) -> Address | None:
        """The address that the URL spells out, if it has no name."""
        return literal(self.host)

    @property
    def label(self) -> str:
        """How errors name it; where a redirect leads is not the caller's to learn."""
        return self.host if self.origin is None else f"a redirect of {self.origin}"


def is_hostname(text: str) -> bool:
    """Whether this is a DNS name, and not one of the spellings of an IPv4 address (127.1, 0x7f000001, 2130706433)."""
    return _HOSTNAME.fullmatch(text) is not None and _NUMERIC.fullmatch(text) is None


def literal(host: str) -> Address | None:
    """The address that `host` spells out, in dotted decimal or IPv6 notation without a zone, or None."""
    try:
        return None if "%" in host else ip_address(host)
    except ValueError:
        return None

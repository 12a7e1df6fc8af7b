"""A URL that a caller gave us to request. It is parsed once, so that what is checked is what is connected to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

import httpx

MAX_URL_LENGTH = 2048
PORTS = {"http": 80, "https": 443}

Address = IPv4Address | IPv6Address

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?")
_NUMERIC = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)\.?")
_AUTHORITY = re.compile(r"[^:/?#]*://([^/?#]*)")
_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(:[0-9]*)?")
"""httpx reads a port with `int`, which also takes `+80`, `8_0`, spaces and digits of other scripts. Proxies and other
parsers refuse these."""


class EgressDeniedError(Exception):
    """This URL may not be requested; the message says why, and what the caller or the operator can do."""


@dataclass(frozen=True, slots=True)
class TargetUrl:
    """The destination of a request. `origin` is the host that redirected here, if one did."""

    url: httpx.URL
    origin: str | None = None

    @classmethod
    def parse(cls, text: str, origin: str | None = None) -> TargetUrl:
        """Raises EgressDeniedError unless the text is a plain http(s) URL."""
        _refuse_longer(text)
        if text != text.strip():
            raise EgressDeniedError("the URL begins or ends with a space; remove it")
        try:
            url = httpx.URL(str(httpx.URL(text)))  # once more, because it drops the port of `HTTP://host:80` only then
        except httpx.InvalidURL as error:
            raise EgressDeniedError(f"not a URL: {error}; write http://host/path") from None
        except UnicodeEncodeError:
            raise EgressDeniedError("the URL has half of a surrogate pair; write each character whole") from None
        _refuse_longer(str(url))
        if url.scheme not in PORTS:
            raise EgressDeniedError("the URL must begin with http:// or https://")
        if url.userinfo:
            raise EgressDeniedError("the URL must not contain a user name or a password; remove the part before the @")
        host = url.raw_host.decode("ascii")
        if parse_address(host) is None and not is_hostname(host):
            raise EgressDeniedError("the URL has no valid host; write a DNS name, a dotted IPv4 or an [IPv6] address")
        authority = _AUTHORITY.match(text)
        if authority is None or not _HOST_AND_PORT.fullmatch(authority[1]):
            raise EgressDeniedError("the port must be a number in the digits 0 to 9, without sign or space")
        if url.port is not None and not 0 < url.port < 65536:
            raise EgressDeniedError(f"port {url.port} does not exist; remove it, or use a port from 1 to 65535")
        return cls(url, origin)

    def redirected(self, location: str) -> TargetUrl:
        """The target of a redirect to `location`, a Location header of this target. Raises EgressDeniedError."""
        origin = self.origin or self.host
        try:
            return TargetUrl.parse(str(self.url.join(location)), origin)
        except (httpx.InvalidURL, EgressDeniedError):
            raise EgressDeniedError(f"{origin} does not redirect to an http(s) URL; use the final URL") from None

    @property
    def text(self) -> str:
        """The URL in ASCII, with one spelling of host and port; parsing it gives this target again."""
        return str(self.url)

    @property
    def host(self) -> str:
        """In lower case, in punycode, and without the brackets of IPv6."""
        return self.url.raw_host.decode("ascii")

    @property
    def port(self) -> int:
        return self.url.port or PORTS[self.url.scheme]

    @property
    def address(self) -> Address | None:
        """The IP address in the URL; None if the URL has a host name."""
        return parse_address(self.host)

    @property
    def label(self) -> str:
        """The name of the target in error messages. It hides from the caller where a redirect leads."""
        return self.host if self.origin is None else f"a redirect of {self.origin}"


def _refuse_longer(text: str) -> None:
    if len(text) > MAX_URL_LENGTH:
        raise EgressDeniedError(f"the URL has {len(text)} characters; use one of {MAX_URL_LENGTH} at most")


def is_hostname(text: str) -> bool:
    """Whether this is a DNS name, and not an unusual form of an IPv4 address (127.1, 0x7f000001, 2130706433)."""
    return _HOSTNAME.fullmatch(text) is not None and _NUMERIC.fullmatch(text) is None


def parse_address(host: str) -> Address | None:
    """The address in dotted decimal or in IPv6 notation without a zone; None for anything else."""
    try:
        return None if "%" in host else ip_address(host)
    except ValueError:
        return None

"""The host names that the server answers to while it needs no API key."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from server.api.errors import Problem


@dataclass(frozen=True, slots=True)
class TrustedHosts:
    """Answers requests for IP addresses, localhost and `own_host`, and refuses all other Host headers.

    This stops DNS rebinding: a web page may call its own host name, and its owner may point that name at this machine
    after the page has loaded.
    """

    app: ASGIApp
    own_host: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        header = Headers(scope=scope).get("host", "") if scope["type"] == "http" else ""
        app = self.app if self._trusts(header) else _refusal(header)
        await app(scope, receive, send)

    def _trusts(self, header: str) -> bool:
        """A missing header is trusted: every browser sends one."""
        try:
            host = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        return not header or host in ("localhost", self.own_host) or host.endswith(".localhost") or _is_address(host)


def _refusal(header: str) -> ASGIApp:
    message = (
        f"this server does not answer to the host name {header[:64]}; use localhost, or ask the operator to set "
        "HUA_PUBLIC_URL to an address with this name"
    )
    return Problem(421, "unknown_host", message).response()


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False

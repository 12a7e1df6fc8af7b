"""Which names the server answers to, where nobody needs a key."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from server.api.errors import Problem


@dataclass(frozen=True, slots=True)
class TrustedHosts:
    """Answers to addresses, to localhost and to `own`. A browser lets a page talk to whatever its own name leads to,
    and that name may be led to this very machine once the page is loaded (DNS rebinding)."""

    app: ASGIApp
    own: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = Headers(scope=scope).get("host", "") if scope["type"] == "http" else ""
        answer = self.app if self._knows(sent) else _refusal(sent)
        await answer(scope, receive, send)

    def _knows(self, sent: str) -> bool:
        """No browser sends none."""
        try:
            host = urlsplit(f"//{sent}").hostname or ""
        except ValueError:
            return False
        return not sent or host in ("localhost", self.own) or host.endswith(".localhost") or _is_address(host)


def _refusal(sent: str) -> ASGIApp:
    said = f"this server is not known as {sent[:64]}; ask for localhost, or have the operator name it in HUA_PUBLIC_URL"
    return Problem(421, "unknown_host", said).reply()


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False

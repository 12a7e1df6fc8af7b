"""All requests that we make on behalf of callers: image URLs and callbacks.

A caller could use a URL to reach our own network. So each host is resolved once, all its addresses are checked
(`server/egress/allowlist.py`), and the connection goes to a checked address, with the Host header and the TLS name of
the URL. So a name that resolves differently the second time (DNS rebinding) has no effect. Redirects are checked too.

If there is a proxy, it gets the host name: the proxy resolves it and has to check the address.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

import httpx

from server.egress.allowlist import EgressAllowlist
from server.egress.connection_slots import CALLBACKS, IMAGES, MOST_OPEN, WAIT_S, ConnectionSlots, EgressBusyError, Slot
from server.egress.responses import (
    EgressFailedError,
    EgressTimeoutError,
    Reply,
    failure_message,
    raise_unless_ok,
    read_body,
    retry_after_s,
)
from server.egress.target_url import Address, EgressDeniedError, TargetUrl, parse_address
from server.egress.transport import sent, trusting_tls

__all__ = ["Egress", "EgressBusyError", "EgressDeniedError", "EgressFailedError", "Reply"]

MAX_REDIRECTS = 3
CONNECT_TIMEOUT_S = 3.0
EXCHANGE_TIMEOUT_S = 15.0

DNS_THREADS = ThreadPoolExecutor(2 * MOST_OPEN, "dns")
"""DNS requests have their own threads: a name server that does not answer blocks its thread long after our timeout. In
the default executor, a few such hosts would stop the encoding of all images. There is a thread for each slot, so no
request waits for those of other tenants."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, from the resolver of this machine. Raises OSError."""
    lookup = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    entries = await asyncio.get_running_loop().run_in_executor(DNS_THREADS, lookup)
    return [str(entry[4][0]) for entry in entries]


class Egress:
    """Makes GET requests for images and POST requests for callbacks, to checked addresses.

    `allow` lists what may be reached besides public addresses: 10.0.0.0/8, images.corp, .corp:8080, [fd00::/8]:9000.
    Listed targets are reached directly, all others through `proxy` (http://[USER:PASSWORD@]HOST:PORT) if there is one;
    proxies of the environment are ignored. `total_s` limits a whole exchange, `wait_s` the wait for a connection
    before it. Errors never contain a body, or an address that the caller did not send.
    """

    def __init__(
        self,
        allow: Iterable[str] = (),
        resolve: Resolve = resolve,
        total_s: float = EXCHANGE_TIMEOUT_S,
        proxy: str = "",
        wait_s: float = WAIT_S,
    ) -> None:
        self._allowlist = EgressAllowlist(allow)
        self._resolve = resolve
        self._total_s = total_s
        self._proxy = proxy
        self._image_slots = ConnectionSlots(IMAGES, wait_s)
        self._callback_slots = ConnectionSlots(CALLBACKS, wait_s)
        trusting_tls()  # here it does not hold up the event loop

    def check(self, url: str) -> str:
        """The URL in one spelling. Raises EgressDeniedError for one that can be refused without a DNS request."""
        target = TargetUrl.parse(url)
        self._check_url(target)
        return target.text

    async def fetch(self, url: str, max_bytes: int, tenant: str = "") -> bytes:
        """The body of `url`, of at most `max_bytes`. Raises EgressDeniedError, EgressFailedError."""
        target = TargetUrl.parse(url)
        async with self._image_slots.hold(tenant, target) as slot, self._deadline(target):
            for _ in range(1 + MAX_REDIRECTS):
                async with self._exchange("GET", target, {"Accept": "image/*"}, slot) as response:
                    if response.has_redirect_location:
                        target = target.redirected(response.headers["location"])
                        continue
                    raise_unless_ok(response, target)
                    return await read_body(response, target, max_bytes)
        raise EgressFailedError(
            f"{target.origin} redirects more than {MAX_REDIRECTS} times; use the final URL", permanent=True
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], tenant: str = "") -> Reply:
        """Sends `body`. Follows no redirect, and reads only status and headers. Raises what `fetch` raises."""
        target = TargetUrl.parse(url)
        async with (
            self._callback_slots.hold(tenant, target) as slot,
            self._deadline(target),
            self._exchange("POST", target, headers, slot, body) as response,
        ):
            return Reply(response.status_code, retry_after_s(response.headers.get("retry-after")))

    @asynccontextmanager
    async def _deadline(self, target: TargetUrl) -> AsyncIterator[None]:
        """Limits the time of an exchange, with DNS and redirects, and turns failures into EgressFailedError."""
        try:
            async with asyncio.timeout(self._total_s):
                yield
        except TimeoutError:
            raise EgressTimeoutError(f"{target.label} took more than {self._total_s:g} s; try again later") from None
        except httpx.TimeoutException as error:
            raise EgressTimeoutError(failure_message(target, error)) from error
        except httpx.HTTPError as error:
            raise EgressFailedError(failure_message(target, error)) from error

    @asynccontextmanager
    async def _exchange(
        self, method: str, target: TargetUrl, headers: Mapping[str, str], slot: Slot, body: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        fixed = {"Host": target.url.netloc.decode(), "Accept-Encoding": "identity", "User-Agent": "Hua"}
        timeout = {"connect": CONNECT_TIMEOUT_S, "read": self._total_s, "write": self._total_s, "pool": self._total_s}
        extensions = {"timeout": timeout} | ({} if target.address else {"sni_hostname": target.host})
        proxy, hosts = await self._route(target, slot)
        requests = [
            httpx.Request(
                method,
                target.url.copy_with(host=host),
                headers={**headers, **fixed},
                content=body,
                extensions=extensions,
            )
            for host in hosts
        ]
        async with sent(requests, proxy) as response:
            yield response

    async def _route(self, target: TargetUrl, slot: Slot) -> tuple[str | None, list[str]]:
        """The proxy to use, if any, and the hosts to connect to, in the order in which they are tried."""
        if not self._proxy or self._allowlist.lists(target):
            return None, [str(address) for address in await self._addresses(target, slot)]
        self._check_url(target)
        return self._proxy, [target.host]

    async def _addresses(self, target: TargetUrl, slot: Slot) -> list[Address]:
        """All addresses of the target, at least one; each has been checked."""
        self._check_url(target)
        if target.address is not None:
            return [target.address]
        try:
            slot.lookup = asyncio.ensure_future(self._resolve(target.host, target.port))
            texts = await asyncio.shield(slot.lookup)
        except (OSError, UnicodeError):
            texts = []
        addresses = [address for text in dict.fromkeys(texts) if (address := parse_address(text)) is not None]
        if not addresses:
            raise EgressFailedError(
                f"the host name of {target.label} has no address; check its spelling, or try again later"
            )
        for address in addresses:
            self._allowlist.check_address(target, address)
        return addresses

    def _check_url(self, target: TargetUrl) -> None:
        if target.address is not None:
            self._allowlist.check_address(target, target.address)
        else:
            self._allowlist.check_host(target)

"""The one guarded door for requests that we make on behalf of callers: image URLs and callbacks.

A caller who names a URL could aim us at our own network. So each host is resolved once, every address of it is judged
(`server/egress/allowlist.py`), and the connection goes to the judged address itself, with the Host header and the TLS
name kept: a name that answers differently the second time (DNS rebinding) gains nothing, nor does a redirect.

Where only a proxy leads outside, it is told the name, and it is the proxy that resolves and has to judge.
"""

from __future__ import annotations

import asyncio
import email.utils
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

import httpx

from server.egress.allowlist import EgressAllowlist
from server.egress.target_url import Address, EgressDeniedError, TargetUrl, literal

__all__ = ["Egress", "EgressDeniedError", "EgressFailedError", "Reply"]

REDIRECTS = 3
CONNECT_S = 3.0
TOTAL_S = 15.0
CONNECTIONS = 256

RESOLVERS = ThreadPoolExecutor(64, "dns")
"""Of their own: a name server that never answers holds its thread for long after we have left it, and whoever names a
few such hosts would else keep everybody's pictures from being encoded."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class EgressFailedError(Exception):
    """The other side did not answer as it should. `lasting`: trying again would end the same way."""

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a POST. `retry_after_s` is what its Retry-After header asked for."""

    status: int
    retry_after_s: float | None = None


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as this machine's resolver knows them; raises OSError."""
    asking = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(RESOLVERS, asking)
    return [str(entry[4][0]) for entry in found]


class Egress:
    """`allow` lists what may be reached besides public addresses: 10.0.0.0/8, images.corp, .corp:8080, [fd00::/8]:9000.

    What it lists is reached directly, all else through `proxy` (http://[USER:PASSWORD@]HOST:PORT), if there is one.
    Errors never repeat a body, or an address that the caller did not send. Proxies of the environment are ignored.
    """

    def __init__(
        self, allow: Iterable[str] = (), resolve: Resolve = resolve, total_s: float = TOTAL_S, proxy: str = ""
    ) -> None:
        self._allow = EgressAllowlist(allow)
        self._resolve = resolve
        self._total_s = total_s
        # A kept connection would be found again by its address, and so skip the TLS check of another host's name.
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=0)
        tls = httpx.create_ssl_context(trust_env=False)
        tls.load_default_certs()
        self._transport = httpx.AsyncHTTPTransport(verify=tls, limits=limits)
        self._proxy = httpx.AsyncHTTPTransport(verify=tls, limits=limits, proxy=proxy) if proxy else None

    def check(self, url: str) -> None:
        """Raises EgressDeniedError for a URL that can be refused without asking DNS."""
        self._judge_url(TargetUrl.read(url))

    async def fetch(self, url: str, max_bytes: int) -> bytes:
        """The body behind `url`, at most `max_bytes` long; raises EgressDeniedError, EgressFailedError."""
        target = TargetUrl.read(url)
        async with self._patience(target):
            for _ in range(1 + REDIRECTS):
                async with self._exchange("GET", target, {"Accept": "image/*"}) as response:
                    if response.has_redirect_location:
                        target = target.redirected(response.headers["location"])
                        continue
                    _raise_unless_ok(response, target)
                    return await _read_body(response, target, max_bytes)
        raise EgressFailedError(f"{target.origin} redirects over {REDIRECTS} times; give the final URL", lasting=True)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Sends `body`, follows no redirect, reads nothing but status and headers; raises as `fetch`."""
        target = TargetUrl.read(url)
        async with self._patience(target), self._exchange("POST", target, headers, body) as response:
            return Reply(response.status_code, _seconds(response.headers.get("retry-after")))

    @asynccontextmanager
    async def _patience(self, target: TargetUrl) -> AsyncIterator[None]:
        """Bounds the whole exchange, DNS and redirects included, and gives every failure its sentence."""
        try:
            async with asyncio.timeout(self._total_s):
                yield
        except TimeoutError:
            raise EgressFailedError(f"{target.label} took longer than {self._total_s:g} s; try again later") from None
        except httpx.HTTPError as error:
            raise EgressFailedError(_fault(target, error)) from error

    @asynccontextmanager
    async def _exchange(
        self, method: str, target: TargetUrl, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        fixed = {"Host": target.url.netloc.decode(), "Accept-Encoding": "identity", "User-Agent": "Hua"}
        timeout = {"connect": CONNECT_S, "read": self._total_s, "write": self._total_s, "pool": self._total_s}
        extensions = {"timeout": timeout} | ({} if target.address else {"sni_hostname": target.host})
        transport, hosts = await self._way(target)
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
        response = await _connect(transport, requests)
        try:
            yield response
        finally:
            await response.aclose()

    async def _way(self, target: TargetUrl) -> tuple[httpx.AsyncHTTPTransport, list[str]]:
        """How it is reached, and by which hosts, in the order in which they are tried."""
        if self._proxy is None or self._allow.lists(target):
            return self._transport, [str(address) for address in await self._addresses(target)]
        self._judge_url(target)
        return self._proxy, [target.host]

    async def _addresses(self, target: TargetUrl) -> list[Address]:
        """Every address of the target, at least one, each of them judged."""
        self._judge_url(target)
        if target.address is not None:
            return [target.address]
        try:
            found = await self._resolve(target.host, target.port)
        except OSError:
            found = []
        addresses = [address for text in dict.fromkeys(found) if (address := literal(text)) is not None]
        if not addresses:
            raise EgressFailedError(
                f"the name of {target.label} has no address; check its spelling, or try again later"
            )
        for address in addresses:
            self._allow.judge(target, address)
        return addresses

    def _judge_url(self, target: TargetUrl) -> None:
        if target.address is not None:
            self._allow.judge(target, target.address)
        else:
            self._allow.judge_name(target)


async def _connect(transport: httpx.AsyncHTTPTransport, requests: Sequence[httpx.Request]) -> httpx.Response:
    """The answer of the first host that accepts a connection."""
    for request in requests[:-1]:
        with suppress(httpx.ConnectError, httpx.ConnectTimeout):
            return await transport.handle_async_request(request)
    return await transport.handle_async_request(requests[-1])


def _raise_unless_ok(response: httpx.Response, target: TargetUrl) -> None:
    status = response.status_code
    if status != 200:
        lasting = status < 500 and status not in (408, 425, 429)
        raise EgressFailedError(f"{target.label} answered {status}; give a URL that answers 200", lasting=lasting)


async def _read_body(response: httpx.Response, target: TargetUrl, max_bytes: int) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        message = f"{target.label} sent a compressed body though asked not to; turn its compression off for this URL"
        raise EgressFailedError(message, lasting=True)
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > max_bytes:
            raise EgressFailedError(f"{target.label} sent more than {max_bytes} bytes; give less", lasting=True)
    return bytes(body)


def _fault(target: TargetUrl, error: httpx.HTTPError) -> str:
    """The library's own text may hold an address, so none of it is repeated."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return f"the certificate of {target.label} is not trusted; the operator can install its authority on this host"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy of this server does not let {target.label} be reached; use another URL, or ask the operator"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return f"{target.label} does not accept connections; check the URL, or try again later"
    return f"the connection to {target.label} broke before the answer was complete; try again later"


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After as seconds from now (RFC 9110 §10.2.3: a number, or a date)."""
    if retry_after is None:
        return None
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):  # years that no calendar has
        return None

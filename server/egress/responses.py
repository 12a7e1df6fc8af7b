"""Responses of other servers: status, body, Retry-After, and messages for failures."""

from __future__ import annotations

import email.utils
import time
from dataclasses import dataclass

import httpx

from server.egress.target_url import TargetUrl


class EgressFailedError(Exception):
    """The other server did not answer as expected. `permanent`: another try would fail in the same way."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class EgressTimeoutError(EgressFailedError):
    """The other server did not answer in time."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a POST. `retry_after_s` is its Retry-After header, in seconds from now."""

    status: int
    retry_after_s: float | None = None


def raise_unless_ok(response: httpx.Response, target: TargetUrl) -> None:
    """Raises EgressFailedError for any other status than 200."""
    status = response.status_code
    if status != 200:
        permanent = status < 500 and status not in (408, 425, 429)
        raise EgressFailedError(f"{target.label} answered {status}; use a URL that answers 200", permanent=permanent)


async def read_body(response: httpx.Response, target: TargetUrl, max_bytes: int) -> bytes:
    """The body, whose size is counted while it is read. Raises EgressFailedError."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        message = f"{target.label} sent a compressed body, which is not supported; turn off compression for this URL"
        raise EgressFailedError(message, permanent=True)
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > max_bytes:
            raise EgressFailedError(
                f"{target.label} sent more than {max_bytes} bytes; use a smaller file", permanent=True
            )
    return bytes(body)


def failure_message(target: TargetUrl, error: httpx.HTTPError) -> str:
    """A message without the text of httpx, which may contain an address."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return f"the certificate of {target.label} is not trusted; ask the operator to trust its authority on this host"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy of this server refuses {target.label}; use another URL, or ask the operator"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return f"{target.label} does not accept connections; check the URL, or try again later"
    return f"the connection to {target.label} broke before the answer was complete; try again later"


def retry_after_s(header: str | None) -> float | None:
    """Retry-After in seconds from now (RFC 9110 §10.2.3: a number or a date)."""
    if header is None:
        return None
    if header.isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):  # a year that datetime does not support
        return None

"""The types of settings that are more than a text or a number, and what is wrong with a value of theirs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from server.egress.allowlist import EgressAllowlist

WAITING_DIALECTS = ("a1111", "ideogram", "nextgpu", "openai")
"""Wire formats whose answer is the result."""
MODERATED = ("text", "images")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d+)?|https?://\[[0-9a-f:]+\](:\d+)?")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]\s:]+)(:\d+)?")


def _split(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _is_http_address(value: str) -> bool:
    """Whether this is http(s)://HOST or http(s)://HOST:PORT, perhaps with a path."""
    try:
        parts = urlsplit(value)
        authority = _AUTHORITY.fullmatch(parts.netloc.rpartition("@")[2])
        return parts.scheme in {"http", "https"} and authority is not None and parts.port != 0
    except ValueError:
        return False


def _check_address(value: str) -> str:
    if value and not _is_http_address(value):
        raise ValueError("it is not an address; write https://HOST or http://HOST:PORT")
    return value


def _check_collector(value: str) -> str:
    if value and not _is_http_address(value):
        raise ValueError(f"{value!r} is not a collector's address; write http://HOST:4318, without a path")
    return value


def _check_proxy(value: str) -> str:
    if value and not (re.fullmatch(r"https?://([^@/]+@)?[^@/]+/?", value) and _is_http_address(value)):
        raise ValueError("it is not a proxy's address; write http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT")
    return value


def _check_origins(value: tuple[str, ...]) -> tuple[str, ...]:
    for origin in value:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin!r} is not an origin; write https://HOST or https://HOST:PORT, no path")
    return value


def _check_egress_rules(value: tuple[str, ...]) -> tuple[str, ...]:
    EgressAllowlist(value)
    return value


def _check_all(names: tuple[str, ...], advice: str) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """A check that refuses what is not among `names`."""

    def check(value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in names:
                raise ValueError(f"{name!r} {advice}")
        return value

    return check


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
HTTPAddress = Annotated[str, AfterValidator(_check_address)]
CollectorAddress = Annotated[str, AfterValidator(_check_collector)]
ProxyAddress = Annotated[str, AfterValidator(_check_proxy)]
Origins = Annotated[Listed, AfterValidator(_check_origins)]
EgressRules = Annotated[Listed, AfterValidator(_check_egress_rules)]
WaitingDialects = Annotated[
    Listed,
    AfterValidator(_check_all(WAITING_DIALECTS, f"is no dialect that waits; there are {', '.join(WAITING_DIALECTS)}")),
]
ModeratedKinds = Annotated[
    Listed, AfterValidator(_check_all(MODERATED, "is not judged; write text, images or text,images"))
]

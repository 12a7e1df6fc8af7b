"""Addresses that name several hosts: `SCHEME://[USER:PASSWORD@]HOST:PORT,…/PATH?OPTION=…`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from redis.asyncio.connection import parse_url

Host = tuple[str, int]


def hosts_of(netloc: str, port: int) -> tuple[Host, ...]:
    """Name and port of each host; `port` is the default. Raises ValueError."""
    return tuple(_host(host, port) for host in netloc.rpartition("@")[2].split(","))


def _host(host: str, port: int) -> Host:
    parts = urlsplit(f"//{host}")
    if not parts.hostname:
        raise ValueError(f"{host!r} is not a host name")
    return parts.hostname, parts.port or port


def options_of(scheme: str, netloc: str, database: str, url_options: dict[str, str]) -> dict[str, Any]:
    """The library's options for an address of one Redis; `scheme` is redis or rediss."""
    login = netloc.rpartition("@")[0]
    direct = f"{scheme}://{login and login + '@'}unused:1/{database or 0}?{urlencode(url_options)}"
    options: dict[str, Any] = dict(parse_url(direct))
    ssl = options.pop("connection_class", None) is not None
    return {name: value for name, value in options.items() if name not in {"host", "port"}} | {"ssl": ssl}

"""Redis behind Sentinel: `redis+sentinel://[USER:PASSWORD@]HOST:PORT,…/SERVICE/DB?OPTION=…`.

User, password and options are those of Redis itself; `sentinel_username` and `sentinel_password` are the Sentinels'.
https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from redis.asyncio.connection import parse_url

SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
PORT = 26379
_OWN = {"sentinel_username": "username", "sentinel_password": "password"}


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Whom to ask for the primary of `service`, and how to talk to either."""

    hosts: tuple[tuple[str, int], ...]
    service: str
    own: dict[str, Any]
    redis: dict[str, Any]

    @classmethod
    def of(cls, url: str) -> Sentinels | None:
        """None for an address of another scheme; raises ValueError for one that lacks something."""
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            return None
        login, _, hosts = parts.netloc.rpartition("@")
        service, _, database = parts.path.strip("/").partition("/")
        if not service:
            raise ValueError("the name of the service is missing, as in redis+sentinel://HOST:PORT/SERVICE/0")
        said = dict(parse_qsl(parts.query))
        own = {name: said.pop(option) for option, name in _OWN.items() if option in said}
        return cls(
            hosts=tuple(_host(host) for host in hosts.split(",")),
            service=service,
            own=own,
            redis=_options(parts, login, database, said),
        )


def _host(host: str) -> tuple[str, int]:
    parts = urlsplit(f"//{host}")
    if not parts.hostname:
        raise ValueError(f"{host!r} is no host")
    return parts.hostname, parts.port or PORT


def _options(parts: SplitResult, login: str, database: str, said: dict[str, str]) -> dict[str, Any]:
    """What the library makes of an address that names Redis itself."""
    direct = f"{SCHEMES[parts.scheme]}://{login and login + '@'}unused:1/{database or 0}?{urlencode(said)}"
    options: dict[str, Any] = dict(parse_url(direct))
    ssl = options.pop("connection_class", None) is not None
    return {name: value for name, value in options.items() if name not in {"host", "port"}} | {"ssl": ssl}

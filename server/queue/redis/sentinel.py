"""Redis behind Sentinel: `redis+sentinel://[USER:PASSWORD@]HOST:PORT,…/SERVICE/DB?OPTION=…`.

User, password and options are those of Redis itself; `sentinel_username` and `sentinel_password` are the Sentinels'.
https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from server.queue.redis.address import Host, hosts_of, options_of

SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
PORT = 26379
_SENTINEL_LOGIN = {"sentinel_username": "username", "sentinel_password": "password"}


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The Sentinels that know the primary of `service`, and the options to connect to both."""

    hosts: tuple[Host, ...]
    service: str
    own: dict[str, Any]
    """Options for the Sentinels."""
    redis: dict[str, Any]
    """Options for Redis."""

    @classmethod
    def of(cls, url: str) -> Sentinels | None:
        """None for an address of another scheme. Raises ValueError for an incomplete one."""
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            return None
        service, _, database = parts.path.strip("/").partition("/")
        if not service:
            raise ValueError("the name of the service is missing, as in redis+sentinel://HOST:PORT/SERVICE/0")
        url_options = dict(parse_qsl(parts.query))
        own = {name: url_options.pop(option) for option, name in _SENTINEL_LOGIN.items() if option in url_options}
        return cls(
            hosts=hosts_of(parts.netloc, PORT),
            service=service,
            own=own,
            redis=options_of(SCHEMES[parts.scheme], parts.netloc, database, url_options),
        )

"""Redis Cluster: `redis+cluster://[USER:PASSWORD@]HOST:PORT,…?OPTION=…`; any of its nodes may be named.

All our keys lie in one slot, for a script sees one node alone. So the node that has this slot is looked for, and talked
to like any Redis, until it says that another one has it.
https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import redis
from redis.asyncio import Redis
from redis.asyncio.sentinel import SentinelConnectionPool, SentinelManagedConnection, SentinelManagedSSLConnection
from redis.crc import key_slot
from redis.exceptions import AuthenticationError, MovedError, RedisError, ResponseError
from redis.exceptions import ConnectionError as AwayError

from server.queue.redis.address import Host, hosts_of, options_of
from server.queue.redis.scripts import ROOT

SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
PORT = 6379
SLOT = key_slot(ROOT.encode())
SLOTS = "CLUSTER SLOTS"


class NoOwnerError(AwayError):
    """No node that answers knows who has our slot."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """Whom to ask, and how to talk to each."""

    hosts: tuple[Host, ...]
    redis: dict[str, Any]

    @classmethod
    def of(cls, url: str) -> Nodes | None:
        """None for an address of another scheme; raises ValueError for one that cannot be."""
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            return None
        if parts.path.strip("/") not in {"", "0"}:
            raise ValueError("a cluster has no other database than 0")
        said = dict(parse_qsl(parts.query))
        return cls(hosts_of(parts.netloc, PORT), options_of(SCHEMES[parts.scheme], parts.netloc, "0", said))


def owner(nodes: Nodes, **options: Any) -> redis.Redis:
    """The node that has our slot, for who may wait; raises RedisError, and ValueError for what is no cluster."""
    for host, port in nodes.hosts:
        with redis.Redis(host=host, port=port, **nodes.redis, **options) as node:
            try:
                at = owner_of(node.execute_command(SLOTS), host)
            except AuthenticationError:
                raise
            except (AwayError, redis.TimeoutError):
                continue
            except ResponseError as error:
                if "cluster support disabled" in str(error):
                    raise ValueError("that Redis is no cluster") from error
                raise
        if at is not None:
            return redis.Redis(host=at[0], port=at[1], **nodes.redis, **options)
    raise NoOwnerError(f"no node knows who has slot {SLOT}")


def owner_of(slots: Any, asked: str) -> Host | None:
    """Of the reply to CLUSTER SLOTS; a node that names no host means the one that was `asked`."""
    for first, last, primary, *_ in slots:
        if first <= SLOT <= last:
            return (primary[0] or b"").decode() or asked, int(primary[1])
    return None


def owner_pool(nodes: Nodes, asking: dict[str, Any], **options: Any) -> SentinelConnectionPool:
    """Connections to the node that has our slot: the library's own for Sentinel, which ask before each that is new;
    `asking` are the options of those that are made to ask."""
    kind = _SafeConnection if nodes.redis["ssl"] else _Connection
    plain = {name: value for name, value in nodes.redis.items() if name != "ssl"}
    guide = _Guide(nodes, **options | asking)
    return SentinelConnectionPool("", guide, connection_class=kind, **plain, **options)  # type: ignore[no-untyped-call]


class _Guide:
    """Stands in for a Sentinel: it is asked for the primary, and asks the nodes."""

    def __init__(self, nodes: Nodes, **options: Any) -> None:
        self.sentinels = [Redis(host=host, port=port, **nodes.redis, **options) for host, port in nodes.hosts]
        self._hosts = [host for host, _ in nodes.hosts]

    async def discover_master(self, service: str) -> Host:
        said: Exception | None = None
        for node, host in zip(self.sentinels, self._hosts, strict=True):
            try:
                if at := owner_of(await node.execute_command(SLOTS), host):  # type: ignore[no-untyped-call]
                    return at
            except (RedisError, OSError) as error:
                said = error
        raise NoOwnerError(f"no node knows who has slot {SLOT}") from said


class _Connection(SentinelManagedConnection):
    """Is closed when its node has given our slot away, so that the next one is made to who has it now."""

    async def read_response(self, *given: Any, **named: Any) -> Any:
        try:
            return await super().read_response(*given, **named)
        except MovedError as error:
            await self.disconnect()
            raise AwayError("another node of the cluster has the keys now") from error


class _SafeConnection(_Connection, SentinelManagedSSLConnection):
    """The same over TLS."""

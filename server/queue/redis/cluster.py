"""Redis Cluster: `redis+cluster://[USER:PASSWORD@]HOST:PORT,…?OPTION=…`; any of its nodes may be named.

All keys are in one slot, because a script can use only one node. So the node that has this slot is looked up and used
like a single Redis, until it answers that another node has the slot.

`redis.asyncio.cluster.RedisCluster` is not used. With redis-py 8.1 scripts and pub/sub work on our keys, but TIME and
INFO go to a default node, which need not have the slot: the queue's clock and the run id that `open` stores would be
those of another node. It also follows a moved slot silently; here the call fails, so that callers learn of the move.
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
from redis.exceptions import ConnectionError as RedisConnectionError

from server.queue.redis.address import Host, hosts_of, options_of
from server.queue.redis.scripts import ROOT

SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
PORT = 6379
SLOT = key_slot(ROOT.encode())
SLOTS = "CLUSTER SLOTS"


class NoOwnerError(RedisConnectionError):
    """No reachable node knows which node has the slot."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes of the address, and the options to connect to each."""

    hosts: tuple[Host, ...]
    redis: dict[str, Any]

    @classmethod
    def of(cls, url: str) -> Nodes | None:
        """None for an address of another scheme. Raises ValueError for an invalid one."""
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            return None
        if parts.path.strip("/") not in {"", "0"}:
            raise ValueError("a cluster has only database 0")
        url_options = dict(parse_qsl(parts.query))
        return cls(hosts_of(parts.netloc, PORT), options_of(SCHEMES[parts.scheme], parts.netloc, "0", url_options))


def owner(nodes: Nodes, **options: Any) -> redis.Redis:
    """A blocking client of the node that has the slot. Raises RedisError, or ValueError if this is not a cluster."""
    for host, port in nodes.hosts:
        with redis.Redis(host=host, port=port, **nodes.redis, **options) as node:
            try:
                at = owner_of(node.execute_command(SLOTS), host)
            except AuthenticationError:
                raise
            except (RedisConnectionError, redis.TimeoutError):
                continue
            except ResponseError as error:
                if "cluster support disabled" in str(error):
                    raise ValueError("that Redis is not a cluster") from error
                raise
        if at is not None:
            return redis.Redis(host=at[0], port=at[1], **nodes.redis, **options)
    raise NoOwnerError(f"no node knows which node has slot {SLOT}")


def owner_of(slots: Any, asked: str) -> Host | None:
    """Reads the reply to CLUSTER SLOTS. An empty host name means the node that was `asked`."""
    for first, last, primary, *_ in slots:
        if first <= SLOT <= last:
            return (primary[0] or b"").decode() or asked, int(primary[1])
    return None


def owner_pool(nodes: Nodes, asking: dict[str, Any], **options: Any) -> SentinelConnectionPool:
    """Connections to the node that has the slot, in the library's pool for Sentinel, which looks up each new one.

    asking: options of the connections for the look-up.
    """
    connection_class = _TLSConnection if nodes.redis["ssl"] else _Connection
    plain = {name: value for name, value in nodes.redis.items() if name != "ssl"}
    lookup = _SlotLookup(nodes, **options | asking)
    return SentinelConnectionPool("", lookup, connection_class=connection_class, **plain, **options)  # type: ignore[no-untyped-call]


class _SlotLookup:
    """Takes the place of a Sentinel in the pool: it asks the nodes for the owner of the slot."""

    def __init__(self, nodes: Nodes, **options: Any) -> None:
        self.sentinels = [Redis(host=host, port=port, **nodes.redis, **options) for host, port in nodes.hosts]
        self._hosts = [host for host, _ in nodes.hosts]

    async def discover_master(self, service: str) -> Host:
        last_error: Exception | None = None
        for node, host in zip(self.sentinels, self._hosts, strict=True):
            try:
                if at := owner_of(await node.execute_command(SLOTS), host):  # type: ignore[no-untyped-call]
                    return at
            except (RedisError, OSError) as error:
                last_error = error
        raise NoOwnerError(f"no node knows which node has slot {SLOT}") from last_error


class _Connection(SentinelManagedConnection):
    """Closes if its node no longer has the slot, so that the next connection goes to the new owner."""

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)
        except MovedError as error:
            await self.disconnect()
            raise RedisConnectionError("another node of the cluster has the keys now") from error


class _TLSConnection(_Connection, SentinelManagedSSLConnection):
    """The same over TLS."""

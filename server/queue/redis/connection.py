"""The way to Redis: how it is reached, what it must be, and what its troubles mean to whoever has to mend them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.retry
import redis.sentinel
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)

from server.observability import metrics
from server.queue import QueueUnavailableError
from server.queue.redis.cancellation import heeding_cancel
from server.queue.redis.cluster import Nodes, NoOwnerError, owner, owner_pool
from server.queue.redis.sentinel import Sentinels
from server.settings import SettingsError

log = logging.getLogger(__name__)
OLDEST = (6, 2)
CONNECTIONS = 64
ANSWER_S, CONNECT_S = 5.0, 3.0
TIMES: dict[str, Any] = {
    "socket_timeout": ANSWER_S,
    "socket_connect_timeout": CONNECT_S,
    "socket_keepalive": True,
}
SHORT: dict[str, Any] = {**TIMES, "socket_timeout": 1.0, "socket_connect_timeout": 1.0}
"""For who is only asked for the way: if the first is away, there must be time for the others."""

NO_PRIMARY = "see that the Sentinels run and watch a service of this name"
ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (AuthenticationError, "check the user and the password in HUA_QUEUE"),
    (NoPermissionError, "allow this user to run scripts, INFO, pub/sub and all commands on keys and channels {hua}:*"),
    (BusyLoadingError, "it reads its data after a start; wait until it has"),
    (ReadOnlyError, "this is a replica; name the primary in HUA_QUEUE, or the Sentinels"),
    (redis.sentinel.MasterNotFoundError, NO_PRIMARY),
    (MasterNotFoundError, NO_PRIMARY),
    (OutOfMemoryError, "raise its maxmemory"),
    (MovedError, "this is one node of a cluster; name it, or some of them, as redis+cluster://HOST:PORT,…"),
    (NoOwnerError, "see that the nodes of the cluster run and that all slots are given to one of them"),
    (ClusterDownError, "see that the cluster is whole: all slots given to nodes that run"),
    (Exception, "see that Redis runs and that HUA_QUEUE names it"),
)


def connect(url: str) -> Redis:
    """Nothing is sent yet. A command is never sent twice: a slot taken twice would look like a task known already."""
    # `answering` bounds what is asked; the library's own bound makes a task of each command on Python 3.11.
    once: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "protocol": 2, **TIMES, "socket_timeout": None}
    if nodes := Nodes.of(url):
        return Redis.from_pool(owner_pool(nodes, SHORT, **once))
    if sentinels := Sentinels.of(url):
        asked: Any = Sentinel(  # type: ignore[no-untyped-call]
            sentinels.hosts, sentinel_kwargs=SHORT | sentinels.own, **sentinels.redis, **once
        )
        client: Redis = asked.master_for(sentinels.service)
        return client
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
        url, max_connections=CONNECTIONS, timeout=ANSWER_S, **once
    )
    return Redis.from_pool(pool)


async def disconnect(client: Redis) -> None:
    """Closes what `connect` opened, the lines to the Sentinels too, or to the nodes of a cluster."""
    await client.aclose()
    if isinstance(client.connection_pool, SentinelConnectionPool):
        for each in client.connection_pool.sentinel_manager.sentinels:
            await each.aclose()


def check(url: str) -> None:
    """Raises SettingsError for what is no address, no password or too old; only warns of a Redis that is away."""
    try:
        with client(url) as redis_client:
            server = redis_client.info()
    except ValueError as error:
        raise SettingsError(
            f"HUA_QUEUE={shown(url)} is no address of Redis: {error}; use redis://[USER:PASSWORD@]HOST:PORT/DB, "
            "redis+sentinel://[USER:PASSWORD@]HOST:PORT,…/SERVICE/DB or redis+cluster://[USER:PASSWORD@]HOST:PORT,…"
        ) from error
    except AuthenticationError as error:
        raise SettingsError(trouble(url, error)) from error
    except RedisError as error:
        log.warning("%s", trouble(url, error))
        return
    version = tuple(int(part) for part in server["redis_version"].split(".")[:2])
    if version < OLDEST:
        raise SettingsError(
            f"HUA_QUEUE={shown(url)} is Redis {server['redis_version']}; it must be {OLDEST[0]}.{OLDEST[1]} or newer"
        )
    if (policy := server.get("maxmemory_policy")) != "noeviction":
        log.warning(
            "Redis at %s may evict keys (maxmemory-policy %s), and a task with it until the next start; "
            "set maxmemory-policy noeviction",
            shown(url),
            policy,
        )


@contextlib.contextmanager
def client(url: str) -> Iterator[redis.Redis]:
    """One that blocks, for checks. Raises ValueError for what is no address."""
    once: dict[str, Any] = {"retry": redis.retry.Retry(NoBackoff(), 0), **TIMES, "socket_timeout": CONNECT_S}
    if sentinels := Sentinels.of(url):
        asked: Any = redis.sentinel.Sentinel(  # type: ignore[no-untyped-call]
            sentinels.hosts, sentinel_kwargs=TIMES | sentinels.own, **sentinels.redis, **once
        )
        clients = [asked.master_for(sentinels.service), *asked.sentinels]
    elif nodes := Nodes.of(url):
        clients = [owner(nodes, **once)]
    else:
        clients = [redis.Redis.from_url(url, **once)]
    with contextlib.ExitStack() as stack:
        for each in clients:
            stack.enter_context(each)
        yield clients[0]


@contextlib.asynccontextmanager
async def answering(url: str) -> AsyncIterator[None]:
    """Raises QueueUnavailableError for any trouble with Redis, and if it does not answer in time."""
    with spoken_plainly(url):
        async with in_time():
            yield


@contextlib.asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """Raises TimeoutError for what takes longer than Redis may take to answer."""
    try:
        async with asyncio.timeout(ANSWER_S):
            yield
    except TimeoutError:
        raise TimeoutError(f"no answer for {ANSWER_S:g} s") from None


@contextlib.contextmanager
def spoken_plainly(url: str) -> Iterator[None]:
    """Raises QueueUnavailableError for any trouble with Redis."""
    try:
        with heeding_cancel():
            yield
    except (RedisError, OSError) as error:
        metrics.QUEUE.failed()
        raise QueueUnavailableError(trouble(url, error)) from error
    metrics.QUEUE.answered()


def trouble(url: str, error: Exception) -> str:
    advice = next(advice for kind, advice in ADVICE if isinstance(error, kind))
    # The library shows the Sentinels it has asked, each with all that it knows of it.
    said = str(error).partition(" : <")[0]
    return f"the queue at {shown(url)} cannot be used now ({said}); {advice}, then try again"


def shown(url: str) -> str:
    """The address without its password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

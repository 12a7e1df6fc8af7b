"""Connecting to Redis: its options and requirements, and what its errors mean for the operator."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

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
from server.queue.redis.cancellation import raising_lost_cancel
from server.queue.redis.cluster import Nodes, NoOwnerError, owner, owner_pool
from server.queue.redis.sentinel import Sentinels
from server.settings import SettingsError

log = logging.getLogger(__name__)
OLDEST_VERSION = (6, 2)
CONNECTIONS = 64
ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S = 5.0, 3.0
TIMEOUTS: dict[str, Any] = {
    "socket_timeout": ANSWER_TIMEOUT_S,
    "socket_connect_timeout": CONNECT_TIMEOUT_S,
    "socket_keepalive": True,
}
DISCOVERY_TIMEOUTS: dict[str, Any] = {**TIMEOUTS, "socket_timeout": 1.0, "socket_connect_timeout": 1.0}
"""Timeouts for discovery requests (Sentinel, CLUSTER SLOTS): short, so that there is time to ask the others."""

NO_PRIMARY = "check that the Sentinels run and watch a service of this name"
ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (AuthenticationError, "check the user and the password in HUA_QUEUE"),
    (NoPermissionError, "allow this user to run scripts, INFO, pub/sub and all commands on keys and channels {hua}:*"),
    (BusyLoadingError, "it is loading its data after a start; wait"),
    (ReadOnlyError, "this is a replica; name the primary in HUA_QUEUE, or the Sentinels"),
    (redis.sentinel.MasterNotFoundError, NO_PRIMARY),
    (MasterNotFoundError, NO_PRIMARY),
    (OutOfMemoryError, "raise its maxmemory"),
    (MovedError, "this is one node of a cluster; name it, or some of them, as redis+cluster://HOST:PORT,…"),
    (NoOwnerError, "check that the nodes of the cluster run and that every slot has a node"),
    (ClusterDownError, "check that every slot of the cluster has a running node"),
    (Exception, "check that Redis runs and that HUA_QUEUE is its address"),
)


def connect(url: str) -> Redis:
    """Sends nothing yet. No command is sent twice: a slot reserved twice would look like a known task."""
    # `answering` limits the time instead: on Python 3.11 the library's timeout makes an asyncio task per command.
    once: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "protocol": 2, **TIMEOUTS, "socket_timeout": None}
    if nodes := Nodes.of(url):
        return Redis.from_pool(owner_pool(nodes, DISCOVERY_TIMEOUTS, **once))
    if sentinels := Sentinels.of(url):
        sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
            sentinels.hosts, sentinel_kwargs=DISCOVERY_TIMEOUTS | sentinels.own, **sentinels.redis, **once
        )
        client: Redis = sentinel.master_for(sentinels.service)
        return client
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
        url, max_connections=CONNECTIONS, timeout=ANSWER_TIMEOUT_S, **once
    )
    return Redis.from_pool(pool)


async def disconnect(client: Redis) -> None:
    """Closes the connections of `connect`, including those to the Sentinels or the nodes of a cluster."""
    await client.aclose()
    if isinstance(client.connection_pool, SentinelConnectionPool):
        for each in client.connection_pool.sentinel_manager.sentinels:
            await each.aclose()


def check(url: str) -> None:
    """Raises SettingsError for a wrong address or login, or an old version. Only warns of an unreachable Redis."""
    try:
        _check_certificates(url)
        with client(url) as redis_client:
            server = redis_client.info()
    except (ValueError, TypeError) as error:  # TypeError: an option that this kind of connection does not have
        raise SettingsError(
            f"HUA_QUEUE={without_password(url)} is not an address of Redis: {str(error).rpartition('() ')[2]}; "
            "use redis://[USER:PASSWORD@]HOST:PORT/DB, redis+sentinel://[USER:PASSWORD@]HOST:PORT,…/SERVICE/DB or redis+cluster://[USER:PASSWORD@]HOST:PORT,…"
        ) from error
    except AuthenticationError as error:
        raise SettingsError(error_message(url, error)) from error
    except RedisError as error:
        log.warning("%s", error_message(url, error))
        return
    version = tuple(int(part) for part in server["redis_version"].split(".")[:2])
    if version < OLDEST_VERSION:
        oldest = ".".join(map(str, OLDEST_VERSION))
        raise SettingsError(
            f"HUA_QUEUE={without_password(url)} is Redis {server['redis_version']}; it must be {oldest} or newer"
        )
    if (policy := server.get("maxmemory_policy")) != "noeviction":
        log.warning(
            "Redis at %s may evict keys (maxmemory-policy %s), and tasks with them until the next start; "
            "set maxmemory-policy noeviction",
            without_password(url),
            policy,
        )


def _check_certificates(url: str) -> None:
    """Raises ValueError for a file that cannot be read, because no later try would succeed."""
    for option, file in parse_qsl(urlsplit(url).query):
        if option in {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}:
            try:
                Path(file).read_bytes()
                if option == "ssl_ca_certs":
                    ssl.create_default_context(cafile=file)
            except OSError as error:
                raise ValueError(f"{option}={file} cannot be used ({error.strerror or error})") from error


@contextlib.contextmanager
def client(url: str) -> Iterator[redis.Redis]:
    """A blocking client, for checks. Raises ValueError for a wrong address."""
    once: dict[str, Any] = {"retry": redis.retry.Retry(NoBackoff(), 0), **TIMEOUTS, "socket_timeout": CONNECT_TIMEOUT_S}
    if sentinels := Sentinels.of(url):
        sentinel: Any = redis.sentinel.Sentinel(  # type: ignore[no-untyped-call]
            sentinels.hosts, sentinel_kwargs=TIMEOUTS | sentinels.own, **sentinels.redis, **once
        )
        clients = [sentinel.master_for(sentinels.service), *sentinel.sentinels]
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
    """Turns errors of Redis and timeouts into QueueUnavailableError."""
    with as_unavailable(url):
        async with in_time():
            yield


@contextlib.asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """Raises TimeoutError if Redis does not answer in time."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            yield
    except TimeoutError:
        raise TimeoutError(f"no answer for {ANSWER_TIMEOUT_S:g} s") from None


@contextlib.contextmanager
def as_unavailable(url: str) -> Iterator[None]:
    """Turns errors of Redis into QueueUnavailableError."""
    try:
        with raising_lost_cancel():
            yield
    except (RedisError, OSError) as error:
        metrics.QUEUE.failed()
        raise QueueUnavailableError(error_message(url, error)) from error
    metrics.QUEUE.answered()


def error_message(url: str, error: Exception) -> str:
    advice = next(advice for kind, advice in ADVICE if isinstance(error, kind))
    # The library appends all that it knows about each Sentinel it has asked.
    reason = str(error).partition(" : <")[0]
    return f"the queue at {without_password(url)} cannot be used now ({reason}); {advice}, then try again"


def without_password(url: str) -> str:
    """The address without its password; only a hint of it if it cannot be read."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition('://')[0]}://…"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

"""The queue and the bucket: does once what the roles do all the time, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from email.utils import parsedate_to_datetime
from statistics import median
from typing import Any

import httpx

from server.commands.preflight.finding import Finding
from server.services import bucket_of
from server.settings import Settings, SettingsError
from server.storage.bucket import Bucket, BucketUnavailableError
from server.storage.bucket_keys import CHECKS

PINGS = 20
SLOW_MS = 10.0
SKEW_S = 5.0
"""All roles use the clock of Redis; a difference only affects the times in logs."""
SIGNED_SKEW_S = 60.0
"""S3 refuses requests that are signed 15 minutes off."""
IMAGE_BYTES = 4 << 20
LINK_S = 60


def check_queue(settings: Settings) -> Iterator[Finding]:
    if settings.queue == "memory://":
        yield Finding("redis", "skipped", "the queue is in memory; only `hua serve` can use it")
        return
    from redis.exceptions import RedisError

    from server.queue.redis import connection

    try:
        with connection.client(settings.queue) as client:
            server: dict[str, Any] = client.info()
            yield from _redis(client, server)
    except (RedisError, OSError) as error:
        yield Finding(
            "redis", "fail", connection.error_message(settings.queue, error), "docs/roles.md says what Redis must be"
        )
    except ValueError as error:
        address = connection.without_password(settings.queue)
        advice = "use redis://[USER:PASSWORD@]HOST:PORT/DB, redis+sentinel://… or redis+cluster://…; see docs/roles.md"
        yield Finding("redis", "fail", f"HUA_QUEUE={address} is not an address of Redis: {error}", advice)


def _redis(client: Any, server: dict[str, Any]) -> Iterator[Finding]:
    from server.queue.redis.connection import OLDEST_VERSION
    from server.queue.redis.scripts import ROOT

    version = tuple(int(part) for part in server["redis_version"].split(".")[:2])
    oldest = ".".join(map(str, OLDEST_VERSION))
    if version < OLDEST_VERSION:
        yield Finding("redis", "fail", f"Redis {server['redis_version']}", f"it must be {oldest} or newer")
        return
    key = f"{ROOT}:preflight:{uuid.uuid4().hex}"
    client.eval("redis.call('SET', KEYS[1], '1', 'PX', 5000) return redis.call('DEL', KEYS[1])", 1, key)
    yield Finding(
        "redis", "ok", f"Redis {server['redis_version']}, {server.get('role', '')}; scripts and keys are allowed"
    )
    policy = server.get("maxmemory_policy")
    if policy == "noeviction":
        yield Finding("redis eviction", "ok", "noeviction")
    else:
        advice = "set maxmemory-policy noeviction: an evicted key is a task that waits until the next start"
        yield Finding("redis eviction", "fail", f"maxmemory-policy is {policy}", advice)
    persistence = "append-only file" if server.get("aof_enabled") else "no append-only file"
    yield Finding(
        "redis persistence", "ok", f"{persistence}; nothing in Redis must survive, because it is rebuilt from the logs"
    )
    times = [_ping_ms(client) for _ in range(PINGS)]
    slow = median(times) > SLOW_MS
    advice = "place Redis closer: every lease and every submission waits for it" if slow else ""
    yield Finding(
        "redis latency", "warn" if slow else "ok", f"{median(times):.2f} ms, at most {max(times):.2f}", advice
    )
    seconds, micros = client.time()
    yield _clock("redis clock", seconds + micros / 1e6 - time.time(), SKEW_S)


def _ping_ms(client: Any) -> float:
    began = time.perf_counter()
    client.ping()
    return 1000 * (time.perf_counter() - began)


def _clock(check: str, ahead_s: float, most_s: float) -> Finding:
    message = f"{abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} this machine"
    if abs(ahead_s) > most_s:
        return Finding(check, "fail", message, "set both clocks by NTP: links and leases depend on the time")
    return Finding(check, "ok", message)


def check_bucket(settings: Settings) -> Iterator[Finding]:
    try:
        bucket = bucket_of(settings)
    except SettingsError as error:
        yield Finding("bucket", "fail", str(error), "docs/storage.md lists what the bucket must allow")
        return
    yield from asyncio.run(_collect(_bucket(settings, bucket)))


async def _collect(findings: AsyncIterator[Finding]) -> list[Finding]:
    return [finding async for finding in findings]


async def _bucket(settings: Settings, bucket: Bucket) -> AsyncIterator[Finding]:
    folder = f"{CHECKS}/preflight-{uuid.uuid4().hex}"
    keys = [f"{folder}/{number}.png" for number in range(3)]
    image = bytes(range(256)) * (IMAGE_BYTES // 256)
    try:
        began = time.perf_counter()
        await bucket.put(keys[0], image)
        took = time.perf_counter() - began
        for key in keys[1:]:
            await bucket.put(key, b"x")
        yield Finding("bucket put", "ok", f"{settings.bucket}: 4 MiB in {took:.2f} s")
        whole, part = await bucket.get(keys[0]), await bucket.get_part(keys[0], 5, 10)
        yield _compare("bucket get", whole == image, "the whole object")
        yield _compare("bucket range", part == image[5:10], "a part of it")
        found = sorted(key for key, _ in await bucket.keys(folder))
        yield _compare("bucket list", found == keys, f"{len(found)} of {len(keys)} objects")
        if settings.s3_public_endpoint:
            yield await _public(settings, await bucket.link(keys[0], LINK_S), image)
        else:
            yield Finding("bucket link", "skipped", "HUA_S3_PUBLIC_ENDPOINT is not set: the api serves images itself")
        await bucket.delete(keys)
        remaining = await bucket.keys(folder)
        yield _compare("bucket delete", not remaining, f"{len(keys)} objects in one request")
        if settings.bucket.startswith("s3://"):
            yield await _s3_clock(settings)
    except BucketUnavailableError as error:
        advice = (
            "check that S3 runs, that HUA_S3_ENDPOINT is right, and that its keys have the rights of docs/storage.md"
            if settings.bucket.startswith("s3://")
            else "check that this user may write HUA_DATA_DIR and that its disk has room"
        )
        yield Finding("bucket", "fail", f"{error}{_cause(error)}", advice)


def _cause(error: BaseException) -> str:
    """The cause, which clients are not told but the operator needs."""
    return f": {' '.join(str(error.__cause__).split())[:300]}" if error.__cause__ else ""


def _compare(check: str, good: bool, what: str) -> Finding:
    advice = "this server does not behave as S3; use another"
    return Finding(check, "ok", what) if good else Finding(check, "fail", f"{what}: not as it was written", advice)


def _tls(settings: Settings) -> ssl.SSLContext:
    """Trusts the same authorities as the bucket."""
    context = ssl.create_default_context()
    if settings.s3_ca is not None:
        context.load_verify_locations(settings.s3_ca)
    if not settings.s3_verify_tls:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def _public(settings: Settings, link: str | None, image: bytes) -> Finding:
    """Requests a signed link, as a client would."""
    assert link is not None, "there is a public endpoint; this is a bug"  # noqa: S101
    host = httpx.URL(link).host
    advice = "HUA_S3_PUBLIC_ENDPOINT must be the address that clients use, and no proxy on the way may change Host"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=10, verify=_tls(settings)) as http:
            reply = await http.get(link)
    except httpx.TransportError as error:
        return Finding("bucket link", "warn", f"{host} cannot be reached from here: {error}", advice)
    if reply.status_code != 200 or reply.content != image:
        return Finding("bucket link", "fail", f"a signed link to {host} is answered {reply.status_code}", advice)
    return Finding("bucket link", "ok", f"a signed link to {host} gives the object")


async def _s3_clock(settings: Settings) -> Finding:
    endpoint = settings.s3_endpoint or f"https://s3.{settings.s3_region}.amazonaws.com"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=10, verify=_tls(settings)) as http:
            date = (await http.get(endpoint)).headers.get("date")
    except httpx.TransportError as error:
        return Finding("bucket clock", "skipped", f"{endpoint} does not tell the time: {error}")
    if date is None:
        return Finding("bucket clock", "skipped", f"{endpoint} does not tell the time")
    return _clock("bucket clock", parsedate_to_datetime(date).timestamp() - time.time(), SIGNED_SKEW_S)

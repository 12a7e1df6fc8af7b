"""Faults: a seed decides which, when and where, so that a run can be repeated."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from random import Random

import redis

from server.broker import Broker, BrokerUnavailableError
from server.storage.bucket import Bucket, BucketUnavailableError
from server.task import Failure, Outcome, Status
from tests.chaos.clocks import OFF_S
from tests.chaos.deployment import Deployment
from tests.chaos.history import History
from tests.chaos.short_timeouts import LEAD_S, LEASE_S
from tests.support.kafka_server import KafkaServer
from tests.support.s3_server import S3Server

DOWN_S = (0.5, 3.0)
"""Seconds for which a stopped process or server stays away."""
LATE_S, CUT_S = (0.1, 0.5), (2.0, 8.0)
OFF_FOR_S = (1.0, 8.0)
CALM_S = 1.0


@dataclass(frozen=True, slots=True)
class Counts:
    """The number of faults of each kind."""

    worker_kills: int = 0
    worker_pauses: int = 0
    worker_drains: int = 0
    device_kills: int = 0
    controller_kills: int = 0
    controller_pauses: int = 0
    api_kills: int = 0
    redis_kills: int = 0
    redis_stale: int = 0
    flushes: int = 0
    broker_kills: int = 0
    s3_outages: int = 0
    repeats: int = 0
    network_delays: int = 0
    network_cuts: int = 0
    clock_jumps: int = 0

    @classmethod
    def names(cls) -> list[str]:
        return [field.name for field in fields(cls)]

    @property
    def hurts_network(self) -> bool:
        return bool(self.network_delays + self.network_cuts)

    @property
    def redis_losses(self) -> int:
        return self.redis_kills + self.redis_stale + self.flushes


def schedule(counts: Counts, rng: Random, horizon_s: float) -> list[tuple[float, str]]:
    """When each fault begins, in order, in seconds from the start."""
    kinds = [name for name in Counts.names() for _ in range(getattr(counts, name))]
    return sorted((rng.uniform(CALM_S, horizon_s), kind) for kind in kinds)


class Faults:
    """`settled` returns the ids of ended tasks, for records that are repeated in the logs."""

    def __init__(
        self,
        deployment: Deployment,
        broker: Broker,
        bucket: Bucket,
        history: History,
        rng: Random,
        settled: Mapping[int, str],
    ) -> None:
        self._deployment, self._broker, self._bucket = deployment, broker, bucket
        self._history, self._rng, self._settled = history, rng, settled
        self._busy: set[str] = set()
        self._below = {"redis": asyncio.Lock(), "kafka": asyncio.Lock(), "s3": asyncio.Lock()}
        self._deeds: dict[str, Callable[[], Awaitable[None]]] = {
            "worker_kills": lambda: self._kill("worker"),
            "worker_pauses": lambda: self._pause("worker", LEASE_S),
            "worker_drains": lambda: self._kill("worker", signal.SIGTERM),
            "device_kills": self._kill_device,
            "controller_kills": lambda: self._kill("controller"),
            "controller_pauses": lambda: self._pause("controller", LEAD_S),
            "api_kills": lambda: self._kill("api"),
            "redis_kills": self._kill_redis,
            "redis_stale": self._restore_redis,
            "flushes": self._flush,
            "broker_kills": lambda: self._restart("kafka", self._deployment.kafka),
            "s3_outages": lambda: self._restart("s3", self._deployment.s3),
            "repeats": self._repeat,
            "network_delays": self._delay_network,
            "network_cuts": self._cut_network,
            "clock_jumps": self._set_clock,
        }

    async def run(self, plan: list[tuple[float, str]]) -> None:
        """Runs until the last fault is over and everything works again."""
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for at_s, kind in plan:
                await asyncio.sleep(max(0.0, began + at_s - asyncio.get_running_loop().time()))
                group.create_task(self._do(kind))

    async def _do(self, kind: str) -> None:
        self._history.add("fault", what=kind)
        await self._deeds[kind]()
        self._history.add("fault", what=kind, over=True)

    async def _chosen(self, role: str) -> str:
        while not (free := [name for name in self._deployment.of(role) if name not in self._busy]):
            await asyncio.sleep(0.1)
        name = self._rng.choice(free)
        self._busy.add(name)
        return name

    async def _kill(self, role: str, number: signal.Signals = signal.SIGKILL) -> None:
        name = await self._chosen(role)
        self._deployment.send(name, number)
        for _ in range(200):
            if not self._deployment.lives(name):
                break
            await asyncio.sleep(0.05)
        self._deployment.kill(name)
        await asyncio.sleep(self._rng.uniform(0, 0.5))
        self._deployment.begin(name)
        self._busy.remove(name)

    async def _pause(self, role: str, longer_than_s: float) -> None:
        name = await self._chosen(role)
        self._deployment.send(name, signal.SIGSTOP)
        await asyncio.sleep(longer_than_s + self._rng.uniform(0.5, 2.0))
        self._deployment.send(name, signal.SIGCONT)
        self._busy.remove(name)

    async def _kill_device(self) -> None:
        if devices := self._deployment.devices():
            os.kill(self._rng.choice(devices), signal.SIGKILL)

    async def _kill_redis(self) -> None:
        async with self._below["redis"]:
            self._deployment.redis.stop()
            await asyncio.sleep(self._rng.uniform(*DOWN_S))
            await asyncio.to_thread(self._deployment.redis.start)

    async def _restore_redis(self) -> None:
        """Redis comes back older, as a lagging replica that has become the primary."""
        async with self._below["redis"]:
            dump = self._deployment.redis.folder / "dump.rdb"
            with redis.Redis.from_url(self._deployment.redis.url) as client:
                await asyncio.to_thread(client.save)
            kept = shutil.move(dump, dump.with_suffix(".old"))
            await asyncio.sleep(self._rng.uniform(1.0, 4.0))
            self._deployment.redis.stop()
            shutil.move(kept, dump)
            await asyncio.sleep(self._rng.uniform(0, 1))
            await asyncio.to_thread(self._deployment.redis.start)
            dump.unlink()

    async def _flush(self) -> None:
        async with self._below["redis"]:
            self._deployment.redis.flush()

    async def _restart(self, name: str, server: KafkaServer | S3Server | None) -> None:
        assert server is not None, "only a cluster has this server"
        async with self._below[name]:
            server.stop()
            await asyncio.sleep(self._rng.uniform(*DOWN_S))
            await asyncio.to_thread(server.start)

    async def _delay_network(self) -> None:
        """Delays all traffic; answers still arrive in time."""
        name = self._rng.choice(sorted(self._deployment.network))
        async with self._below[name]:
            self._deployment.network[name].delay_s = self._rng.uniform(*LATE_S)
            await asyncio.sleep(self._rng.uniform(*DOWN_S))
            self._deployment.network[name].delay_s = 0.0

    async def _cut_network(self) -> None:
        """Cuts connections silently: callers wait until their timeout."""
        name = self._rng.choice(sorted(self._deployment.network))
        async with self._below[name]:
            self._deployment.network[name].cut()
            await asyncio.sleep(self._rng.uniform(*CUT_S))
            self._deployment.network[name].mend()

    async def _set_clock(self) -> None:
        """Sets the clock of one running role more than an hour forward or back, and right again a little later."""
        name = self._rng.choice(self._deployment.of(""))
        self._deployment.put_off_clock(name, self._rng.choice((-OFF_S, OFF_S)))
        await asyncio.sleep(self._rng.uniform(*OFF_FOR_S))
        self._deployment.put_off_clock(name, 0.0)

    async def _repeat(self) -> None:
        """Repeats an outcome, with a late outcome of a lost attempt before or after it; every second time the task is
        repeated too."""
        while not self._settled:
            await asyncio.sleep(0.1)
        task_id = self._rng.choice(sorted(self._settled.values()))
        while True:
            try:
                manifest = await self._bucket.manifest(task_id)
                if manifest is None:
                    return
                if self._rng.random() < 0.5:
                    await self._broker.publish_task(manifest.task)
                for outcome in self._rng.sample((manifest.outcome, _late(manifest.outcome)), 2):
                    await self._broker.publish_outcome(outcome)
                return
            except (BrokerUnavailableError, BucketUnavailableError):
                await asyncio.sleep(0.5)


def _late(outcome: Outcome) -> Outcome:
    """The outcome of another attempt."""
    images = tuple(
        image.model_copy(update={"key": image.key.replace(outcome.attempt, "late"), "sha256": "0" * 64})
        for image in outcome.images
    )
    changed = {"attempt": "late", "finished_at": outcome.finished_at + 1, "images": images}
    if not images:
        changed |= {"status": Status.FAILED, "failure": Failure(code="late", message="a late attempt failed")}
    return outcome.model_copy(update=changed)

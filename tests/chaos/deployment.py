"""A whole deployment for fault injection: roles as processes, over Redis, Kafka and S3, or SQLite and a folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from server.settings import Settings
from tests.chaos import pools
from tests.chaos.clocks import put_off
from tests.chaos.proxy import Proxy
from tests.support.kafka_server import KafkaServer
from tests.support.redis_server import RedisServer
from tests.support.s3_server import S3Server
from tests.support.tools import free_port

START_S = 180


class Deployment:
    """`tenants` may each have `limit` unfinished tasks; the key of one is its name. Without `cluster` the logs are in
    SQLite and the images in a folder, which one controller alone may use. `environment` is what the roles and their
    devices find there besides. With a `network`, Redis, Kafka and S3 are reached through one that can be hurt."""

    def __init__(
        self,
        folder: Path,
        tenants: list[str],
        limit: int,
        cluster: bool,
        mutant: str = "",
        environment: Mapping[str, str] | None = None,
        network: bool = False,
    ) -> None:
        self.folder, self.cluster = folder, cluster
        for name in ("redis", "kafka", "s3", "crashes", "clocks"):
            (folder / name).mkdir()
        pools.write_folders(folder / "models")
        (folder / "runs").touch()
        self.redis = RedisServer(folder / "redis")
        self.kafka = KafkaServer(folder / "kafka") if cluster else None
        self.s3 = S3Server(folder / "s3" / "server") if cluster else None
        self.url = f"http://127.0.0.1:{free_port()}"
        self.setting_texts = self._settings(tenants, limit)
        self.network = self._put_network_between() if network else {}
        self.crashes = folder / "crashes"
        self._mutant = [mutant] if mutant else []
        self._environment = dict(environment or {})
        self._pids: dict[str, int] = {}

    def _settings(self, tenants: list[str], limit: int) -> dict[str, str]:
        keys = [f"{name}:{hashlib.sha256(name.encode()).hexdigest()}" for name in tenants]
        return {
            "data_dir": str(self.folder / "data"),
            "models_dir": str(self.folder / "models"),
            "port": self.url.rpartition(":")[2],
            "device": "cpu",
            "egress_allow": "127.0.0.0/8",
            "queue": self.redis.url,
            "task_limit": str(limit),
            "api_keys": ",".join(keys),
            "drain_s": "0",
            "metrics_port": "0",
            **(
                {"broker": f"kafka://{self.kafka.address}/hua.?partitions=3", "s3_timeout_s": "2"} if self.kafka else {}
            ),
            **({name: str(value) for name, value in self.s3.settings.items()} if self.s3 else {}),
        }

    def _put_network_between(self) -> dict[str, Proxy]:
        proxies = {"redis": Proxy(self.redis.port)}
        if self.kafka and self.s3:
            proxies |= {"s3": Proxy(self.s3.port), "kafka": Proxy(self.kafka.near_port, self.kafka.far_port)}
        places = {"redis": "queue", "s3": "s3_endpoint", "kafka": "broker"}
        for name, proxy in proxies.items():
            server = getattr(self, name)
            self.setting_texts[places[name]] = self.setting_texts[places[name]].replace(
                f":{server.port}", f":{proxy.port}"
            )
        return proxies

    @property
    def settings(self) -> Settings:
        """The settings of its roles."""
        return Settings.load(**self.setting_texts)

    def start(self, workers: int, controllers: int) -> None:
        self.redis.start()
        if self.kafka and self.s3:
            self.kafka.start()
            self.s3.start()
        for proxy in self.network.values():
            proxy.start()
        environment = os.environ | {f"HUA_{name.upper()}": value for name, value in self.setting_texts.items()}
        environment |= {"CHAOS_RUNS": str(self.folder / "runs"), "CHAOS_CLOCKS": str(self.folder / "clocks")}
        environment |= {"OMP_NUM_THREADS": "1", **self._environment}
        with (self.folder / "deployment.log").open("a") as lines:
            self._fork_server = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.fork_server", *self._mutant],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=lines,
                text=True,
                bufsize=1,
            )
        assert self._fork_server.stdin is not None
        assert self._fork_server.stdout is not None
        self._names, self._answers = self._fork_server.stdin, self._fork_server.stdout
        assert self._answer() == "ready"
        names = [f"controller-{number}" for number in range(controllers)]
        for name in [*names, *(f"worker-{number}" for number in range(workers)), "api"]:
            self.begin(name)
        self._until_ready()

    def of(self, role: str) -> list[str]:
        """The names of the processes of this role."""
        return sorted(name for name in self._pids if name.startswith(role))

    def begin(self, name: str) -> None:
        self._names.write(name + "\n")
        self._pids[name] = int(self._answer())

    def send(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to the process group, including the device process of a worker."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pids[name], number)

    def kill(self, name: str) -> None:
        self.send(name, signal.SIGKILL)
        while self.lives(name):
            time.sleep(0.005)

    def lives(self, name: str) -> bool:
        return Path(f"/proc/{self._pids[name]}").exists()

    def fallen(self) -> list[str]:
        """Started processes that are dead."""
        return [name for name in self._pids if not self.lives(name)]

    def put_off_clock(self, name: str, seconds: float) -> None:
        """Sets the wall clock of this process, now and when it is started again."""
        put_off(self.folder / "clocks" / name, seconds)

    def pid(self, name: str) -> int:
        return self._pids[name]

    def devices(self) -> list[int]:
        """The processes that own a device."""
        return [device for name in self.of("worker") for device in self.devices_of(name)]

    def devices_of(self, worker: str) -> list[int]:
        """The device process of a worker; none while it restarts."""
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{self._pids[worker]}/task/{self._pids[worker]}/children").read_text()
            return [int(child) for child in children.split()]
        return []

    def close(self) -> None:
        for name in list(self._pids):
            self.send(name, signal.SIGKILL)
        if hasattr(self, "_fork_server"):
            self._names.close()
            self._answers.close()
            self._fork_server.wait()
        for proxy in self.network.values():
            proxy.stop()
        for server in (self.redis, self.kafka, self.s3):
            if server is not None and hasattr(server, "_process"):
                server.stop()

    def _answer(self) -> str:
        line = self._answers.readline()
        assert line, f"the fork server ended: {(self.folder / 'deployment.log').read_text()[-2000:]}"
        return line.strip()

    def _until_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200:
                    return
            assert time.monotonic() < deadline, (self.folder / "deployment.log").read_text()[-4000:]
            time.sleep(0.05)


@contextlib.contextmanager
def running(deployment: Deployment, workers: int, controllers: int) -> Iterator[Deployment]:
    try:
        deployment.start(workers, controllers)
        yield deployment
    finally:
        deployment.close()

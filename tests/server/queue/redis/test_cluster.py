"""The queue on a real Redis Cluster: one node has all slots, and ours moves to another."""

from collections.abc import Iterator

import pytest
import redis

from server.queue import QueueUnavailableError
from server.queue.redis.cluster import SLOT, Nodes, owner_of
from server.queue.redis.connection import check, client
from server.queue.redis.queue import RedisQueue
from server.settings import SettingsError
from server.task import Status
from tests.server.queue.conftest import lease
from tests.support.redis_server import RedisServer, free_port, wait_until


@pytest.fixture
def kind() -> str:
    return "cluster"


@pytest.fixture
def servers(tmp_path) -> Iterator[list[RedisServer]]:
    """Two nodes that have not met yet. The default bus port, port + 10000, may be out of range."""
    servers = [RedisServer(tmp_path / name) for name in ("one", "two")]
    for server in servers:
        server.folder.mkdir()
        server.bus = free_port()
        server.start("--cluster-enabled", "yes", "--cluster-port", str(server.bus))
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def nodes(servers) -> Iterator[list[redis.Redis]]:
    """Two nodes that have met; the first has all slots."""
    nodes = [redis.Redis(port=server.port) for server in servers]
    nodes[0].execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)

    def know_each_other() -> bool:
        """A node forgets a handshake that times out, so it is repeated."""
        nodes[0].execute_command("CLUSTER MEET", "127.0.0.1", servers[1].port, servers[1].bus)
        return all(
            owner_of(node.execute_command("CLUSTER SLOTS"), "") is not None
            and node.execute_command("CLUSTER INFO")["cluster_state"] == "ok"
            for node in nodes
        )

    wait_until(know_each_other)
    yield nodes
    for node in nodes:
        node.close()


def port_of(node: redis.Redis) -> int:
    return int(node.connection_pool.connection_kwargs["port"])


def give(nodes: list[redis.Redis]) -> None:
    """Moves our slot, without its keys, to the second node."""
    theirs = nodes[1].execute_command("CLUSTER MYID")
    nodes[0].flushall()
    for node in reversed(nodes):
        node.execute_command("CLUSTER SETSLOT", SLOT, "NODE", theirs)


async def test_task_runs_on_any_node_of_the_cluster(nodes, make_task, make_manifest) -> None:
    """The address names a node that has no slot at all, and one that is not there; such a node alone is no Redis."""
    url = f"redis+cluster://127.0.0.1:{port_of(nodes[1])},127.0.0.1:1"
    check(url)
    queue = RedisQueue(url)
    await queue.begin()
    await queue.open()
    assert await queue.complete()
    task = make_task()
    assert await queue.admit(task, 1) is None
    views = queue.watch(task.id)
    assert (await anext(views)).status is Status.QUEUED
    await queue.ingest(task)
    await lease(queue)
    while (await anext(views)).status is Status.QUEUED:
        pass
    await queue.settle(make_manifest(task))
    assert [view.status async for view in views][-1] is Status.SUCCEEDED
    assert await queue.time() == pytest.approx(nodes[0].time()[0], abs=60)
    with client(url) as direct:
        assert direct.keys("*") == nodes[0].keys("*") != []
    await queue.close()
    alone = RedisQueue(f"redis://127.0.0.1:{port_of(nodes[1])}/0")
    with pytest.raises(QueueUnavailableError, match=r"name it, or some of them, as redis\+cluster://"):
        await alone.complete()
    await alone.close()


async def test_queue_follows_its_slot(nodes, make_task) -> None:
    """The state of the new node may be stale, so the logs are replayed before anything is leased."""
    queue = RedisQueue(f"redis+cluster://127.0.0.1:{port_of(nodes[0])}")
    await queue.begin()
    await queue.open()
    give(nodes)
    with pytest.raises(QueueUnavailableError, match="another node of the cluster has the keys now"):
        await queue.complete()
    assert not await queue.complete()
    await queue.begin()
    await queue.ingest(task := make_task())
    await queue.open()
    assert (await lease(queue)).task == task
    assert nodes[1].exists("{hua}:open")
    await queue.close()


def test_address_is_parsed_with_its_options() -> None:
    nodes = Nodes.of("rediss+cluster://me:hush@a:1,b?ssl_ca_certs=/ca.pem")
    assert nodes is not None
    assert nodes.hosts == (("a", 1), ("b", 6379))
    assert nodes.redis == {"username": "me", "password": "hush", "db": 0, "ssl": True, "ssl_ca_certs": "/ca.pem"}
    assert Nodes.of("redis://a:1/0") is None


def test_cluster_refuses_other_databases(caplog) -> None:
    with pytest.raises(SettingsError, match="only database 0"):
        check("redis+cluster://127.0.0.1:1/3")
    check("redis+cluster://127.0.0.1:1")
    assert "check that the nodes of the cluster run" in caplog.text


def test_single_redis_is_refused_as_a_cluster(redis_url) -> None:
    with pytest.raises(SettingsError, match="that Redis is not a cluster"):
        check(redis_url.replace("redis://", "redis+cluster://"))

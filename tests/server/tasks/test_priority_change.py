import pytest

from server.queue.memory.queue import MemoryQueue
from server.tasks.lookup import TaskRecord, find_record
from server.tasks.priority_change import change_priority
from server.tasks.submission import NotAllowedError, Submission, submit

REQUEST = {"type": "txt2img.sd", "params": {"text": "x"}}


@pytest.fixture
async def task(client):
    return (await client.post("/v1/tasks", json=REQUEST)).json()


async def test_change_survives_a_queue_that_forgets_everything(client, services, task) -> None:
    address = f"/v1/tasks/{task['id']}"
    reply = await client.put(f"{address}/priority", json={"priority": "high"})
    assert (reply.status_code, reply.json()["priority"]) == (200, "high")
    assert (await client.get(address)).json()["priority"] == "high"
    queue = MemoryQueue()
    async for _, record in services.broker.tasks():
        if record is None:
            break
        await queue.ingest(record)
    assert (await queue.find(task["id"])).task.priority == "high"


async def test_same_priority_writes_nothing(client, services, task) -> None:
    assert (await client.put(f"/v1/tasks/{task['id']}/priority", json={"priority": "normal"})).status_code == 200
    records = []
    async for _, record in services.broker.tasks():
        if record is None:
            break
        records.append(record.id)
    assert records == [task["id"]]


async def test_task_that_does_not_wait_is_refused(client, painting) -> None:
    ended = (await client.post("/v1/tasks", json=REQUEST, headers={"Prefer": "wait=10"})).json()
    reply = await client.put(f"/v1/tasks/{ended['id']}/priority", json={"priority": "high"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "not_waiting")
    assert "succeeded" in reply.json()["error"]["message"]


@pytest.fixture
def limited(overrides, tmp_path) -> None:
    overrides["tenants"] = tmp_path / "tenants.yaml"
    overrides["tenants"].write_text("tenants: {red: {priorities: [normal, low]}}")


@pytest.mark.usefixtures("limited")
async def test_priority_is_one_of_the_tenant(services) -> None:
    record = TaskRecord(await submit(services, Submission(**REQUEST, tenant="red")))
    with pytest.raises(NotAllowedError, match="normal or low"):
        await change_priority(services, record, "high")
    changed = await change_priority(services, record, "low")
    assert changed.view.task.priority == "low"
    assert (await find_record(services, record.view.task.id, "red")).view == changed.view


async def test_unknown_priority_is_refused(client, task) -> None:
    reply = await client.put(f"/v1/tasks/{task['id']}/priority", json={"priority": "urgent"})
    assert (reply.status_code, reply.json()["error"]["field"]) == (422, "priority")


async def test_task_of_nobody_is_unknown(client) -> None:
    assert (await client.put(f"/v1/tasks/{'0' * 32}/priority", json={"priority": "low"})).status_code == 404

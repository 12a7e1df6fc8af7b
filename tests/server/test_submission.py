import asyncio
import base64
import dataclasses
from contextlib import closing

import pytest
from kafka import KafkaAdminClient

from models.catalog import UnknownModelError
from server.broker import BrokerUnavailableError, RecordTooLargeError
from server.broker.cluster import Cluster
from server.broker.kafka import KafkaBroker
from server.inputs import BadInputError
from server.queue import QueueUnavailableError, TaskLimitError
from server.queue.memory import MemoryQueue
from server.submission import IdempotencyConflictError, Submission, submit
from server.task import Output, Status

WISH = Submission(type="txt2img.sd", params={"text": "x"}, tenant="red")
KEYED = dataclasses.replace(WISH, idempotency_key="order-1")


async def test_a_task_is_in_the_log_as_it_will_run(services):
    task = (await submit(services, WISH)).task
    async for _, logged in services.broker.tasks():
        assert logged == task
        break
    assert task.params["seed"] >= 0
    assert task.params["model"] == "toy"
    assert task.models == ("toy",)
    assert task.cost == 1.0
    assert task.retention == services.settings.retention


async def test_a_task_that_the_log_does_not_take_leaves_its_slot_free(services, kafka_url):
    small = {"num_partitions": 1, "replication_factor": 1, "configs": {"max.message.bytes": "500"}}
    with closing(KafkaAdminClient(bootstrap_servers=kafka_url.split("/")[2])) as admin:
        admin.create_topics({Cluster.at(kafka_url).tasks: small})
    broker = KafkaBroker(kafka_url)
    with pytest.raises(RecordTooLargeError):
        await submit(dataclasses.replace(services, broker=broker), WISH)
    await broker.close()
    assert (await services.queue.overview()).queued == 0


async def test_an_anime_task_runs_on_the_anime_model(services):
    task = (await submit(services, dataclasses.replace(WISH, params={"text": "anime", "is_anime": True}))).task
    assert task.models == ("anime-toy",)
    assert task.params["text"] == "anime"


async def test_a_painting_task_runs_on_the_inpainting_model_of_the_one_it_names(services, png):
    inline = base64.b64encode(png).decode()
    params = {"text": "x", "url": inline, "mask_url": inline, "model": "anime"}
    task = (await submit(services, dataclasses.replace(WISH, type="txt2img.sd.inpainting", params=params))).task
    assert task.models == ("toy",)
    assert task.params["model"] == "anime-toy"


async def test_a_repeated_key_is_known_after_the_queue_was_wiped(services, painter):
    task_id = (await submit(services, KEYED)).task.id
    await painter.finish(await painter.take())
    async for _ in services.queue.watch(task_id):
        pass
    wiped = dataclasses.replace(services, queue=MemoryQueue())
    assert (await submit(wiped, KEYED)).status is Status.SUCCEEDED
    with pytest.raises(IdempotencyConflictError):
        await submit(wiped, dataclasses.replace(KEYED, params={"text": "y"}))


@pytest.mark.parametrize(
    "change",
    [
        {"params": {"text": "y"}},
        {"priority": "high"},
        {"retention": "7d"},
        {"output": Output(format="webp")},
        {"callback_url": "http://93.184.216.34/"},
        {"type": "img2img.sd", "params": {"text": "x", "url": "http://93.184.216.34/a.png"}},
    ],
)
async def test_a_key_with_anything_else_is_a_conflict(services, change):
    await submit(services, KEYED)
    with pytest.raises(IdempotencyConflictError):
        await submit(services, dataclasses.replace(KEYED, **change))


@pytest.mark.parametrize("overrides", [{"task_limit": 1}])
@pytest.mark.parametrize("fault", [BrokerUnavailableError("away"), asyncio.CancelledError()])
async def test_a_task_that_was_not_logged_keeps_no_slot(services, monkeypatch, overrides, fault):
    async def away(task: object) -> None:
        raise fault

    with monkeypatch.context() as broken:
        broken.setattr(services.broker, "publish_task", away)
        with pytest.raises(type(fault)):
            await submit(services, WISH)
    await submit(services, WISH)
    with pytest.raises(TaskLimitError):
        await submit(services, WISH)


async def test_a_logged_task_is_accepted_though_the_queue_is_away(services, monkeypatch):
    async def away(task: object) -> None:
        raise QueueUnavailableError("away")

    monkeypatch.setattr(services.queue, "ingest", away)
    assert (await submit(services, WISH)).status is Status.QUEUED


async def test_a_task_without_a_model_is_accepted_and_leased(services, painter):
    params = {"lt_rb": [1, 2, 3, 4]}
    task = (await submit(services, dataclasses.replace(WISH, type="cv.modify_box", params=params))).task
    assert task.models == ()
    assert 0 < task.cost < 1
    assert (await painter.take()).task == task


async def test_a_workflow_keeps_the_images_and_seeds_of_its_nodes(services, png):
    inline = base64.b64encode(png).decode()
    nodes = [
        {"key": "a", "endpoint": "/img2img/sd", "data": {"text": "x", "url": inline, "version": "anime"}},
        {"key": "b", "endpoint": "cv.grayscale", "injections": {"a": {"index": 0, "field": "url"}}},
    ]
    params = {"nodes": nodes, "target": "b", "intermediate": ["a"]}
    task = (await submit(services, dataclasses.replace(WISH, type="workflow", params=params))).task
    data = task.params["nodes"][0]["data"]
    assert data["url"].startswith("file-")
    assert data["seed"] >= 0
    assert task.models == ("anime-toy",)


async def test_a_workflow_with_an_unknown_model_or_a_lost_image_is_refused(services):
    for data, error, says in [
        ({"text": "x", "model": "nobody"}, UnknownModelError, "no model 'nobody'"),
        ({"text": "x", "url": "file-" + "0" * 32}, BadInputError, r"nodes\.0\.data\.url: there is no upload"),
    ]:
        endpoint = "img2img.sd" if "url" in data else "txt2img.sd"
        params = {"nodes": [{"key": "a", "endpoint": endpoint, "data": data}], "target": "a"}
        with pytest.raises(error, match=says):
            await submit(services, dataclasses.replace(WISH, type="workflow", params=params))

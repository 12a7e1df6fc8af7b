import asyncio
import base64
import dataclasses
import io
from contextlib import closing

import pytest
from kafka import KafkaAdminClient
from PIL import Image

from models.catalog.catalog import Catalog, MisfitError, UnknownModelError
from models.catalog.live_catalog import LiveCatalog
from server.broker import BrokerUnavailableError, RecordTooLargeError
from server.broker.kafka.broker import KafkaBroker
from server.broker.kafka.cluster import Cluster
from server.egress.client import EgressDeniedError
from server.queue import QueueUnavailableError, RateLimitError, TaskLimitError
from server.queue.memory.queue import MemoryQueue
from server.task import Output, Status
from server.tasks.input_images import BadInputError, InputImages
from server.tasks.submission import (
    IdempotencyConflictError,
    NotAllowedError,
    Submission,
    TooManyPixelsError,
    spend_token,
    submit,
)
from server.tenancy.uploads import UploadLimitError

SUBMISSION = Submission(type="txt2img.sd", params={"text": "x"}, tenant="red")
KEYED = dataclasses.replace(SUBMISSION, idempotency_key="order-1")


async def test_accepted_task_is_in_the_log_as_it_will_run(services):
    task = (await submit(services, SUBMISSION)).task
    async for _, logged in services.broker.tasks():
        assert logged == task
        break
    assert task.params["seed"] >= 0
    assert task.params["model"] == "toy"
    assert task.models == ("toy",)
    assert task.cost == 1.0
    assert task.retention == services.settings.retention


async def test_task_too_large_for_the_log_frees_its_slot(services, kafka_url):
    small = {"num_partitions": 1, "replication_factor": 1, "configs": {"max.message.bytes": "500"}}
    with closing(KafkaAdminClient(bootstrap_servers=kafka_url.split("/")[2])) as admin:
        admin.create_topics({Cluster.at(kafka_url).tasks: small})
    broker = KafkaBroker(kafka_url)
    with pytest.raises(RecordTooLargeError):
        await submit(dataclasses.replace(services, broker=broker), SUBMISSION)
    await broker.close()
    assert (await services.queue.overview()).queued == 0


async def test_is_anime_selects_the_anime_model(services):
    task = (await submit(services, dataclasses.replace(SUBMISSION, params={"text": "anime", "is_anime": True}))).task
    assert task.models == ("anime-toy",)
    assert task.params["text"] == "anime"
    assert not task.fetches


async def test_inpainting_runs_on_the_inpainting_model_of_its_model(services, png):
    inline = base64.b64encode(png).decode()
    params = {"text": "x", "url": inline, "mask_url": inline, "model": "anime"}
    task = (await submit(services, dataclasses.replace(SUBMISSION, type="txt2img.sd.inpainting", params=params))).task
    assert task.models == ("toy",)
    assert task.params["model"] == "anime-toy"
    assert task.fetches


async def test_loras_are_models_of_the_task(services):
    params = {"text": "a cat <lora:Ink:0.5>", "lora_scales": {"ink": 0.25}}
    task = (await submit(services, dataclasses.replace(SUBMISSION, params=params))).task
    assert task.models == ("toy", "ink")
    assert task.params["text"] == params["text"]
    assert task.params["lora_scales"] == {"ink": 0.25}


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"text": "<lora:pencil>"}, UnknownModelError, "no LoRA 'pencil'; there are: ink, oil"),
        ({"text": "x", "lora_scales": {"toy": 1}}, UnknownModelError, "no LoRA 'toy'"),
        ({"text": "x", "lora_scales": {"oil": 1}}, MisfitError, "'oil' is for models of family sdxl, but 'toy' is of"),
    ],
)
async def test_unknown_or_unfit_loras_are_refused(services, params, error, message):
    with pytest.raises(error, match=message):
        await submit(services, dataclasses.replace(SUBMISSION, params=params))


@pytest.mark.parametrize(
    ("params", "negative", "embeddings"),
    [
        ({"text": "x"}, "bad-hands", ["bad-hands"]),
        ({"text": "in Style", "negative_prompt": "fog"}, "fog, bad-hands", ["bad-hands", "style"]),
        ({"text": "x", "negative_prompt": "EasyNegative"}, "EasyNegative", ["bad-hands"]),
        ({"text": "stylish", "disable_easy_negative": True}, "", []),
        ({"text": "style", "embeddings": [], "disable_easy_negative": True}, "", []),
    ],
)
async def test_mentioned_embeddings_are_models_of_the_task(services, params, negative, embeddings):
    entries = services.catalog.entries
    marked = tuple(entry.model_copy(update={"negative": entry.name == "bad-hands"}) for entry in entries)
    services = dataclasses.replace(services, live_catalog=LiveCatalog(lambda: Catalog(marked)))
    task = (await submit(services, dataclasses.replace(SUBMISSION, params=params))).task
    assert task.params["negative_prompt"] == negative
    assert task.params["embeddings"] == embeddings
    assert task.models == ("toy", *embeddings)


async def test_repeated_key_is_recognised_after_the_queue_was_wiped(services, painter):
    task_id = (await submit(services, KEYED)).task.id
    await painter.finish(await painter.take())
    async for _ in services.queue.watch(task_id):
        pass
    wiped = dataclasses.replace(services, queue=MemoryQueue())
    assert (await submit(wiped, KEYED)).status is Status.SUCCEEDED
    with pytest.raises(IdempotencyConflictError):
        await submit(wiped, dataclasses.replace(KEYED, params={"text": "y"}))


class KilledError(BaseException):
    pass


async def test_repeated_key_writes_the_task_that_is_missing_in_the_log(services, monkeypatch):
    """I1: the API process that took the slot was killed before it wrote the log."""

    async def killed(task):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(services.broker, "publish_task", killed)
        with pytest.raises(KilledError):
            await submit(services, KEYED)
    view = await submit(services, KEYED)
    async for _, logged in services.broker.tasks():
        assert logged == view.task
        break


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
async def test_key_with_another_request_is_a_conflict(services, change):
    await submit(services, KEYED)
    with pytest.raises(IdempotencyConflictError):
        await submit(services, dataclasses.replace(KEYED, **change))


async def test_callback_url_is_stored_in_one_spelling(services):
    view = await submit(services, dataclasses.replace(SUBMISSION, callback_url="HTTPS://93.184.216.34:0443/a b"))
    assert view.task.callback.url == "https://93.184.216.34/a%20b"


@pytest.mark.parametrize("overrides", [{"task_limit": 1}])
@pytest.mark.parametrize("fault", [BrokerUnavailableError("away"), asyncio.CancelledError()])
async def test_task_that_was_not_logged_frees_its_slot(services, monkeypatch, overrides, fault):
    async def away(task: object) -> None:
        raise fault

    with monkeypatch.context() as broken:
        broken.setattr(services.broker, "publish_task", away)
        with pytest.raises(type(fault)):
            await submit(services, SUBMISSION)
    await submit(services, SUBMISSION)
    with pytest.raises(TaskLimitError):
        await submit(services, SUBMISSION)


@pytest.mark.parametrize("overrides", [{"task_limit": 1, "upload_count": 1}])
async def test_refused_task_leaves_no_image(services, png):
    image = {"text": "x", "url": encoded(png)}
    with pytest.raises(EgressDeniedError):
        await submit(services, img2img(**image, callback_url="http://10.0.0.1/"))
    await submit(services, SUBMISSION)
    with pytest.raises(TaskLimitError):
        await submit(services, img2img(**image))
    assert await services.bucket.keys("uploads") == []


@pytest.mark.parametrize("overrides", [{"task_limit": 1, "upload_count": 1}])
async def test_task_above_the_upload_limit_frees_its_slot(services, png):
    await InputImages.of(services).store(other_png(), "red")
    with pytest.raises(UploadLimitError):
        await submit(services, img2img(text="x", url=encoded(png)))
    await submit(services, img2img(text="x", url=encoded(other_png())))


async def test_logged_task_is_accepted_without_the_queue(services, monkeypatch):
    async def away(task: object) -> None:
        raise QueueUnavailableError("away")

    monkeypatch.setattr(services.queue, "ingest", away)
    assert (await submit(services, SUBMISSION)).status is Status.QUEUED


@pytest.fixture
def policy(tmp_path, overrides):
    """`policy(text)` writes the policy of the tenant red to the tenants file."""
    overrides["tenants"] = tmp_path / "tenants.yaml"

    def write(text: str) -> None:
        overrides["tenants"].write_text(f"tenants: {{red: {{{text}}}}}")

    write("")
    return write


async def test_tenant_has_the_limit_and_the_weight_of_its_policy(policy, services):
    policy("task_limit: 2, weight: 2.5")
    tasks = [(await submit(services, SUBMISSION)).task for _ in range(2)]
    assert [task.weight for task in tasks] == [2.5, 2.5]
    with pytest.raises(TaskLimitError, match="2 tasks"):
        await submit(services, SUBMISSION)
    assert (await submit(services, dataclasses.replace(SUBMISSION, tenant="blue"))).task.weight == 1.0


async def test_rate_limit_counts_no_repeated_requests(policy, services):
    policy("rate: {per_minute: 0.1, burst: 2}")
    await spend_token(services, "red", KEYED.idempotency_key)
    await submit(services, KEYED)
    for _ in range(3):
        await spend_token(services, "red", KEYED.idempotency_key)
    await spend_token(services, "red", "order-2")
    with pytest.raises(RateLimitError) as refused:
        await spend_token(services, "red", None)
    assert 0 < refused.value.retry_after_s <= 600
    await spend_token(services, "blue", None)


@pytest.mark.parametrize("change", [{"priority": "high"}, {"retention": "30d"}])
async def test_values_outside_the_policy_are_refused(policy, services, change):
    policy("retentions: [5m, 24h]")
    with pytest.raises(NotAllowedError, match="is not allowed for this tenant") as refused:
        await submit(services, dataclasses.replace(SUBMISSION, **change))
    assert [refused.value.field] == list(change)
    assert (await services.queue.recent("red", None, 1, 9))[1] == 0


async def test_first_allowed_retention_replaces_a_forbidden_default(policy, services):
    policy("retentions: [7d, 30d], priorities: [high]")
    submission = dataclasses.replace(SUBMISSION, priority="high")
    assert (await submit(services, submission)).task.retention == "7d"
    assert (await submit(services, dataclasses.replace(submission, retention="30d"))).task.retention == "30d"


@pytest.mark.parametrize(("allowed", "priority"), [("[low]", "low"), ("[high, normal]", "normal")])
async def test_task_without_a_priority_gets_one_that_is_allowed(policy, services, allowed, priority):
    policy(f"priorities: {allowed}")
    assert (await submit(services, SUBMISSION)).task.priority == priority


async def test_task_without_a_model_is_accepted_and_leased(services, painter):
    params = {"lt_rb": [1, 2, 3, 4]}
    task = (await submit(services, dataclasses.replace(SUBMISSION, type="cv.modify_box", params=params))).task
    assert task.models == ()
    assert 0 < task.cost < 1
    assert (await painter.take()).task == task


@pytest.mark.parametrize("overrides", [{"max_pixels": 512 * 512}])
@pytest.mark.parametrize(
    ("type_", "params", "advice"),
    [
        ("txt2img.sd", {"text": "x", "w": 640}, "ask for a smaller size, such as 512×512"),
        ("img2img.sd", {"text": "x", "url": "file-1", "wh": [640, 512]}, "ask for a smaller size, such as 512×512"),
        ("img2img.sd", {"text": "x", "url": "file-1"}, "set max_wh to at most 512"),
    ],
)
async def test_too_many_pixels_are_refused_with_advice(services, type_, params, advice):
    with pytest.raises(TooManyPixelsError, match=advice):
        await submit(services, dataclasses.replace(SUBMISSION, type=type_, params=params))


async def test_workflow_stores_images_and_draws_seeds_of_its_nodes(services, png):
    inline = base64.b64encode(png).decode()
    nodes = [
        {"key": "a", "endpoint": "/img2img/sd", "data": {"text": "x", "url": inline, "version": "anime"}},
        {"key": "b", "endpoint": "cv.grayscale", "injections": {"a": {"index": 0, "field": "url"}}},
    ]
    params = {"nodes": nodes, "target": "b", "intermediate": ["a"]}
    task = (await submit(services, dataclasses.replace(SUBMISSION, type="workflow", params=params))).task
    data = task.params["nodes"][0]["data"]
    assert data["url"].startswith("file-")
    assert data["seed"] >= 0
    assert task.models == ("anime-toy",)
    assert task.fetches


async def test_each_node_is_resolved_like_a_task_of_its_own(services):
    """Two families, which one task must not mix; each node has the size of its own model and its own embeddings."""
    nodes = [
        {"key": "ink", "endpoint": "txt2img.sd", "data": {"text": "in style <lora:ink>", "model": "general"}},
        {"key": "oil", "endpoint": "txt2img.sd", "data": {"text": "<lora:oil>", "model": "canvas"}},
        {"key": "paste", "endpoint": "pipeline.paste", "data": dict.fromkeys("abcdef", 1) | {"d": 2}},
    ]
    nodes[2]["injections"] = {"ink": {"field": "url"}, "oil": {"field": "bg_url"}}
    params = {"nodes": nodes, "target": "paste"}
    task = (await submit(services, dataclasses.replace(SUBMISSION, type="workflow", params=params))).task
    ink, oil, _ = (node["data"] for node in task.params["nodes"])
    assert (ink["model"], ink["embeddings"], "w" in ink) == ("toy", ["style"], False)
    assert (oil["model"], oil["w"], oil["h"]) == ("canvas", 1024, 1024)
    assert set(task.models) == {"toy", "ink", "style", "canvas", "oil"}
    nodes[0]["data"]["model"] = "canvas"
    with pytest.raises(MisfitError, match="'ink' is for models of family sd1, but 'canvas' is of family sdxl"):
        await submit(services, dataclasses.replace(SUBMISSION, type="workflow", params=params))


async def test_workflow_with_an_unknown_model_or_image_is_refused(services):
    for data, error, message in [
        ({"text": "x", "model": "nobody"}, UnknownModelError, "no model 'nobody'"),
        (
            {"text": "x", "url": "file-" + "0" * 32},
            BadInputError,
            r"nodes\.0\.data\.url: the upload file-0+ is unknown",
        ),
    ]:
        endpoint = "img2img.sd" if "url" in data else "txt2img.sd"
        params = {"nodes": [{"key": "a", "endpoint": endpoint, "data": data}], "target": "a"}
        with pytest.raises(error, match=message):
            await submit(services, dataclasses.replace(SUBMISSION, type="workflow", params=params))


async def test_scene_around_an_opaque_picture_is_refused_where_nothing_cuts_it_out(services, png):
    def scene(picture: bytes) -> Submission:
        return dataclasses.replace(SUBMISSION, type="img2img.scene", params={"text": "x", "url": encoded(picture)})

    def workflow(*nodes: object) -> Submission:
        return dataclasses.replace(SUBMISSION, type="workflow", params={"nodes": nodes, "target": "scene"})

    node = {"key": "scene", "endpoint": "img2img.scene", "data": scene(png).params}
    for submission in (scene(png), workflow(node)):
        with pytest.raises(BadInputError, match=r"url: the picture is opaque.* ask the operator for a model"):
            await submit(services, submission)
    assert (await submit(services, scene(clear_png()))).task.params["left_out"] == ["cut_out"]
    painted = {"key": "painted", "endpoint": "txt2img.sd", "data": {"text": "x"}}
    injected = {"injections": {"painted": {"field": "url"}}}
    await submit(services, workflow(painted, node | injected))


@pytest.mark.parametrize(("kind", "family"), [("txt2img.sd", "sd1, sd2, sdxl: toy"), ("img2img.sr", "upscaler: there")])
async def test_model_of_another_family_is_refused_with_those_that_fit(services, png, kind, family):
    name = {"txt2img.sd": "ink", "img2img.sr": "toy"}[kind]
    params = {"text": "x", "model": name} if kind == "txt2img.sd" else {"url": encoded(png), "model": name}
    with pytest.raises(MisfitError, match=f"model '{name}' is of family .* name one of family {family}"):
        await submit(services, dataclasses.replace(SUBMISSION, type=kind, params=params))


def img2img(**params: object) -> Submission:
    return dataclasses.replace(SUBMISSION, type="img2img.sd", params=params)


def clear_png() -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", (8, 8)).save(file, "PNG")
    return file.getvalue()


def other_png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "PNG")
    return file.getvalue()


def encoded(png: bytes) -> str:
    return base64.b64encode(png).decode()

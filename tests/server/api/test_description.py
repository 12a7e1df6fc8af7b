"""The OpenAPI document, from which people generate clients."""

from __future__ import annotations

import json
from collections import Counter

import pytest

import pipelines
from server.api.description import TAGS
from server.task import Status
from server.tenancy.auth import new_key

_, SETTING = new_key("red")


@pytest.fixture
async def document(client) -> dict:
    return (await client.get("/openapi.json")).json()


def all_operations(document):
    return [operation for path in document["paths"].values() for operation in path.values()]


async def test_operation_ids_are_readable_names(document):
    counts = Counter(operation["operationId"] for operation in all_operations(document))
    assert set(counts.values()) == {1}
    own = {"list_tasks", "get_task", "cancel_task", "submit_task", "follow_task", "upload_file", "list_models"}
    typed = {f"submit_{pipeline.names[0].replace('.', '_')}" for pipeline in pipelines.every()}
    others = {"openai_post_v1_images_generations", "a1111_get_sdapi_v1_sd_models", "nolibox_get_engine_status_uid"}
    assert "submit_txt2img_sd" in typed
    assert own | typed | others <= counts.keys()


async def test_schemas_have_names_that_become_classes(document):
    """FastAPI writes the module into a name that two classes share; generators drop what refers to such a name."""
    names = document["components"]["schemas"].keys()
    assert not [name for name in names if "__" in name or "-" in name]


async def test_result_of_a_task_is_one_schema(document):
    assert json.dumps(document).count('"title": "ResultImage"') == 1
    url = document["components"]["schemas"]["EraseParams"]["properties"]["url"]
    assert {"$ref": "#/components/schemas/ResultImage"} in url["anyOf"]


async def test_every_tag_is_described(document):
    assert {tag for operation in all_operations(document) for tag in operation["tags"]} == TAGS.keys()
    assert [tag["name"] for tag in document["tags"]] == list(TAGS)


@pytest.mark.parametrize(
    ("overrides", "needed"), [({}, False), ({"api_keys": (SETTING,)}, True)], ids=["no key", "keys"]
)
async def test_keys_are_described_always_and_needed_where_there_are_some(client, needed):
    for _ in range(2):  # the second answer is cached
        document = (await client.get("/openapi.json")).json()
        schemes = document["components"]["securitySchemes"]
        assert {scheme["scheme"] for scheme in schemes.values()} == {"bearer", "basic"}
        optional = [] if needed else [{}]
        assert document["paths"]["/v1/tasks"]["post"]["security"] == [{name: []} for name in schemes] + optional
        assert "security" not in document["paths"]["/healthz"]["get"]


async def test_server_is_the_public_address(document, settings):
    assert document["servers"] == [{"url": settings.public_url}]


async def test_events_are_described(document, client, painter):
    content = document["paths"]["/v1/tasks/{task_id}/events"]["get"]["responses"]["200"]["content"]
    described = content["text/event-stream"]["schema"]["discriminator"]["mapping"]
    task_id = (await client.post("/v1/tasks", json={"type": "txt2img.sd", "params": {"text": "x"}})).json()["id"]
    lease = await painter.take()
    await painter.advance(lease, 1, 2, b"jpeg")
    await painter.finish(lease)
    events = (await client.get(f"/v1/tasks/{task_id}/events")).text
    sent = {line.removeprefix("event: ") for line in events.splitlines() if line.startswith("event: ")}
    assert sent <= described.keys() == {*Status, "progress", "preview"}
    schemas = document["components"]["schemas"]
    assert set(schemas["Waiting"]["properties"]) == {"position", "reason"}
    assert json.dumps(schemas["EndEvent"]["properties"]["data"]).count("TaskReply") == 1

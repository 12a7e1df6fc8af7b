import pytest

import pipelines
from pipelines.unsupported import UNSUPPORTED


async def test_list_pipelines_has_every_type_with_its_schema(client):
    listed = {pipeline["name"]: pipeline for pipeline in (await client.get("/v1/pipelines")).json()}
    assert set(listed) == {pipeline.names[0] for pipeline in pipelines.every()}
    assert listed["txt2img.sd"]["params"]["properties"]["w"]["minimum"] == 64
    assert listed["img2img.sd"]["images"] == ["url"]


async def test_list_pipelines_is_sent_once(client):
    first = await client.get("/v1/pipelines")
    again = await client.get("/v1/pipelines", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == again.headers["cache-control"] == "private, no-cache"
    other = await client.get("/v1/pipelines", headers={"If-None-Match": '"other"'})
    assert other.json() == first.json()


async def test_every_task_type_has_a_typed_route(client):
    document = (await client.get("/openapi.json")).json()
    for pipeline in pipelines.every():
        body = document["paths"][f"/v1/pipelines/{pipeline.names[0]}"]["post"]["requestBody"]
        envelope = document["components"]["schemas"][
            body["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
        ]
        assert envelope["properties"]["params"]["$ref"].endswith("/" + pipeline.Params.__name__)


async def test_typed_route_submits_a_task(client):
    reply = await client.post("/v1/pipelines/txt2img.sd", json={"params": {"text": "x", "version": "anime"}})
    assert reply.status_code == 202
    assert reply.json()["model"] == "anime-toy"


async def test_typed_route_refuses_unknown_params(client):
    reply = await client.post("/v1/pipelines/txt2img.sd", json={"params": {"text": "x", "fidelity": 0.5}})
    assert reply.status_code == 422
    assert reply.json()["error"]["field"] == "params.fidelity"


@pytest.mark.parametrize("name", UNSUPPORTED)
@pytest.mark.parametrize("route", ["/v1/tasks", "/v1/pipelines/{}", "/engine/push"])
async def test_unsupported_task_type_is_refused_by_every_route(client, route, name):
    body = {"/v1/tasks": {"type": name, "params": {}}, "/engine/push": {"task": name}}.get(route, {"params": {}})
    reply = await client.post(route.format(name), json=body)
    assert reply.status_code == (200 if route == "/engine/push" else 422)
    message = reply.json()["msg"] if route == "/engine/push" else reply.json()["error"]["message"]
    assert message.startswith(f"{name} is not supported: ")


async def test_unknown_task_type_is_404(client):
    reply = await client.post("/v1/pipelines/txt2img.ds", json={"params": {}})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "unknown_task_type")


async def test_alias_route_names_the_task_type(client):
    reply = await client.post("/v1/pipelines/scene-generation", json={"params": {}})
    assert "did you mean" in reply.json()["error"]["message"]

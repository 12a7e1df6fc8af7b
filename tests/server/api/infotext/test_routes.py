"""POST /v1/infotext: the ways to send a picture or a text."""

import base64

import pytest

TEXT = "a house\nSteps: 20, Sampler: Euler, Seed: 3, Size: 64x64, Version: Hua"


async def test_picture_comes_as_body_form_or_base64(client, picture_with) -> None:
    data = picture_with(parameters=TEXT)
    replies = [
        await client.post("/v1/infotext", content=data, headers={"Content-Type": "image/png"}),
        await client.post("/v1/infotext", files={"file": data}),
        await client.post("/v1/infotext", json={"image": base64.b64encode(data).decode()}),
        await client.post("/v1/infotext", json={"text": TEXT}),
    ]
    for reply in replies:
        assert reply.status_code == 200
        assert reply.json()["source"] == "hua"
        assert (reply.json()["params"]["seed"], reply.json()["params"]["w"]) == (3, 64)


async def test_painted_picture_tells_its_settings(client, painting) -> None:
    """The text is in the files that this server hands out; here, a picture without one says so."""
    body = {"type": "txt2img.sd", "params": {"text": "x"}}
    task = (await client.post("/v1/tasks", json=body, headers={"Prefer": "wait=10"})).json()
    data = (await client.get(task["images"][0]["url"])).content
    reply = await client.post("/v1/infotext", content=data, headers={"Content-Type": "image/png"})
    assert (reply.status_code, reply.json()["error"]["field"]) == (422, "file")
    assert "there are no settings" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"image": "aGVsbG8="}, "not a PNG"),
        ({"image": "@"}, "base64"),
        ({"text": " "}, "no settings"),
        ({}, "no settings"),
        ({"txt": "x"}, "txt is unknown"),
    ],
)
async def test_what_cannot_be_read_is_refused(client, body, message) -> None:
    reply = await client.post("/v1/infotext", json=body)
    assert reply.status_code == 422
    assert message in reply.json()["error"]["message"]


async def test_graph_for_the_page_of_comfyui_alone_is_refused_with_advice(client, picture_with) -> None:
    reply = await client.post("/v1/infotext", files={"file": picture_with(workflow='{"nodes": []}')})
    assert "ComfyUI's format for the API" in reply.json()["error"]["message"]

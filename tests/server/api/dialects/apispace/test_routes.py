"""APISpace's addresses, envelopes and header over HTTP, with the sample of its document."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from server.services import Services
from server.tenancy.auth import new_key

KEYS = {tenant: new_key(tenant) for tenant in ("red", "blue")}
WITH_KEYS = pytest.mark.parametrize("overrides", [{"api_keys": tuple(setting for _, setting in KEYS.values())}])
PARAMS: dict[str, Any] = {
    "model": "art",
    "text": "玫瑰花",
    "w": 512,
    "h": 512,
    "guidance_scale": 7.5,
    "negative_prompt": "cropped",
    "sampler": "k_euler",
    "seed": -1,
    "num_steps": 20,
}
SAMPLE: dict[str, Any] = {"task": "txt2img.sd", "params": PARAMS, **PARAMS, "notify_url": ""}


def headers(tenant: str) -> dict[str, str]:
    return {"X-APISpace-Token": KEYS[tenant][0], "Authorization-Type": "apikey"}


async def submitted(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> str:
    reply = await client.post(f"/aigc/{path}", json=body)
    assert reply.status_code == 200
    assert (reply.json()["code"], reply.json()["msg"]) == (0, "success"), reply.text
    uid: str = reply.json()["data"]["uid"]
    return uid


async def params_of(services: Services, uid: str) -> dict[str, Any]:
    view = await services.queue.find(uid)
    assert view is not None
    return {"type": view.task.type, "dialect": view.task.dialect, **view.task.params}


@pytest.mark.parametrize("body", [SAMPLE, {"params": PARAMS}, PARAMS], ids=["both", "in params", "beside"])
async def test_sample_of_the_document_is_accepted_in_each_form(client, services, body: dict[str, Any]) -> None:
    params = await params_of(services, await submitted(client, "txt2img", body))
    assert (params["type"], params["text"], params["sampler"]) == ("txt2img.sd", "rose", "euler")
    assert (params["negative_prompt"], params["num_steps"], params["dialect"]) == ("cropped", 20, "apispace")


async def test_query_has_the_image_once_it_is_there(client, services, painter) -> None:
    uid = await submitted(client, "txt2img", SAMPLE)
    before = (await client.post("/aigc/query-image", json={"uid": uid})).json()["data"]
    assert (before["uid"], before["status"], before["cdn"]) == (uid, "pending", "")
    await painter.finish(await painter.take())
    while (after := (await client.post("/aigc/query-image", json={"uid": uid})).json()["data"])["status"] != "finished":
        await asyncio.sleep(0.005)
    assert (await client.get(after["cdn"])).status_code == 200
    assert (after["safe"], after["reason"]) == (True, "")
    assert all(isinstance(after[name], int) for name in ("create_time", "start_time", "end_time", "duration"))


async def test_picture_routes(client, services, png: bytes) -> None:
    upload = (await client.post("/v1/files", files={"file": png})).json()["id"]
    drawn = await params_of(services, await submitted(client, "img2img", {"text": "a house", "url": upload}))
    assert (drawn["type"], drawn["url"]) == ("img2img.sd", upload)
    anime = await params_of(services, await submitted(client, "img2acg", {"image_url": upload, "style": "JOJO_style"}))
    assert (anime["type"], anime["model"], anime["dialect"]) == ("img2img.portrait", "anime-toy", "apispace")
    assert "bold outlines" in anime["text"]
    assert "cute" in (await params_of(services, await submitted(client, "img2acg", {"url": upload})))["text"]


@pytest.mark.parametrize("more_models", ["styles:\n  - {id: JOJO_style, model: toy, prompt: '{prompt}, poses'}\n"])
async def test_styles_of_the_operator_go_first(client, services, png: bytes) -> None:
    upload = (await client.post("/v1/files", files={"file": png})).json()["id"]
    anime = await params_of(services, await submitted(client, "img2acg", {"url": upload, "style": "JOJO_style"}))
    assert (anime["model"], anime["text"]) == ("toy", "poses")


@pytest.mark.parametrize("more_models", ["  - {name: esr, path: toy.safetensors, family: upscaler}\n"])
async def test_enlarging(client, services, png: bytes) -> None:
    upload = (await client.post("/v1/files", files={"file": png})).json()["id"]
    assert (await params_of(services, await submitted(client, "sr", {"url": upload})))["type"] == "img2img.sr"


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("txt2img", {**PARAMS, "w": 776}, "w 776 is above 768"),
        ("txt2img", {"params": {**PARAMS, "h": "1024"}}, "h 1024 is above 768"),
        ("txt2img", {**PARAMS, "w": 1024.0}, "w 1024 is above 768"),
        ("txt2img", {**PARAMS, "w": " 1_024 "}, "w 1024 is above 768"),
        ("txt2img", {**PARAMS, "num_samples": 2}, "num_samples 2 is above 1"),
        ("img2acg", {"image_url": "x", "style": "Oil_style"}, "there is no style 'Oil_style'"),
        ("img2acg", {"style": "JOJO_style"}, "image_url is missing"),
        ("query-image", {"uid": "0" * 32}, "there is no task"),
        ("nothing", {}, "there is nothing at this address"),
    ],
)
async def test_refusals_are_enveloped(client, path: str, body: dict[str, Any], words: str) -> None:
    reply = await client.post(f"/aigc/{path}", json=body)
    assert reply.status_code == reply.json()["code"] != 200
    assert words in reply.json()["msg"]


@WITH_KEYS
async def test_key_comes_in_its_own_header_and_tenants_are_apart(client) -> None:
    assert (await client.post("/aigc/txt2img", json=SAMPLE)).json()["code"] == 401
    assert (await client.post("/aigc/txt2img", json=SAMPLE, headers={"X-APISpace-Token": "x"})).json()["code"] == 401
    uid = (await client.post("/aigc/txt2img", json=SAMPLE, headers=headers("red"))).json()["data"]["uid"]
    assert (await client.post("/aigc/query-image", json={"uid": uid}, headers=headers("red"))).json()["code"] == 0
    assert (await client.post("/aigc/query-image", json={"uid": uid}, headers=headers("blue"))).json()["code"] == 404


@pytest.mark.parametrize("overrides", [{"task_limit": 1}])
async def test_task_limit_is_7001(client) -> None:
    await submitted(client, "txt2img", SAMPLE)
    reply = await client.post("/aigc/txt2img", json=SAMPLE)
    assert (reply.status_code, reply.json()["code"]) == (200, 7001)

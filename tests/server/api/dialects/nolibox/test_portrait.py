"""/engine/img2acg and /open/ai_convert, with the fields of their documents."""

from __future__ import annotations

from typing import Any

import pytest

SAMPLE: dict[str, Any] = {
    "style": "Cyberfuture_style",
    "is_anime": True,
    "w": 512,
    "h": 768,
    "fidelity": 0.2,
    "seed": -1,
    "sampler": "k_euler",
    "num_steps": 25,
    "guidance_scale": 7.5,
    "negative_prompt": "",
    "use_seed": False,
    "keep_alpha": True,
    "use_circular": False,
    "version": "v1.5",
    "promptInfo": {},
    "timestamp": 1_690_000_000,
    "localModels": [],
    "notify_url": "",
}


@pytest.fixture
async def upload(client, png) -> str:
    return str((await client.post("/v1/files", files={"file": png})).json()["id"])


async def task_of(services, reply):
    assert reply.status_code == 200, reply.text
    assert (reply.json()["code"], reply.json()["msg"]) == (0, "success")
    return (await services.queue.find(reply.json()["data"]["uid"])).task


@pytest.mark.parametrize("base", ["", "/prod-open-aigc"])
async def test_sample_of_img2acg_becomes_a_portrait(client, services, upload, base) -> None:
    reply = await client.post(f"{base}/engine/img2acg", json={**SAMPLE, "image_url": upload})
    task = await task_of(services, reply)
    assert (task.type, task.dialect) == ("img2img.portrait", "nolibox")
    assert (task.params["url"], task.params["w"], task.params["h"]) == (upload, 512, 768)
    assert (task.params["sampler"], task.params["model"]) == ("euler", "anime-toy")
    assert "cyberpunk" in task.params["text"]
    assert task.params["left_out"] == ["caption", "face", "keep_face", "control"]


async def test_result_has_the_image_and_what_was_left_out(client, services, upload, painter) -> None:
    uid = (await client.post("/engine/img2acg", json={**SAMPLE, "image_url": upload})).json()["data"]["uid"]
    await painter.finish(await painter.take(), {"left_out": ["caption"]})
    async for view in services.queue.watch(uid):
        if view.status.final:
            break
    data = (await client.get(f"/engine/status/{uid}")).json()["data"]
    assert data["cdn"] == data["cos"] == data["img_urls"][0]
    assert data["response"] == {"left_out": ["caption"]}
    assert (data["safe"], data["reason"]) == (True, "")


@pytest.mark.parametrize("base", ["", "/prod-open-aigc"])
async def test_ai_convert_takes_a_prompt_and_guess_mode(client, services, upload, base) -> None:
    body = {"image_url": upload, "prompt": "红头发", "style": "Bunny_style", "guess_mode": True, "num_steps": 30}
    task = await task_of(services, await client.post(f"{base}/open/ai_convert", json=body))
    assert task.type == "img2img.portrait"
    assert (task.params["guess_mode"], task.params["num_steps"]) == (True, 30)
    assert task.params["text"].startswith("cute anime portrait, red hair, rabbit ears")


@pytest.mark.parametrize("more_models", ["styles:\n  - {id: Bunny_style, model: toy, prompt: '{prompt}, ears'}\n"])
async def test_style_and_model_of_the_operator_go_first(client, services, upload) -> None:
    body = {"image_url": upload, "style": "Bunny_style", "is_anime": True}
    task = await task_of(services, await client.post("/engine/img2acg", json=body))
    assert (task.params["model"], task.params["is_anime"], task.params["text"]) == ("toy", False, "ears")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"style": "Oil_style", "image_url": "x"}, "there is no style 'Oil_style'; there are: Chinese_style, "),
        ({"style": "JOJO_style"}, "image_url is missing"),
        ({"image_url": "x"}, "style is missing; send one of Chinese_style, "),
    ],
)
async def test_wrong_styles_and_missing_pictures_are_refused(client, body, message) -> None:
    reply = await client.post("/engine/img2acg", json=body)
    assert (reply.status_code, reply.json()["code"]) == (422, 422)
    assert message in reply.json()["msg"]


async def test_codes_of_ai_convert_are_0_and_1(client) -> None:
    reply = await client.post("/open/ai_convert", json={"image_url": "x", "style": "Oil_style"})
    assert (reply.status_code, reply.json()["code"], reply.json()["data"]) == (422, 1, {})


@pytest.mark.parametrize("overrides", [{"task_limit": 1}])
async def test_task_limit_is_7001(client, upload) -> None:
    body = {"image_url": upload, "style": "Bunny_style"}
    await client.post("/engine/img2acg", json=body)
    for path in ("/engine/img2acg", "/open/ai_convert"):
        reply = await client.post(path, json=body)
        assert (reply.status_code, reply.json()["code"]) == (200, 7001)

"""Enlarging and describing pictures."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.services import Services
from server.task import Task

UPSCALERS = """
  - {name: esr, path: toy.safetensors, family: upscaler}
  - {name: esr_anime, path: toy.safetensors, family: upscaler}
"""
pytestmark = pytest.mark.parametrize("more_models", [UPSCALERS])


async def task_of(client, services: Services, auth, path: str, body: dict[str, Any]) -> Task:
    """The task that a request becomes. The request itself is given up."""
    request = asyncio.create_task(client.post(f"/sdapi/v1/{path}", json=body, auth=auth))
    while not (found := (await services.queue.recent("red", None, 1, 1))[0]):
        assert not request.done(), request.result().text
        await asyncio.sleep(0.005)
    request.cancel()
    return found[0].task


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"upscaler_1": "R-ESRGAN 4x+", "upscaling_resize": 3}, {"model": "esr", "target_w": 48, "target_h": 48}),
        ({"upscaler_1": "R-ESRGAN 4x+ Anime6B", "upscaling_resize": 1.5}, {"model": "esr_anime", "target_w": 24}),
        ({"upscaler_1": "esr_anime"}, {"model": "esr_anime", "target_w": 32}),
        (
            {"upscaler_1": "esr", "resize_mode": 1, "upscaling_resize_w": 40, "upscaling_resize_h": 40},
            {"target_w": 40, "target_h": 40},
        ),
        (
            {
                "upscaler_1": "esr",
                "resize_mode": 1,
                "upscaling_resize_w": 40,
                "upscaling_resize_h": 20,
                "upscaling_crop": False,
            },
            {"target_w": 40, "target_h": 40},
        ),
    ],
)
async def test_nets_enlarge(client, services, red, picture: str, body, expected) -> None:
    task = await task_of(client, services, red, "extra-single-image", {"image": picture, **body})
    assert task.type == "img2img.sr"
    assert {name: task.params[name] for name in expected} == expected


async def test_crop_to_another_shape_is_a_workflow(client, services, red, picture: str) -> None:
    size = {"resize_mode": 1, "upscaling_resize_w": 40, "upscaling_resize_h": 20}
    task = await task_of(client, services, red, "extra-single-image", {"image": picture, "upscaler_1": "esr", **size})
    assert task.type == "workflow"
    assert [node["endpoint"] for node in task.params["nodes"]] == ["img2img.sr", "cv.resize"]


@pytest.mark.parametrize(("name", "width"), [("Lanczos", 32), ("Nearest", 32), ("None", 16)])
async def test_plain_filters_need_no_net(client, services, red, picture: str, name: str, width: int) -> None:
    task = await task_of(client, services, red, "extra-single-image", {"image": picture, "upscaler_1": name})
    assert (task.type, task.params["w"]) == ("cv.resize", width)


async def test_batch_answers_with_an_image_each(client, painting, red, picture: str) -> None:
    body = {"imageList": [{"data": picture, "name": "a"}, {"data": picture, "name": "b"}], "upscaler_1": "None"}
    reply = await client.post("/sdapi/v1/extra-batch-images", json=body, auth=red)
    assert len(reply.json()["images"]) == 2


async def test_interrogate_needs_a_captioner(client, red, picture: str) -> None:
    reply = await client.post("/sdapi/v1/interrogate", json={"image": picture}, auth=red)
    assert (reply.status_code, "captioner" in reply.json()["detail"]) == (422, True)
    assert (await client.get("/sdapi/v1/interrogate", auth=red)).status_code == 405


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"gfpgan_visibility": 0.5}, "gfpgan_visibility needs a model that finds faces"),
        ({"upscaler_2": "esr", "extras_upscaler_2_visibility": 0.5}, "a second upscaler"),
        ({"upscaler_1": "nothing"}, "nothing"),
        ({"image": "no picture"}, "image: "),
    ],
)
async def test_what_cannot_be_meant_is_refused(client, red, picture: str, body, words: str) -> None:
    reply = await client.post("/sdapi/v1/extra-single-image", json={"image": picture, **body}, auth=red)
    assert reply.status_code == 422
    assert words in reply.json()["detail"]


async def test_interrupted_enlarging_is_an_error(client, painter, red, picture: str) -> None:
    body = {"image": picture, "upscaler_1": "None"}
    waiting = asyncio.create_task(client.post("/sdapi/v1/extra-single-image", json=body, auth=red))
    await painter.take()
    await client.post("/sdapi/v1/interrupt", auth=red)
    reply = await waiting
    assert (reply.status_code, "interrupted" in reply.json()["detail"]) == (500, True)

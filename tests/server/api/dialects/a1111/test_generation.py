"""txt2img and img2img over HTTP: answers, failures, interruption, and tenants that do not see each other."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from fastapi import Request

from server.api.dialects.a1111.generation import run_tasks
from server.services import Services
from server.task import Status
from server.tasks.waiting import ClientGoneError
from server.tenancy.auth import Caller
from tests.server.api.dialects.a1111.conftest import KEYS, Waiting
from tests.support.painter import Painter

BODY: dict[str, Any] = {"prompt": "a house", "width": 64, "height": 64, "seed": 7, "steps": 4}


async def test_answer_has_images_parameters_and_info(client, painting: Painter, red, png: bytes) -> None:
    reply = await client.post("/sdapi/v1/txt2img", json=BODY, auth=red)
    assert reply.status_code == 200
    body = reply.json()
    assert base64.b64decode(body["images"][0]) == png
    assert body["parameters"]["prompt"] == "a house"
    info = json.loads(body["info"])
    assert (info["seed"], info["all_seeds"], info["sampler_name"], info["sd_model_name"]) == (7, [7], "Euler", "toy")
    assert info["infotexts"][0].splitlines()[0] == "a house"
    assert isinstance(info["job_timestamp"], str)


async def test_each_task_of_a_large_batch_is_waited_for(client, painting: Painter, red) -> None:
    body = (await client.post("/sdapi/v1/txt2img", json={**BODY, "n_iter": 17}, auth=red)).json()
    assert json.loads(body["info"])["all_seeds"] == list(range(7, 24))


async def test_img2img_echoes_no_pictures(client, painting: Painter, red, picture: str) -> None:
    body = (await client.post("/sdapi/v1/img2img", json={**BODY, "init_images": [picture]}, auth=red)).json()
    assert (body["parameters"]["init_images"], body["parameters"]["mask"]) == (None, None)
    with_pictures = {**BODY, "init_images": [picture], "include_init_images": True}
    body = (await client.post("/sdapi/v1/img2img", json=with_pictures, auth=red)).json()
    assert body["parameters"]["init_images"] == [picture]


async def test_send_images_false_sends_none(client, painting: Painter, red) -> None:
    body = (await client.post("/sdapi/v1/txt2img", json={**BODY, "send_images": False}, auth=red)).json()
    assert body["images"] == []
    assert json.loads(body["info"])["all_seeds"] == [7]


async def test_failed_task_is_an_error(client, painter: Painter, red) -> None:
    waiting = Waiting(client, "txt2img", BODY, red)
    await painter.fail(await painter.take())
    reply = await waiting.answer()
    assert (reply.status_code, reply.json()["error"]) == (500, "task_failed")
    assert "too large for this device" in reply.json()["detail"]


async def test_withheld_images_are_an_error(client, painter: Painter, red) -> None:
    waiting = Waiting(client, "txt2img", BODY, red)
    await painter.withhold(await painter.take())
    reply = await waiting.answer()
    assert (reply.status_code, reply.json()["error"]) == (422, "moderation_blocked")


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"sampler_name": "Restart"}, 422, "no sampler 'Restart'"),
        ({"steps": 1000}, 422, "num_steps"),
        ({"width": "wide"}, 422, "width"),
        ({"n_iter": 100, "batch_size": 100}, 422, "at most 100 images"),
        ({"alwayson_scripts": {"controlnet": {"args": [None, "x"]}}}, 422, "unit 1 of ControlNet"),
        ({"alwayson_scripts": {"controlnet": 7, "other": None}}, 422, "unit 0 of ControlNet"),
        ({"alwayson_scripts": {"sampler": {"args": ["many"]}}}, 422, "steps"),
        ({"width": 8192, "height": 8192}, 422, "HUA_MAX_PIXELS"),
    ],
)
async def test_wrong_requests_are_refused_in_a1111s_shape(client, red, change, status: int, words: str) -> None:
    reply = await client.post("/sdapi/v1/txt2img", json=BODY | change, auth=red)
    assert reply.status_code == status
    assert words in reply.json()["detail"]
    assert reply.json()["errors"] == reply.json()["detail"]


async def test_key_is_needed_and_unknown_addresses_have_a_detail(client, red) -> None:
    refused = await client.post("/sdapi/v1/txt2img", json=BODY)
    assert (refused.status_code, refused.json()["error"]) == (401, "unauthorized")
    assert "Basic" in refused.headers["www-authenticate"]
    missing = await client.get("/sdapi/v1/nothing", auth=red)
    assert (missing.status_code, missing.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize("user", ["Jörg".encode(), "Jörg".encode("latin-1"), "小明".encode(), b"", b"a b"])
async def test_user_name_may_be_anything(client, user: bytes) -> None:
    """Clients encode it as UTF-8 or as Latin-1."""
    credentials = base64.b64encode(user + b":" + KEYS["red"][0].encode()).decode()
    reply = await client.get("/sdapi/v1/options", headers={"Authorization": f"Basic {credentials}"})
    assert reply.status_code == 200, reply.text


async def hung_up() -> dict[str, Any]:
    return {"type": "http.disconnect"}


@pytest.mark.parametrize(
    ("overrides", "status"),
    [({}, Status.CANCELED), ({"cancel_on_hang_up": ()}, Status.QUEUED)],
    ids=["by default", "if the operator says no"],
)
async def test_client_that_hangs_up_cancels_its_tasks(services: Services, status: Status) -> None:
    request, tasks = Request({"type": "http"}, hung_up), [("txt2img.sd", {"text": "a house"})]
    with pytest.raises(ClientGoneError):
        await run_tasks(services, Caller("red"), request, tasks)
    (view,), _ = await services.queue.recent("red", None, 1, 10)
    assert view.status is status

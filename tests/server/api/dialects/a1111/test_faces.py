"""Restored faces: after a painting, and in extras."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from typing import Any

import pytest
from PIL import Image

from server.services import Services
from server.task import Task
from tests.server.api.dialects.a1111.conftest import Waiting
from tests.support.painter import Painter

DETECTOR = "\n  - {name: mtcnn, path: toy.safetensors, family: face}"
RESTORER = "\n  - {name: GFPGANv1.4, path: toy.safetensors, family: face_fix}"
UPSCALER = "\n  - {name: esr, path: toy.safetensors, family: upscaler}"
BODY: dict[str, Any] = {"prompt": "a girl", "width": 64, "height": 64, "seed": 7, "steps": 4, "restore_faces": True}


async def painted(client, painter: Painter, auth, **fields: Any) -> tuple[list[Task], Any]:
    """The tasks that repair faces, and the answer. The repaired images are wider than the painted ones."""
    waiting = Waiting(client, "txt2img", {**BODY, **fields}, auth)
    painting = await painter.take()
    await painter.finish(painting)
    repairs = [await painter.take() for _ in range(fields.get("batch_size", 1))]
    for repair in repairs:
        await painter.finish_with(repair, [("image", (48, 16))])
    reply = await waiting.answer()
    assert reply.status_code == 200, reply.text
    return [repair.task for repair in repairs], reply.json()


@pytest.mark.parametrize("more_models", [DETECTOR + RESTORER])
async def test_faces_of_each_image_are_restored(client, painter: Painter, red) -> None:
    [task], answer = await painted(client, painter, red, override_settings={"face_restoration_model": "GFPGAN"})
    assert (task.type, task.params["method"], task.params["model"]) == ("img2img.face_fix", "restore", "GFPGANv1.4")
    with Image.open(io.BytesIO(base64.b64decode(answer["images"][0]))) as image:
        assert image.size == (48, 16)
    info = json.loads(answer["info"])
    assert (info["all_seeds"], info["restore_faces"], info["prompt"]) == ([7], True, "a girl")


@pytest.mark.parametrize("more_models", [DETECTOR])
async def test_without_a_restorer_the_checkpoint_paints_faces_again(client, painter: Painter, red) -> None:
    [task], _ = await painted(client, painter, red, negative_prompt="fog")
    expected = {"method": "repaint", "model": "toy", "text": "a girl", "negative_prompt": "fog", "seed": 7}
    assert {name: task.params[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("more_models", "fields", "words"),
    [
        ("", {}, "restore_faces needs a model that finds faces, but there is no face detector"),
        (
            DETECTOR + RESTORER,
            {"override_settings": {"face_restoration_model": "CodeFormer"}},
            "there is no face restorer 'CodeFormer'; there are: GFPGANv1.4",
        ),
        (DETECTOR, {"override_settings": {"face_restoration_model": "GFPGAN"}}, "none yet, ask the operator"),
    ],
)
async def test_missing_models_are_named_before_anything_is_painted(
    client, services: Services, red, fields: dict[str, Any], words: str
) -> None:
    reply = await client.post("/sdapi/v1/txt2img", json=BODY | fields, auth=red)
    assert (reply.status_code, words in reply.json()["detail"]) == (422, True), reply.text
    assert not (await services.queue.recent("red", None, 1, 1))[0]


@pytest.mark.parametrize("more_models", [DETECTOR + RESTORER])
async def test_list_of_restorers(client, red) -> None:
    reply = await client.get("/sdapi/v1/face-restorers", auth=red)
    assert reply.json() == [{"name": "GFPGANv1.4", "cmd_dir": None}]


@pytest.mark.parametrize("more_models", [DETECTOR + RESTORER + UPSCALER])
@pytest.mark.parametrize(
    ("fields", "endpoints"),
    [
        ({"upscaler_1": "None"}, ["img2img.face_fix"]),
        ({"upscaler_1": "esr"}, ["img2img.face_fix", "img2img.sr"]),
        ({"upscaler_1": "esr", "upscale_first": True}, ["img2img.sr", "img2img.face_fix"]),
    ],
)
async def test_extras_restore_faces(client, services: Services, red, picture: str, fields, endpoints) -> None:
    body = {"image": picture, "gfpgan_visibility": 0.4, **fields}
    request = asyncio.create_task(client.post("/sdapi/v1/extra-single-image", json=body, auth=red))
    while not (found := (await services.queue.recent("red", None, 1, 1))[0]):
        assert not request.done(), request.result().text
        await asyncio.sleep(0.005)
    request.cancel()
    task = found[0].task
    nodes = task.params.get("nodes", [{"endpoint": task.type, "data": task.params}])
    assert [node["endpoint"] for node in nodes] == endpoints
    [repair] = (node["data"] for node in nodes if node["endpoint"] == "img2img.face_fix")
    assert (repair["model"], repair["strength"]) == ("GFPGANv1.4", 0.4)


@pytest.mark.parametrize("more_models", [DETECTOR + RESTORER])
async def test_extras_name_the_model_that_is_missing(client, red, picture: str) -> None:
    body = {"image": picture, "codeformer_visibility": 1, "codeformer_weight": 0.5}
    reply = await client.post("/sdapi/v1/extra-single-image", json=body, auth=red)
    assert reply.status_code == 422
    assert "there is no face restorer 'CodeFormer'" in reply.json()["detail"]

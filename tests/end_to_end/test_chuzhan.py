"""The example of docs/dialects/chuzhan.md, and real pixels of what this API makes of several tasks."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.support.docs import shell_blocks
from tests.support.running_service import RunningService

[EXAMPLE] = shell_blocks("dialects/chuzhan.md")


def painted(service: RunningService, **fields: Any) -> list[np.ndarray]:
    """The pixels of all images of a request."""
    body = {"prompt": "a red house on the grass", "modelStyleId": 1, "steps": 4, "seed": 7} | fields
    reply = service.http.post("/aiapi/v1/draw", json=body).json()
    assert reply["success"], reply
    wait = {"taskId": reply["data"]["paintingSign"], "waitUtilEnd": True}
    detail = service.http.post("/aiapi/v1/task/detail", json=wait).json()["data"]
    assert detail["state"] == "success", detail
    files = [service.http.get(image["imageUrl"]).content for image in detail["images"]]
    return [np.asarray(Image.open(io.BytesIO(file))) for file in files]


def in_base64(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_example_of_the_docs(service: RunningService, folder: Path) -> None:
    reply = json.loads(service.run_script(EXAMPLE, folder))
    assert (reply["code"], reply["data"]["state"]) == (0, "success")
    with Image.open(io.BytesIO(service.http.get(reply["data"]["imgUrl"]).content)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (128, 128))


def test_batch_is_enlarged_and_cut_out(service: RunningService) -> None:
    images = painted(service, width=64, height=64, batchSize=2, upscale=1.5, imgOptions={"removeBackground": True})
    assert [image.shape for image in images] == [(96, 96, 4), (96, 96, 4)]
    assert (images[0] != images[1]).any()


def test_black_of_a_mask_on_a_transparent_layer_is_repainted(service: RunningService) -> None:
    mask = np.zeros((64, 64, 4), np.uint8)
    mask[:32, :32, 3] = 255
    [image] = painted(service, img=in_base64(np.full((64, 64, 3), 90, np.uint8)), maskImg=in_base64(mask))
    changed = np.abs(image.astype(int) - 90).max(axis=2) > 8
    assert changed[:30, :30].mean() > 0.5
    assert not changed[44:, 44:].any()


def test_controlnet_paints_in_the_size_of_the_request(service: RunningService) -> None:
    edges = in_base64(np.eye(64, dtype=np.uint8)[..., None].repeat(3, 2) * 255)
    units = [{"type": "canny", "preprocess": "false", "controlEnd": "0.8"}]
    [image] = painted(service, width=96, height=64, controlnet={"image": edges, "units": units})
    assert image.shape == (64, 96, 3)


def test_background_is_redrawn_around_the_object(service: RunningService) -> None:
    picture = np.full((128, 128, 3), 255, np.uint8)
    picture[40:90, 40:90] = (200, 30, 30)
    [image] = painted(service, img=in_base64(picture), imgOptions={"redrawBackground": True})
    assert image.shape == picture.shape
    assert np.abs(image[:10].astype(int) - 255).max() > 20


def test_drawing_is_enlarged_varied_and_zoomed_out(service: RunningService) -> None:
    def run(path: str, **body: Any) -> tuple[str, np.ndarray, list[np.ndarray]]:
        """The id of the task, its sheet, and the images."""
        reply = service.http.post(f"/aiapi/v1/mj/{path}", json=body).json()
        assert reply["success"], reply
        task_id = reply["data"]["paintingSign"]
        wait = {"taskId": task_id, "waitUtilEnd": True, "imgFormat": "png"}
        data = service.http.post("/aiapi/v1/mj/task/progress", json=wait).json()["data"]
        assert data["state"] == "success", data
        links = [data["imgUrl"], *(image["imageUrl"] for image in data["images"])]
        files = [service.http.get(link).content for link in links]
        sheet, *images = (np.asarray(Image.open(io.BytesIO(file))).astype(int) for file in files)
        return task_id, sheet, images

    drawing, sheet, images = run("draw", prompt="a red house on the grass --seed 7")
    assert (sheet.shape, len(images)) == ((256, 256, 3), 4)
    assert np.array_equal(sheet[128:, :128], images[2])
    _, larger, _ = run("upscale", taskId=drawing, index=2)
    assert larger.shape == (256, 256, 3)
    _, _, same = run("variation", taskId=drawing, index=3, strength=0)
    assert all(np.abs(image - images[2]).max() <= 1 for image in same)
    _, _, others = run("variation", taskId=drawing, index=3, strength=0.5)
    assert all(np.abs(image - images[2]).mean() > 1 for image in others)
    _, _, wider = run("zoom-out", taskId=drawing, index=1, scale=1.5)
    assert wider[0].shape == (192, 192, 3)
    assert np.abs(wider[0][56:-56, 56:-56] - images[0][24:-24, 24:-24]).max() <= 1

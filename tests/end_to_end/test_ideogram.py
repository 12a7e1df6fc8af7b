"""The examples of docs/dialects/ideogram.md, and real pixels of what this API makes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from server.api.dialects.ideogram import tasks
from server.api.dialects.ideogram.painting import Painting
from server.tasks.input_images import Upload
from tests.support.docs import shell_blocks
from tests.support.running_service import RunningService

V3 = "/ideogram/v1/ideogram-v3/"
PARAMS = {"text": "a red house on the grass", "seed": 7, "num_steps": 4, "num_samples": 2}
SIZE = WIDTH, HEIGHT = 96, 64
FADE = 8 + 1


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A red box on white, uint8 [64, 64, 3]."""
    pixels = np.full((HEIGHT, HEIGHT, 3), 255, np.uint8)
    pixels[20:45, 20:45] = (200, 30, 30)
    return pixels


def file_of(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def pixels_at(service: RunningService, url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(service.http.get(url).content)))


def sent(service: RunningService, route: str, fields: dict[str, Any], **files: np.ndarray) -> list[np.ndarray]:
    """The pixels of the answer to a request of V3."""
    fields = {"prompt": PARAMS["text"], "rendering_speed": "FLASH", "seed": "7"} | fields
    parts = {name: file_of(pixels) for name, pixels in files.items()}
    reply = service.http.post(V3 + route, data=fields, files=parts, headers={"Api-Key": "sk-***"})
    assert reply.status_code == 200, reply.text
    return [pixels_at(service, image["url"]) for image in reply.json()["data"]]


def painted(service: RunningService, painting: Painting) -> list[np.ndarray]:
    """The pixels of a task, because requests cannot have sizes as small as a test needs."""
    body = {"type": painting.task_type, "params": painting.params}
    task = service.http.post("/v1/tasks", json=body, headers={"Prefer": "wait=60"}).json()
    assert task["status"] == "succeeded", task
    return [pixels_at(service, image["url"]) for image in (*task["images"], *task["hints"])]


def upload(service: RunningService, pixels: np.ndarray) -> Upload:
    stored = service.http.post("/v1/files", files={"file": file_of(pixels)}).json()
    return Upload(stored["id"], pixels.shape[1], pixels.shape[0])


def difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The largest difference of each pixel's channels."""
    largest: np.ndarray = np.abs(one.astype(int) - other).max(axis=2)
    return largest


def test_examples_of_the_docs(service: RunningService, folder: Path) -> None:
    for example in shell_blocks("dialects/ideogram.md"):
        reply = json.loads(service.run_script(example, folder))
        assert all(each.get("url") or each["text"] for each in reply.get("data") or reply["descriptions"]), reply


def test_edit_changes_what_is_black_in_the_mask(service: RunningService, picture: np.ndarray) -> None:
    mask = np.full_like(picture, 255)
    mask[:32, :32] = 0
    [image] = sent(service, "edit", {}, image=picture, mask=mask)
    changed = difference(image, picture) > 8
    assert changed[:32, :32].mean() > 0.3
    assert not changed[32 + FADE :].any()
    assert not changed[:, 32 + FADE :].any()


def test_object_stays_before_another_background(service: RunningService, picture: np.ndarray) -> None:
    images = sent(service, "replace-background", {"num_images": "2"}, image=picture)
    assert [image.shape for image in images] == [picture.shape] * 2
    assert (images[0] != images[1]).any()
    for image in images:
        assert difference(image, picture)[:8].mean() > 20
        assert difference(image, picture)[30:35, 30:35].max() <= 8


def test_frame_holds_the_whole_picture(service: RunningService, picture: np.ndarray) -> None:
    images = painted(service, tasks.reframe(PARAMS, upload(service, picture), SIZE))
    left = (WIDTH - HEIGHT) // 2
    assert [image.shape for image in images] == [(HEIGHT, WIDTH, 3)] * 2
    for image in images:
        inner = image[:, left : left + HEIGHT]
        assert (inner[:, FADE:-FADE] == picture[:, FADE:-FADE]).all()
        assert difference(image[:, :left], np.full((HEIGHT, left, 3), 255)).mean() > 5


def test_picture_of_another_size_is_scaled_into_the_frame(service: RunningService, picture: np.ndarray) -> None:
    large = np.asarray(Image.fromarray(picture).resize((128, 128), Image.Resampling.NEAREST))
    [image, _] = painted(service, tasks.reframe({**PARAMS, "text": ""}, upload(service, large), SIZE, describes=True))
    inner = np.asarray(Image.fromarray(large).resize((HEIGHT, HEIGHT), Image.Resampling.LANCZOS))
    left = (WIDTH - HEIGHT) // 2
    assert difference(image[:, left + FADE : left + HEIGHT - FADE], inner[:, FADE:-FADE]).max() <= 2


def test_transparent_images_are_enlarged(service: RunningService) -> None:
    images = painted(service, tasks.generate_transparent(PARAMS, SIZE, 2))
    assert [image.shape for image in images] == [(2 * HEIGHT, 2 * WIDTH, 4)] * 2
    assert (images[0] != images[1]).any()
    assert all(image[:, :, 3].min() < 128 < image[:, :, 3].max() for image in images)


def test_remix_is_the_closer_the_higher_its_weight(service: RunningService, picture: np.ndarray) -> None:
    source = upload(service, picture)
    far, near = (painted(service, tasks.remix(PARAMS, source, (64, 64), weight))[0] for weight in (1, 100))
    assert difference(near, picture).mean() < difference(far, picture).mean() / 2


def test_code_of_a_style_acts_like_its_picture(service: RunningService, picture: np.ndarray) -> None:
    mask = np.full_like(picture, 255)
    mask[:32] = 0
    files = {"image": file_of(picture), "mask": file_of(mask)}
    fields = {"prompt": "a house", "rendering_speed": "FLASH", "seed": "7"}
    style = {"style_reference_images": file_of(picture)}
    first = service.http.post(V3 + "edit", data=fields, files=files | style).json()
    again = service.http.post(V3 + "edit", data=fields | {"style_codes": first["style_codes"]}, files=files).json()
    plain = service.http.post(V3 + "edit", data=fields, files=files).json()
    one, same, other = (pixels_at(service, reply["data"][0]["url"]) for reply in (first, again, plain))
    assert difference(one, same).max() <= 1
    assert difference(one, other).max() > 8

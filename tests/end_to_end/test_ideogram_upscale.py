"""Real pixels of Ideogram's upscale."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from PIL import Image

from tests.support.pictures import PICTURE, SIDE
from tests.support.running_service import RunningService


def enlarged(service: RunningService, **fields: Any) -> list[np.ndarray]:
    """The pixels of the answer, and checks what it says about their size."""
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, "PNG")
    request = {"image_request": json.dumps({"seed": 7} | fields)}
    reply = service.http.post("/ideogram/upscale", data=request, files={"image_file": file.getvalue()})
    assert reply.status_code == 200, reply.text
    images = reply.json()["data"]
    assert {image["upscaled_resolution"] for image in images} == {f"{2 * SIDE}x{2 * SIDE}"}
    assert [image["seed"] for image in images] == list(range(7, 7 + len(images)))
    return [np.asarray(Image.open(io.BytesIO(service.http.get(image["url"]).content))) for image in images]


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def test_picture_changes_with_detail_and_stays_with_resemblance(service: RunningService) -> None:
    [same, again] = enlarged(service, resemblance=100, detail=100, num_images=2)
    [plain] = enlarged(service)
    [free, other] = enlarged(service, resemblance=1, detail=100, num_images=2)
    expected = np.asarray(Image.fromarray(PICTURE).resize((2 * SIDE, 2 * SIDE), Image.Resampling.BICUBIC))
    assert same.shape == expected.shape
    assert (same == again).all()
    assert difference(same, expected) < difference(plain, expected) < difference(free, expected)
    assert difference(free, other) > 2

"""The real client of OpenAI and real pixels; and the examples of docs/dialects/openai.md, as they stand there."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from openai import OpenAI
from PIL import Image

from tests.support.docs import python_blocks, shell_blocks
from tests.support.running_service import RunningService

PAGE = "dialects/openai.md"
FIRST, TRANSPARENT, EDIT, MODELS, STREAM, TWICE = python_blocks(PAGE)
[CURL] = shell_blocks(PAGE)


@pytest.fixture
def openai(service: RunningService) -> OpenAI:
    return OpenAI(base_url=f"http://127.0.0.1:{service.port}/v1", api_key="sk-anything", max_retries=0)


def pixels(encoded: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))


def test_example_of_a_painting(service: RunningService, folder: Path) -> None:
    [line] = service.run_python(FIRST, folder)
    assert line == "iVBORw0KGgoAAAANSUhE 128x128 70"


def test_example_with_a_transparent_background(service: RunningService, folder: Path) -> None:
    [url] = service.run_python(TRANSPARENT, folder)
    with Image.open(io.BytesIO(service.http.get(url).content)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("WEBP", "RGBA", (128, 128))
        assert picture.getextrema()[3][0] < 255


def test_examples_of_edits(service: RunningService, folder: Path) -> None:
    assert service.run_python(EDIT, folder) == ["2 16"]
    [image] = json.loads(service.run_script(CURL, folder))["data"]
    assert service.http.get(image["url"]).status_code == 200


def test_example_of_models(service: RunningService, folder: Path) -> None:
    [line] = service.run_python(MODELS, folder)
    assert "'toy-sdxl'" in line
    assert line.endswith("] toy-sd1")


def test_example_of_a_stream(service: RunningService, folder: Path) -> None:
    *previews, completed = [line.split()[0] for line in service.run_python(STREAM, folder)]
    assert completed == "image_generation.completed"
    assert set(previews) == {"image_generation.partial_image"}


def test_example_of_a_repeated_request(service: RunningService, folder: Path) -> None:
    first, again = service.run_python(TWICE, folder)
    assert first == again


def test_edit_changes_the_transparent_part_of_the_mask_alone(openai: OpenAI, folder: Path) -> None:
    files = {name: (folder / f"{name}.png").read_bytes() for name in ("picture", "hole")}
    [image] = openai.images.edit(
        model="gpt-image-1", image=files["picture"], mask=files["hole"], prompt="a sun", extra_body={"num_steps": 4}
    ).data
    changed = (pixels(image.b64_json) != 90).any(axis=2)
    assert changed[:32, 32:].mean() > 0.9
    assert not changed[41:].any()
    assert not changed[:, :23].any()


def test_picture_is_cropped_to_another_size_and_not_stretched(openai: OpenAI) -> None:
    file = io.BytesIO()
    halves = np.zeros((64, 128, 3), np.uint8)
    halves[:, 32:96] = 200
    Image.fromarray(halves).save(file, "PNG")
    [image] = openai.images.edit(
        model="gpt-image-1", image=file.getvalue(), prompt="", size="64x64", extra_body={"fidelity": 1, "num_steps": 2}
    ).data
    result = pixels(image.b64_json)
    assert result.shape == (64, 64, 3)
    assert result.mean() > 150


def test_previews_show_the_picture_as_it_comes(openai: OpenAI) -> None:
    """How many come depends on how busy the machine is."""
    *previews, completed = openai.images.generate(
        prompt="a red house on the grass", size="128x128", quality="max", stream=True, partial_images=2
    )
    parts = [event.partial_image_index for event in previews]
    assert parts in ([0, 1], [0], [1])
    assert all(pixels(event.b64_json).shape == (128, 128, 3) for event in previews)
    final = pixels(completed.b64_json)
    assert abs(pixels(previews[-1].b64_json).mean((0, 1)) - final.mean((0, 1))).max() < 40

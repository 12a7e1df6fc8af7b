from collections.abc import Awaitable, Callable
from typing import Any

import pytest

STYLES = """
styles:
  - id: 1
    title: 二次元
    model: anime-toy
    loras: {ink: 0.5}
    prompt: "{prompt}, flat colours"
    negative_prompt: photo
    params: {num_steps: 30, guidance_scale: 5, sampler: euler_a}
  - {id: 2, title: 多彩厚涂}
"""
HELPERS = """
  - {name: matting, path: toy.onnx, family: matting}
  - {name: esr, path: toy.safetensors, family: upscaler}
  - {name: canny-net, path: toy.safetensors, family: controlnet, for: sd1, hint: canny}
  - {name: depth-net, path: toy.safetensors, family: controlnet, for: sd1, hint: depth}
  - {name: lineart-net, path: toy.safetensors, family: controlnet, for: sd1, hint: lineart}
  - {name: own-net, path: toy.safetensors, family: controlnet, for: sd1, hint: pose}
  - {name: depth-maps, path: toy.safetensors, family: annotator, hint: depth}
  - {name: lineart-maps, path: toy.safetensors, family: annotator, hint: lineart}
  - {name: pose-maps, path: toy.safetensors, family: annotator, hint: pose}
"""
Send = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def styles() -> str:
    """What follows the models in models.yaml; a test may parametrize it."""
    return STYLES


@pytest.fixture
def more_models(styles) -> str:
    return HELPERS + styles


@pytest.fixture
def settings(settings):
    (settings.models_path / "toy.onnx").write_bytes(b"weights")
    return settings


@pytest.fixture
def draw(client) -> Send:
    """Sends a draw request with these fields, and returns the answer."""

    async def send(**fields: object) -> dict[str, Any]:
        reply = await client.post("/aiapi/v1/draw", json={"prompt": "one boy", "modelStyleId": 1} | fields)
        assert reply.status_code == 200, reply.text
        return reply.json()

    return send


@pytest.fixture
def detail(client) -> Send:
    """Asks for the detail of a task, and returns its data."""

    async def send(task_id: str, **fields: object) -> dict[str, Any]:
        reply = await client.post("/aiapi/v1/task/detail", json={"taskId": task_id} | fields)
        assert reply.json()["success"], reply.text
        return reply.json()["data"]

    return send


@pytest.fixture
def task(draw, services):
    """Draws with these fields, and returns the task."""

    async def drawn(**fields: object):
        reply = await draw(**fields)
        assert reply["success"], reply
        return (await services.queue.find(reply["data"]["paintingSign"])).task

    return drawn

"""How each wire format refuses a prompt: in its own shape, with a label and never with the word."""

from __future__ import annotations

from typing import Any

import pytest

UNSAFE = "a photo of p.o.r.n"
LABEL = "sexual/explicit"
pytestmark = [
    pytest.mark.parametrize("overrides", [{"text_audit": "refuse"}]),
    pytest.mark.parametrize("more_models", ["styles:\n  - {id: 1, title: Plain}\n"]),
]

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "hua": ("/v1/tasks", {"type": "txt2img.sd", "params": {"text": UNSAFE}}),
    "nolibox": ("/engine/push", {"task": "txt2img.sd", "params": {"text": UNSAFE}}),
    "enveloped": ("/engine/push/draft", {"task": "txt2img.sd", "params": {"text": UNSAFE}}),
    "apispace": ("/aigc/txt2img", {"text": UNSAFE}),
    "chuzhan": ("/aiapi/v1/draw", {"prompt": UNSAFE, "modelStyleId": 1}),
    "ideogram": ("/v1/ideogram-v3/generate", {"prompt": UNSAFE}),
    "ideogram legacy": ("/generate", {"image_request": {"prompt": UNSAFE}}),
    "nextgpu": ("/session/publish", {"imageCount": 1, "data": {"parameters": {"promptText": UNSAFE}}}),
    "openai": ("/v1/images/generations", {"prompt": UNSAFE}),
    "a1111": ("/sdapi/v1/txt2img", {"prompt": UNSAFE}),
}
ANSWERS: dict[str, tuple[int, dict[str, Any]]] = {
    "hua": (422, {"reason": LABEL}),
    "nolibox": (200, {"uid": "", "success": False, "msg": "unsafe prompt", "reason": LABEL}),
    "enveloped": (422, {"code": 422, "data": {}}),
    "apispace": (422, {"code": 422, "data": {}}),
    "chuzhan": (200, {"code": 1, "subCode": 1000, "success": False, "data": None}),
    "ideogram": (422, {}),
    "ideogram legacy": (422, {}),
    "nextgpu": (422, {}),
    "openai": (400, {}),
    "a1111": (422, {"error": "unsafe_prompt"}),
}


@pytest.mark.parametrize("dialect", REQUESTS)
async def test_unsafe_prompt_is_refused_in_the_shape_of_the_dialect(client, services, dialect: str) -> None:
    path, body = REQUESTS[dialect]
    reply = await client.post(path, json=body)
    status, fields = ANSWERS[dialect]
    assert reply.status_code == status, reply.text
    if dialect != "nextgpu":
        assert reply.json() | fields == reply.json()
    assert LABEL in reply.text
    assert "p.o.r.n" not in reply.text
    assert (await services.queue.overview()).queued == 0
    assert (await services.queue.recent("anonymous", None, 1, 10))[1] == 0


async def test_own_api_names_the_parameter(client) -> None:
    error = (await client.post("/v1/tasks", json=REQUESTS["hua"][1])).json()["error"]
    assert (error["code"], error["field"]) == ("unsafe_prompt", "text")


async def test_openai_blocks_by_moderation(client) -> None:
    error = (await client.post("/v1/images/generations", json={"prompt": UNSAFE})).json()["error"]
    assert (error["code"], error["type"], error["param"]) == (
        *("moderation_blocked", "image_generation_user_error"),
        "prompt",
    )

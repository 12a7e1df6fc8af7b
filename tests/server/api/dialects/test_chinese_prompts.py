"""In every dialect a Chinese prompt is painted in English, and the task keeps the words as they were sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from server.task import Status

SENT = "（玫瑰花：1.2）"
PAINTED = "(rose:1.2)"
NODE = {"key": "a", "endpoint": "txt2img.sd", "data": {"text": SENT}}
REQUESTS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "hua": ("/v1/tasks", {"type": "txt2img.sd", "params": {"text": SENT}}),
    "hua by type": ("/v1/pipelines/txt2img.sd", {"params": {"text": SENT}}),
    "hua workflow": ("/v1/tasks", {"type": "workflow", "params": {"nodes": [NODE], "target": "a"}}),
    "nolibox": ("/engine/push", {"task": "txt2img.sd", "params": {"text": SENT}}),
    "nolibox draft": ("/engine/push/draft", {"task": "txt2img.sd", "params": {"text": SENT}}),
    "openai": ("/v1/images/generations", {"prompt": SENT, "model": "dall-e-3"}),
    "a1111": ("/sdapi/v1/txt2img", {"prompt": SENT}),
    "chuzhan": ("/aiapi/v1/draw", {"prompt": SENT, "modelStyleId": 1}),
    "apispace": ("/aigc/txt2img", {"text": SENT}),
    "nextgpu": ("/session/publish", {"taskID": "1", "data": {"parameters": {"promptText": SENT}}}),
    "ideogram": ("/v1/ideogram-v3/generate", {"prompt": SENT}),
    "ideogram legacy": ("/generate", {"image_request": {"prompt": SENT}}),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_prompt_is_painted_in_english(services, client, painting, name):
    path, body = REQUESTS[name]
    reply = await client.post(path, json=body)
    assert reply.is_success, reply.text
    views = [view for status in Status for view in (await services.queue.recent("anonymous", status, 1, 10))[0]]
    task = views[0].task
    texts = [task.params["text"]] if "text" in task.params else [node["data"]["text"] for node in task.params["nodes"]]
    assert all(text.startswith(PAINTED) for text in texts)
    assert SENT in next(iter(task.original_prompts.values()))

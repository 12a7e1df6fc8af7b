"""The face of a picture that a request follows."""

from __future__ import annotations

from typing import Any

import pytest

from server.tenancy.auth import ANONYMOUS

GENERATE = "/v1/ideogram-v3/generate"
LOOK = "\n  - {name: look, path: toy.safetensors, family: ip_adapter, for: sd1, encoder: toy.safetensors}\n"
FACE_LOOK = LOOK.replace("look", "ip-plus-face")
DETECTOR = "\n  - {name: mtcnn, path: toy.safetensors, family: face}\n"


async def generate(client, draw, *names: str) -> Any:
    files = [(name, draw(colour=colour)) for name, colour in zip(names, ("red", "blue"), strict=False)]
    return await client.post(GENERATE, data={"prompt": "x"}, files=files)


@pytest.mark.parametrize(
    ("more_models", "adapter"), [(LOOK + DETECTOR, ""), (LOOK + FACE_LOOK + DETECTOR, "ip-plus-face")]
)
async def test_face_acts_as_a_prompt(client, painting, services, draw, adapter: str) -> None:
    reply = await generate(client, draw, "character_reference_images")
    assert reply.status_code == 200, reply.text
    params = (await services.queue.recent(ANONYMOUS, None, 1, 1))[0][0].task.params["ip_adapter"]
    assert (params["faces"], params["scale"], params.get("model", "")) == (1, 0.7, adapter)
    assert await services.uploads.get(ANONYMOUS, params["url"])


@pytest.mark.parametrize(
    ("more_models", "names", "words"),
    [
        (LOOK, ["character_reference_images"], "needs a model that finds faces, but there is no face detector"),
        (DETECTOR, ["character_reference_images"], "needs an IP-Adapter"),
        (LOOK + DETECTOR, ["character_reference_images"] * 2, "may hold one picture"),
        (LOOK + DETECTOR, ["character_reference_images", "style_reference_images"], "send only one of them"),
    ],
)
async def test_what_cannot_be_followed_is_refused(client, draw, names: list[str], words: str) -> None:
    reply = await generate(client, draw, *names)
    assert (reply.status_code, words in reply.json()["error"]) == (400, True), reply.text

"""The text inside pictures, over HTTP."""

from __future__ import annotations

import base64

import numpy as np

from server.images.codec import encode
from server.task import Output

TEXT = "a house\nNegative prompt: fog\nSteps: 4, Sampler: Euler a, CFG scale: 5, Seed: 7, Size: 64x32, Model: toy"


async def test_infotext_is_read_back(client, red) -> None:
    picture = encode(np.zeros((8, 8, 3), np.uint8), Output(), TEXT)
    body = {"image": f"data:image/png;base64,{base64.b64encode(picture).decode()}"}
    reply = (await client.post("/sdapi/v1/png-info", json=body, auth=red)).json()
    assert (reply["info"], reply["items"]) == (TEXT, {"parameters": TEXT})
    assert (reply["parameters"]["Prompt"], reply["parameters"]["Seed"], reply["parameters"]["Size-2"]) == (
        "a house",
        "7",
        "32",
    )


async def test_picture_without_text(client, red, picture: str) -> None:
    reply = await client.post("/sdapi/v1/png-info", json={"image": picture}, auth=red)
    assert reply.json() == {"info": "", "items": {}, "parameters": {}}


async def test_no_picture_is_refused(client, red) -> None:
    reply = await client.post("/sdapi/v1/png-info", json={"image": "aGFsbG8="}, auth=red)
    assert (reply.status_code, reply.json()["error"]) == (422, "bad_input")

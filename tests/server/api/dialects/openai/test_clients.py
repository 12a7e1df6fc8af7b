"""What other programs literally send, as their sources show: their fields, in their order and encoding."""

import pytest

KEY = {"Authorization": "Bearer sk-x"}


async def newest(services) -> dict:
    return (await services.queue.recent("anonymous", None, 1, 1))[0][0].task.params


@pytest.mark.parametrize(("model", "format"), [("gpt-image-1", {}), ("dall-e-3", {"response_format": "b64_json"})])
async def test_open_webui_paints(client, services, painting, model, format):
    body = {"model": model, "prompt": "a cat", "n": 1, "size": "1024x1024", **format}
    reply = await client.post("/v1/images/generations?api-version=2025-04-01-preview", json=body, headers=KEY)
    assert (reply.status_code, list(reply.json()["data"][0])) == (200, ["b64_json"])
    assert ((await newest(services))["w"], (await newest(services))["h"]) == (1024, 1024)


@pytest.mark.parametrize("name", ["image", "image[]"])
async def test_open_webui_edits(client, services, painting, png, name):
    fields = {"model": "gpt-image-1", "prompt": "a dog", "n": "1", "size": "512x512", "background": "opaque"}
    files = [(name, ("image.png", png, "image/png"))]
    reply = await client.post("/v1/images/edits", data=fields, files=files, headers=KEY)
    assert (reply.status_code, reply.json()["background"]) == (200, "opaque")


async def test_litellm_sends_nulls_of_its_own(client, painting):
    body = {"model": "toy", "prompt": "a cat", "n": 2, "size": "256x256", "user": None, "quality": "standard"}
    reply = await client.post("/v1/images/generations", json=body | {"style": "vivid"}, headers=KEY)
    assert len(reply.json()["data"]) == 2


async def test_servers_of_other_makers_share_their_names(client, services, painting):
    """vLLM-Omni's and SGLang's clients."""
    body = {
        "prompt": "a cat",
        "size": "512x512",
        "n": 1,
        "response_format": "b64_json",
        "negative_prompt": "blur",
        "num_inference_steps": 11,
        "guidance_scale": 4.0,
        "true_cfg_scale": 4.0,
        "seed": 42,
        "generator_device": "cuda",
        "lora": {"name": "ink", "path": "/models/ink", "scale": 0.4},
        "extra_params": {},
    }
    assert (await client.post("/v1/images/generations", json=body)).status_code == 200
    params = await newest(services)
    assert (params["num_steps"], params["guidance_scale"], params["seed"]) == (11, 4.0, 42)
    assert params["lora_scales"] == {"ink": 0.4}

"""The lists, in the shapes that clients check."""

from __future__ import annotations

import pytest

from tests.support import model_files as files
from tests.support.model_files import write_model

EMPTY = "face-restorers", "hypernetworks", "extensions"


async def listed(client, auth, name: str):
    reply = await client.get(f"/sdapi/v1/{name}", auth=auth)
    assert reply.status_code == 200
    return reply.json()


async def test_models(client, red) -> None:
    checkpoints = await listed(client, red, "sd-models")
    assert [each["model_name"] for each in checkpoints] == ["toy", "anime-toy", "canvas"]
    assert all(isinstance(each[name], str) for each in checkpoints for name in ("title", "model_name", "filename"))
    assert not any("/" in each["filename"] for each in checkpoints)
    loras = await listed(client, red, "loras")
    assert [(each["name"], each["alias"]) for each in loras] == [("ink", "Ink drawings"), ("oil", "oil")]
    assert all(isinstance(each["metadata"], dict) for each in loras)
    assert set((await listed(client, red, "embeddings"))["loaded"]) == {"bad-hands", "style"}


async def test_names_that_clients_choose_from(client, red) -> None:
    samplers = await listed(client, red, "samplers")
    assert {"name": "Euler a", "aliases": ["euler_a", "k_euler_a"], "options": {}} in samplers
    schedulers = await listed(client, red, "schedulers")
    assert ("karras", "Karras") in {(each["name"], each["label"]) for each in schedulers}
    upscalers = await listed(client, red, "upscalers")
    assert [each["name"] for each in upscalers] == ["None", "Lanczos"]
    assert {"name": "Latent (nearest-exact)"} in await listed(client, red, "latent-upscale-modes")
    scripts = await listed(client, red, "scripts")
    assert "controlnet m2m" in scripts["txt2img"]
    assert [each["is_img2img"] for each in await listed(client, red, "script-info")] == [False, True]


@pytest.mark.parametrize("name", EMPTY)
async def test_what_there_is_not_is_an_empty_list(client, red, name: str) -> None:
    assert await listed(client, red, name) == []


@pytest.mark.parametrize("name", ["unload-checkpoint", "reload-checkpoint", "refresh-vae", "refresh-loras"])
async def test_requests_that_need_no_doing_come_without_a_body(client, red, name: str) -> None:
    reply = await client.post(f"/sdapi/v1/{name}", auth=red)
    assert (reply.status_code, reply.json()) == (200, {})


async def test_flags_and_memory(client, red) -> None:
    assert (await listed(client, red, "cmd-flags"))["api"] is True
    assert "cuda" in await listed(client, red, "memory")


async def test_vaes(client, settings, red) -> None:
    write_model(settings.models_path / "VAE" / "kl-f8.safetensors", files.VAE)
    await client.post("/sdapi/v1/refresh-vae", auth=red)
    assert await listed(client, red, "sd-vae") == [{"model_name": "kl-f8", "filename": "kl-f8.safetensors"}]


async def test_refresh_finds_new_files(client, settings, red) -> None:
    write_model(settings.models_path / "pen.safetensors", files.LORA_SD1)
    assert "pen" not in {each["name"] for each in await listed(client, red, "loras")}
    assert (await client.post("/sdapi/v1/refresh-loras", auth=red)).json() == {}
    assert "pen" in {each["name"] for each in await listed(client, red, "loras")}

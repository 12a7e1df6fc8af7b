import asyncio
import hashlib

import pytest

from server.api.models.hashing import keep_hashes

HASH = hashlib.sha256(b"weights").hexdigest()


@pytest.fixture
async def hashed(services):
    """The background of the api, once it has hashed all files."""
    task = asyncio.create_task(keep_hashes(services))
    while services.catalog.hash_of(services.catalog.find("toy")) is None:
        await asyncio.sleep(0.005)
    yield
    task.cancel()


async def test_models_get_their_hash_and_title(client, hashed):
    ink = (await client.get("/v1/models/ink")).json()
    assert (ink["hash"], ink["sha256"], ink["title"]) == (HASH[:10], HASH, "Ink drawings")
    assert (await client.get("/v1/models/oil")).json()["title"] == f"toy.safetensors [{HASH[:10]}]"


async def test_task_may_name_its_models_by_hash(client, services, hashed):
    (services.settings.models_path / "oil.safetensors").write_bytes(b"oil")
    task = {"type": "txt2img.sd", "params": {"text": "x", "model": HASH[:10]}}
    reply = await client.post("/v1/tasks", json=task)
    assert reply.json()["params"]["model"] == "toy"


@pytest.mark.parametrize("overrides", [{"model_hashes": False}])
async def test_without_the_setting_only_listed_files_have_a_hash(client, services, settings):
    (settings.models_path / "SHA256SUMS").write_text(f"{HASH}  toy.safetensors\n")
    task = asyncio.create_task(keep_hashes(services))
    while (await client.get("/v1/models/toy")).json()["sha256"] is None:
        await asyncio.sleep(0.005)
    task.cancel()

import asyncio

import pytest

from tests.support.painter import png_file

FILES = {"image_file": ("picture.png", png_file())}


@pytest.fixture
def has_captioner() -> bool:
    return True


@pytest.fixture
def more_models(tmp_path, has_captioner) -> str:
    folder = tmp_path / "blip"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return f"  - {{name: blip, path: {folder}, family: captioner}}\n" if has_captioner else ""


@pytest.mark.parametrize(
    ("path", "fields"), [("/describe", {}), ("/ideogram/describe", {"describe_model_version": "V_2"})]
)
async def test_picture_is_described(client, painter, path, fields):
    waiting = asyncio.create_task(client.post(path, files=FILES, data=fields, headers={"Api-Key": "sk-***"}))
    lease = await painter.take()
    assert (lease.task.type, lease.task.dialect) == ("img2txt.caption", "ideogram")
    await painter.describe(lease, "a red house")
    reply = await waiting
    assert (reply.status_code, reply.json()) == (200, {"descriptions": [{"text": "a red house"}]})


@pytest.mark.parametrize("has_captioner", [False])
async def test_without_a_captioner_the_error_says_so(client):
    reply = await client.post("/describe", files=FILES)
    assert (reply.status_code, "captioner" in reply.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("fields", "files", "words"),
    [
        ({"image_file": "picture.png"}, {}, "image_file"),
        ({}, {"image_file": b"no picture"}, "image_file"),
        ({"describe_model_version": "V_1"}, FILES, "describe_model_version"),
    ],
)
async def test_wrong_argument_is_refused_with_400(client, fields, files, words):
    reply = await client.post("/describe", data=fields, files=files)
    assert (reply.status_code, words in reply.json()["error"]) == (400, True), reply.text

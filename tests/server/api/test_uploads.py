import base64
import datetime as dt

import pytest

from server.api.uploads import UPLOAD_LIFETIME_S
from server.controller.retention_sweep import RETENTION_BY_PREFIX_S
from server.storage.bucket_keys import UPLOADS
from server.tenancy.auth import new_key

RED, BLUE = new_key("red"), new_key("blue")


async def test_upload_as_body_is_stored_and_used(client, png):
    reply = await client.post("/v1/files", content=png, headers={"Content-Type": "image/png"})
    upload = reply.json()
    assert reply.status_code == 201
    assert (upload["width"], upload["height"]) == (16, 16)
    assert dt.datetime.fromisoformat(upload["expires_at"]) > dt.datetime.now(dt.UTC)
    body = {"type": "img2img.sd", "params": {"text": "x", "url": upload["id"]}}
    assert (await client.post("/v1/tasks", json=body)).json()["params"]["url"] == upload["id"]


async def test_upload_can_be_read(client, png):
    upload = (await client.post("/v1/files", content=png)).json()
    reply = await client.get(f"/v1/files/{upload['id']}")
    assert (reply.status_code, reply.headers["content-type"], reply.content) == (200, "image/png", png)


async def test_input_image_of_a_task_can_be_read(client, png):
    url = "data:image/png;base64," + base64.b64encode(png).decode()
    task = (await client.post("/v1/tasks", json={"type": "img2img.sd", "params": {"text": "x", "url": url}})).json()
    assert (await client.get(f"/v1/files/{task['params']['url']}")).content == png


@pytest.mark.parametrize("overrides", [{"api_keys": (RED[1], BLUE[1])}])
async def test_upload_of_another_tenant_is_unknown(client, png):
    ours, theirs = ({"Authorization": f"Bearer {key}"} for key, _ in (RED, BLUE))
    upload = (await client.post("/v1/files", content=png, headers=ours)).json()
    reply = await client.get(f"/v1/files/{upload['id']}", headers=theirs)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "unknown_upload")
    assert (await client.get(f"/v1/files/{upload['id']}", headers=ours)).status_code == 200


@pytest.mark.parametrize("upload_id", ["file-" + "0" * 31, "file-" + "G" * 32, "..", "file-" + "0" * 32 + "%0A"])
async def test_upload_with_a_malformed_id_is_refused(client, upload_id):
    assert (await client.get(f"/v1/files/{upload_id}")).status_code in {404, 405, 422}


async def test_upload_as_form_is_stored(client, png):
    as_form = await client.post("/v1/files", files={"file": ("a.png", png, "image/png")})
    as_body = await client.post("/v1/files", content=png)
    assert as_form.status_code == 201
    assert as_form.json()["id"] == as_body.json()["id"]


async def test_form_without_a_file_is_refused(client):
    reply = await client.post("/v1/files", data={"file": "text"}, files={"other": b"x"})
    assert reply.status_code == 422
    assert "curl -F" in reply.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\nbroken"])
async def test_upload_that_is_not_an_image_is_refused(client, body):
    reply = await client.post("/v1/files", content=body)
    assert reply.status_code == 422
    assert reply.json()["error"]["code"] == "bad_image"


async def test_malformed_form_is_400(client):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await client.post("/v1/files", content=b"--y", headers=headers)).status_code in {400, 422}


@pytest.mark.parametrize("overrides", [{"max_upload": 1024}])
@pytest.mark.parametrize("chunked", [False, True])
async def test_upload_over_the_size_limit_is_413(client, overrides, chunked):
    async def chunks():
        for _ in range(100):
            yield b"0" * 1024

    content = chunks() if chunked else b"0" * 102_400
    reply = await client.post("/v1/files", content=content)
    assert reply.status_code == 413
    assert "bytes" in reply.json()["error"]["message"]


@pytest.mark.parametrize("overrides", [{"upload_bytes": 10}])
async def test_upload_above_the_limit_is_refused(client, png):
    reply = await client.post("/v1/files", content=png)
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "upload_limit")
    assert "upload_bytes" in reply.json()["error"]["message"]
    assert "retry-after" not in reply.headers


def test_upload_expires_when_the_sweeper_deletes_it():
    assert RETENTION_BY_PREFIX_S[UPLOADS] == UPLOAD_LIFETIME_S

import pytest

from server.queue import DueCallback
from server.storage.bucket_keys import IMAGES, callback_key
from server.storage.pending_callbacks import encode_callback
from server.tasks.input_images import BadInputError
from server.tasks.submission import Submission, submit

REQUEST = {"type": "txt2img.sd", "params": {"text": "x", "num_samples": 2}}


@pytest.fixture(params=["folder", "s3"])
def overrides(request):
    return {} if request.param == "folder" else request.getfixturevalue("s3_settings")


@pytest.fixture
async def task(client, painting):
    return (await client.post("/v1/tasks", json=REQUEST, headers={"Prefer": "wait=10"})).json()


async def test_images_are_gone_and_the_task_says_so(client, services, task) -> None:
    other = (await client.post("/v1/tasks", json=REQUEST, headers={"Prefer": "wait=10"})).json()
    address = f"/v1/tasks/{task['id']}"
    reply = await client.delete(f"{address}/images")
    assert (reply.status_code, reply.json()["status"]) == (200, "succeeded")
    assert reply.json()["images_deleted_at"] == reply.json()["images"][0]["expires_at"]
    assert (await client.get(address)).json() == reply.json()
    assert (await client.delete(f"{address}/images")).json() == reply.json()
    for image in (*task["images"], *reply.json()["images"]):
        assert (await client.get(image["url"])).status_code == 410
    keys = [key for key, _ in await services.bucket.keys(IMAGES)]
    assert len(keys) == 2
    assert all(other["id"] in key for key in keys)
    assert (await client.get(other["images"][1]["url"])).status_code == 200
    params = {"text": "x", "url": {"task": task["id"]}}
    with pytest.raises(BadInputError, match="deleted at the request"):
        await submit(services, Submission(type="img2img.sd", params=params, tenant="anonymous"))


async def test_images_of_a_waiting_callback_are_not_deleted(client, services, task) -> None:
    await services.bucket.put(callback_key(task["id"]), encode_callback(DueCallback(task["id"], 2**40)))
    reply = await client.delete(f"/v1/tasks/{task['id']}/images")
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "images_in_use")
    assert (await client.get(task["images"][0]["url"])).status_code == 200


async def test_unfinished_task_keeps_its_images(client) -> None:
    task_id = (await client.post("/v1/tasks", json=REQUEST)).json()["id"]
    reply = await client.delete(f"/v1/tasks/{task_id}/images")
    assert (reply.status_code, "has not ended" in reply.json()["error"]["message"]) == (409, True)
    assert (await client.delete(f"/v1/tasks/{'0' * 32}/images")).status_code == 404

import base64
import io

import pytest
from PIL import Image as Picture

from server.api.dialects.chuzhan.answers import callback_body, task_detail
from server.api.dialects.chuzhan.request import DetailRequest
from server.storage.signed_links import Links
from server.task import Callback, Failure, Image, Manifest, Outcome, Status, Task
from server.tasks.lookup import from_manifest

LINKS = Links(b"secret", "http://hua")
CUT_OUT = {
    "nodes": [{"key": "paint", "endpoint": "txt2img.sd"}, {"key": "cut", "endpoint": "img2img.sod"}],
    "target": "cut",
}


def manifest(task_type: str = "txt2img.sd", params=None, status: Status = Status.SUCCEEDED, **fields) -> Manifest:
    callback = Callback(url="http://x", dialect="chuzhan", nonce="n1")
    task = Task(id="a" * 32, type=task_type, params=params or {}, tenant="t", created_at=1.0, callback=callback)
    outcome = Outcome(task=task, attempt="a", status=status, finished_at=2.0, **fields)
    return Manifest(outcome=outcome, expires_at=100_000.0)


def image(**fields: object) -> Image:
    return Image(**{"key": "k", "width": 8, "height": 8, "bytes": 1, "sha256": "s"} | fields)


def detail_of(of: Manifest, **fields: object) -> dict[str, object]:
    request = DetailRequest.model_validate({"taskId": of.task.id} | fields)
    return task_detail(from_manifest(of), LINKS, request, now=1000.0).model_dump()


def test_images_are_jpeg_unless_asked_or_transparent():
    painted, cut = manifest(images=(image(),)), manifest("workflow", CUT_OUT, images=(image(), image(kind="hint")))
    assert "/0.jpeg?expires=2800&" in detail_of(painted)["imgUrl"]
    assert detail_of(painted)["imgUrl"].endswith("&quality=100")
    assert detail_of(painted, imgQuality=50)["imgUrl"].endswith("&quality=50")
    assert "/0.png?" in detail_of(painted, imgFormat="png")["imgUrl"]
    assert "quality" not in detail_of(painted, imgFormat="png")["imgUrl"]
    assert ["/0.png?" in detail_of(cut)["imgUrl"], "/1.png?" in detail_of(cut)["images"][1]["imageUrl"]] == [True, True]
    assert "/0.jpeg?" in detail_of(cut, imgFormat="jpeg")["imgUrl"]


def test_links_last_half_an_hour_and_no_longer_than_the_image():
    short = manifest(images=(image(),)).model_copy(update={"expires_at": 1500.0})
    assert "expires=1500&" in detail_of(short)["imgUrl"]
    assert "expires=100000&" in callback_body(manifest(images=(image(),)), LINKS)["imgUrl"]


def test_control_maps_are_no_results():
    assert len(detail_of(manifest("control_new.multi", images=(image(), image(kind="hint"))))["images"]) == 1


def test_withheld_image_has_no_link():
    body = detail_of(manifest(images=(image(reason="unsafe"), image())))
    assert [(each["audit"], bool(each["imageUrl"])) for each in body["images"]] == [(1, False), (0, True)]
    assert (body["audit"], body["state"]) == (1, "success")
    assert "/1.jpeg" in body["imgUrl"]


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        (Status.SUCCEEDED, "success", ""),
        (Status.FAILED, "fail", "too large"),
        (Status.CANCELED, "fail", "the task was canceled"),
    ],
)
def test_states_of_ended_tasks(status, state, reason):
    failure = Failure(code="too_large", message="too large") if status is Status.FAILED else None
    body = detail_of(manifest(status=status, failure=failure))
    assert (body["state"], body["failReason"], body["progress"], body["images"]) == (state, reason, 1.0, [])


def test_callback_has_the_nonce():
    body = callback_body(manifest(images=(image(),)), LINKS)
    assert {name: body[name] for name in ("taskId", "nonce", "state", "progress", "audit")} == {
        "taskId": "a" * 32,
        "nonce": "n1",
        "state": "success",
        "progress": 1.0,
        "audit": 0,
    }
    assert body["images"] == [{"imageUrl": body["imgUrl"], "audit": 0}]


async def test_state_of_a_task_that_has_not_ended(draw, detail, painter):
    task_id = (await draw())["data"]["paintingSign"]
    body = await detail(task_id)
    assert (body["state"], body["progress"], body["imgUrl"], body["current_image"]) == ("in_queue", 0, "", "")
    lease = await painter.take()
    await painter.advance(lease, 5, 20, b"jpeg")
    body = await detail(task_id, preview="true")
    assert (body["state"], body["progress"], base64.b64decode(body["current_image"])) == ("running", 0.25, b"jpeg")
    assert (await detail(task_id, preview=False))["current_image"] == ""


async def test_picture_comes_in_the_format_and_quality(client, draw, detail, painting):
    task_id = (await draw())["data"]["paintingSign"]
    for image_format, kind in (("jpeg", "JPEG"), ("png", "PNG")):
        body = await detail(task_id, imgFormat=image_format, imgQuality=80, waitUtilEnd=True)
        with Picture.open(io.BytesIO((await client.get(body["imgUrl"])).content)) as picture:
            assert picture.format == kind

import base64

import pytest

URL, FILE = "https://example.com/a.png", "file-" + "0" * 32


@pytest.mark.parametrize(
    ("images", "reference"),
    [
        ({"images": [{"image_url": URL}]}, URL),
        ({"images": [{"image_url": {"url": URL}}]}, URL),
        ({"images": [URL]}, URL),
        ({"image": URL}, URL),
        ({"image": [URL]}, URL),
        ({"image": {"image_url": URL}}, URL),
        ({"image": {"file_id": FILE}}, FILE),
    ],
)
async def test_references_come_in_many_shapes(client, services, painting, png, images, reference):
    if reference == FILE:
        reference = (await client.post("/v1/files", files={"file": png})).json()["id"]
        images = {"image": {"file_id": reference}}
    reply = await client.post("/v1/images/edits", json={"prompt": "x", **images})
    assert reply.status_code == 200, reply.text
    [view] = (await services.queue.recent("anonymous", None, 1, 1))[0]
    assert view.task.params["url"] == reference


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "image"),
        ({"images": []}, "image"),
        ({"images": [{"file_id": None}]}, "image"),
        ({"images": [7]}, "images"),
        ({"images": [{"image_url": URL}], "mask": {"image_url": 7}}, "mask"),
        ({"images": [{"file_id": FILE}]}, "image"),
        ({"images": [{"image_url": "data:image/png;base64," + base64.b64encode(b"text").decode()}]}, "image"),
        ({"images": [{"image_url": "http://127.0.0.1/a.png"}]}, "image"),
    ],
)
async def test_wrong_references_are_refused(client, body, param):
    reply = await client.post("/v1/images/edits", json={"prompt": "x", **body})
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, "image" if param == "images" else param), error


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"n": 1' + b"0" * 5000 + b"}"])
@pytest.mark.parametrize("route", ["edits", "variations", "generations"])
async def test_body_of_another_shape_is_refused(client, body, route):
    headers = {"Content-Type": "application/json"}
    reply = await client.post(f"/v1/images/{route}", content=body, headers=headers)
    assert (reply.status_code, reply.json()["error"]["type"]) == (400, "invalid_request_error")

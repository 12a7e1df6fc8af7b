"""`/v1/tools`: the forms, and the tasks that they make."""

from __future__ import annotations

import pytest

TOOL = """
id: 7
name: Poster
name_zh: 海报
cover: poster.png
price: 3
fields:
  - {id: photo, name: Photo, type: image, required: true}
  - {id: words, type: text, default: the sea}
  - {id: size, type: size, default: 64x64}
  - {id: look, type: choice, default: day, items: [{id: day, name: Day, value: sunlight}, {id: night}]}
nodes:
  - {key: paint, endpoint: img2img.sd, data: {text: "$words, $look", url: $photo, wh: ["$size.width", "$size.height"]}}
target: paint
"""


@pytest.fixture
def folder(tmp_path, overrides, png):
    folder = overrides["tools_dir"] = tmp_path / "tools"
    folder.mkdir()
    (folder / "poster.yaml").write_text(TOOL)
    (folder / "poster.png").write_bytes(png)
    return folder


async def test_forms_are_listed(folder, client) -> None:
    (folder / "bad.yaml").write_text(TOOL.replace("id: 7", "id: 8").replace("target", "targets"))
    listed = (await client.get("/v1/tools")).json()
    poster = next(tool for tool in listed["data"] if tool["id"] == "7")
    assert poster == (await client.get("/v1/tools/7")).json()
    assert (poster["name_zh"], poster["price"], poster["missing"]) == ("海报", 3, "")
    photo, words, size, look = poster["fields"]
    assert (photo["name"], photo["type"], photo["required"]) == ("Photo", "image", True)
    assert (words["name"], words["default"], words["max"]) == ("words", "the sea", 2000)
    assert (size["min"], size["max"], size["multiple_of"]) == (64, 2048, 8)
    assert [(item["id"], item["name"]) for item in look["items"]] == [("day", "Day"), ("night", "night")]
    assert "sunlight" not in str(poster)
    assert [problem["message"][:21] for problem in listed["problems"]] == ["bad.yaml, line 14: ta"]


async def test_cover_is_a_picture(folder, client, png) -> None:
    cover = (await client.get("/v1/tools/7")).json()["cover"]
    response = await client.get(cover)
    assert (response.content, response.headers["Content-Type"]) == (png, "image/png")
    other = await client.get("/v1/tools/7/pictures/poster.yaml")
    assert (other.status_code, other.json()["error"]["code"]) == (404, "unknown_tool")
    (folder / "poster.png").write_bytes(b"no picture")
    assert (await client.get(cover)).status_code == 404


async def test_filled_form_becomes_a_task(folder, client, painting, png) -> None:
    photo = (await client.post("/v1/files", files={"file": png})).json()["id"]
    body = {"values": {"photo": photo, "look": "night", "size": "64x128"}, "retention": "24h"}
    response = await client.post("/v1/tools/7", json=body, headers={"Prefer": "wait=20"})
    task = response.json()
    assert (response.status_code, task["status"], task["type"]) == (200, "succeeded", "workflow")
    data = task["params"]["nodes"][0]["data"]
    assert (data["text"], data["wh"]) == ("the sea, night", [64, 128])


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({}, "values.photo", "values.photo is missing; send Photo"),
        ({"photo": "file-" + "0" * 64}, "values.photo", "values.photo: "),
        ({"photo": "x", "size": "63x64"}, "values.size", "multiple of 8"),
        ({"photo": "x", "colour": 1}, "values.colour", "is unknown"),
    ],
)
async def test_wrong_value_names_its_field(folder, client, values, field, message) -> None:
    response = await client.post("/v1/tools/7", json={"values": values})
    error = response.json()["error"]
    assert (response.status_code, error["field"]) == (422, field)
    assert message in error["message"]


async def test_unknown_tool_is_refused(client) -> None:
    response = await client.post("/v1/tools/none", json={"values": {}})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_tool")


@pytest.mark.parametrize("more_models", [""])
async def test_tool_without_its_model_says_so(client) -> None:
    listed = (await client.get("/v1/tools")).json()
    assert any(tool["missing"] for tool in listed["data"])

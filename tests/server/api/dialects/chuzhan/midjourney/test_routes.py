"""Draw four, then enlarge, vary and zoom out: which tasks the requests become, and what their answers hold."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.painter import png_file

SHEET = [("image", (64, 64)), *[("hint", (32, 24 + number)) for number in range(4)]]


@pytest.fixture
def families() -> tuple[str, ...]:
    """Of the models beside the checkpoint; a test may parametrize them."""
    return ("upscaler", "captioner", "enhancer")


@pytest.fixture
def more_models(tmp_path, families) -> str:
    folder = tmp_path / "speaker"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes(b"{}")
    names = {
        "upscaler": ("esr", "toy.safetensors"),
        "captioner": ("captioner", folder),
        "enhancer": ("enhancer", folder),
    }
    entries = ((family, *names[family]) for family in families)
    return "".join(f"  - {{name: {name}, path: {path}, family: {family}}}\n" for family, name, path in entries)


@pytest.fixture
def mj(client):
    """Posts to an address below /aiapi/v1/mj, and returns the answer."""

    async def send(path: str, **body: Any) -> dict[str, Any]:
        return (await client.post(f"/aiapi/v1/mj/{path}", json=body, headers={"Auth-Token": "any"})).json()

    return send


@pytest.fixture
def sent(mj, services):
    """Posts a request that is accepted, and returns its task."""

    async def send(path: str, **body: Any):
        reply = await mj(path, **body)
        assert reply["success"], reply
        return (await services.queue.find(reply["data"]["paintingSign"])).task

    return send


@pytest.fixture
def ended(mj):
    """Waits for the end of a task, and returns its progress."""

    async def wait(task) -> dict[str, Any]:
        return (await mj("task/progress", taskId=task.id, waitUtilEnd=True))["data"]

    return wait


@pytest.fixture
def drawn(sent, painter, ended):
    """Draws, and returns the ended task: a sheet and four images."""

    async def draw(**body: Any):
        task = await sent("draw", **{"prompt": "one boy", **body})
        await painter.finish_with(await painter.take(), SHEET)
        await ended(task)
        return task

    return draw


@pytest.fixture
def stored(client):
    """The id of a picture as an upload: equal pictures have equal ids."""

    async def upload(picture: tuple[str, tuple[int, int]] = SHEET[0]) -> str:
        files = {"file": png_file(*picture[1])}
        return (await client.post("/v1/files", files=files)).json()["id"]

    return upload


def nodes(task) -> dict[str, dict[str, Any]]:
    return {node["key"]: node["data"] for node in task.params["nodes"]}


async def test_draw_paints_four_and_a_sheet(sent):
    task = await sent("draw", prompt="one boy --ar 1:2 --no fog --seed 7 --tile", type="fast")
    paint, sheet = (node for node in task.params["nodes"])
    assert (task.params["target"], task.params["intermediate"]) == ("sheet", ["paint"])
    assert (paint["endpoint"], sheet["endpoint"]) == ("txt2img.sd", "pipeline.grid")
    data = paint["data"]
    assert (data["text"], data["negative_prompt"], data["seed"]) == ("one boy", "fog", 7)
    assert (data["num_samples"], data["w"], data["h"], data["use_circular"]) == (4, 360, 728, True)
    assert [each["field"] for each in sheet["injections"]["paint"]] == [f"urls.{index}" for index in range(4)]
    assert task.priority == "high"


async def test_picture_is_where_a_drawing_starts(sent, stored):
    picture = await stored()
    task = await sent("draw", prompt="one boy --ar 1:1", imageUrl=picture)
    assert task.params["nodes"][0]["endpoint"] == "img2img.sd"
    data = nodes(task)["paint"]
    assert (data["url"], data["fidelity"], data["wh"], data["resize_mode"]) == (picture, 0.3, [512, 512], "cover")
    assert task.priority == "low"


async def test_progress_has_the_sheet_and_the_images(drawn, ended, client):
    data = await ended(await drawn())
    assert (data["state"], data["progress"], data["progressValue"]) == ("success", "100%", 1)
    assert len(data["images"]) == 4
    assert data["imgUrl"] not in [image["imageUrl"] for image in data["images"]]
    assert (await client.get(data["imgUrl"])).status_code == 200


async def test_progress_of_a_running_task(sent, mj, painter):
    task = await sent("draw", prompt="one boy")
    await painter.advance(await painter.take(), 1, 4, preview=b"jpeg")
    data = (await mj("task/progress", taskId=task.id))["data"]
    assert (data["state"], data["progress"], data["progressValue"], data["current_image"]) == (
        "running",
        "25%",
        0.25,
        "anBlZw==",
    )


async def test_one_image_is_enlarged(drawn, sent, stored):
    task = await drawn()
    larger = await sent("upscale", taskId=task.id, index=3)
    assert larger.type == "img2img.sr"
    assert (larger.params["url"], larger.params["scale"]) == (await stored(SHEET[3]), 2)


async def test_variation_keeps_the_seed_of_the_image(drawn, sent, painter, ended):
    task = await drawn(prompt="one boy --seed 100")
    varied = await sent("variation", taskId=task.id, index=2, strength=0.3)
    data = nodes(varied)
    assert list(data) == ["paint_0", "paint_1", "paint_2", "paint_3", "sheet"]
    paints = [data[f"paint_{number}"] for number in range(4)]
    assert {(paint["seed"], paint["num_samples"], paint["text"]) for paint in paints} == {(101, 1, "one boy")}
    variations = [paint["variations"][0] for paint in paints]
    assert {each["strength"] for each in variations} == {0.3}
    assert len({each["seed"] for each in variations}) == 4
    # And a variation of a variation starts from the image that was varied.
    await painter.finish_with(await painter.take(), SHEET)
    await ended(varied)
    again = nodes(await sent("variation", taskId=varied.id, index=4))["paint_0"]
    assert (again["seed"], again["variations"][0]) == (101, variations[3])
    assert len(again["variations"]) == 2


@pytest.mark.parametrize(
    ("fields", "edges"),
    [
        ({}, {"left": 16, "right": 16, "top": 16, "bottom": 16}),
        ({"scale": 1.5}, {"left": 8, "right": 8, "top": 8, "bottom": 8}),
        ({"pan": "left"}, {"left": 16}),
        ({"pan": "down"}, {"bottom": 16}),
    ],
)
async def test_zooming_out_paints_around_the_image(drawn, sent, stored, fields, edges):
    task = await drawn()
    wider = await sent("zoom-out", taskId=task.id, index=1, **fields)
    data = nodes(wider)["paint"]
    assert wider.params["nodes"][0]["endpoint"] == "txt2img.sd.outpainting"
    assert (data["url"], data["text"], data["num_samples"]) == (await stored(SHEET[1]), "one boy", 4)
    assert {side: data[side] for side in ("left", "right", "top", "bottom") if data.get(side)} == edges


async def test_description_has_a_caption_and_longer_prompts(sent, ended, stored, painter):
    task = await sent("describe", imageUrl=await stored())
    assert [node["endpoint"] for node in task.params["nodes"]] == ["img2txt.caption", "txt2txt.prompt_enhance"]
    captioned = {"caption": {"hints": [], "answer": {"text": "a boy"}}}
    answer = {"is_exception": False, "reason": "", "target": {"prompts": ["a", "b", "c"]}, "intermediate": captioned}
    await painter.answer(await painter.take(), answer)
    assert (await ended(task))["descriptions"] == ["a boy", "a", "b", "c"]


@pytest.mark.parametrize("families", [("captioner",)])
async def test_description_without_an_enhancer_is_the_caption(sent, ended, stored, painter):
    task = await sent("describe", imageUrl=await stored())
    await painter.answer(await painter.take(), {"text": "a boy"})
    assert (await ended(task))["descriptions"] == ["a boy"]


async def test_what_cannot_be_done_is_refused(sent, drawn, mj):
    waiting = await sent("draw", prompt="x")
    refusals = [
        ("draw", {"prompt": "--ar 3:2"}, 400, "has no words"),
        ("draw", {"prompt": "x --ar 1:9"}, 400, "is no ratio"),
        ("upscale", {"taskId": "0" * 32}, 404, "there is no task"),
        ("upscale", {"taskId": waiting.id}, 400, "has not ended"),
        ("variation", {"taskId": waiting.id, "index": 5}, 400, "index"),
        ("describe", {}, 400, "imageUrl is missing"),
    ]
    for path, body, code, message in refusals:
        reply = await mj(path, **body)
        assert (reply["code"], reply["success"]) == (code, False), reply
        assert message in reply["msg"]


async def test_task_that_drew_nothing_cannot_be_varied(drawn, sent, mj, painter, ended):
    larger = await sent("upscale", taskId=(await drawn()).id)
    await painter.finish(await painter.take())
    await ended(larger)
    reply = await mj("variation", taskId=larger.id)
    assert "needs a task that drew four images" in reply["msg"]
    assert "has 1 image" in (await mj("upscale", taskId=larger.id, index=2))["msg"]


async def test_repeated_request_is_one_task(drawn, client):
    body = {"taskId": (await drawn()).id}
    for path in ("upscale", "variation", "zoom-out"):
        replies = [
            await client.post(f"/aiapi/v1/mj/{path}", json=body, headers={"Idempotency-Key": path}) for _ in range(2)
        ]
        first, again = (reply.json()["data"]["paintingSign"] for reply in replies)
        assert first == again

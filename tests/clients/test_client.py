import asyncio
import gc
import inspect

import pytest
from hua_client import AsyncHua, AsyncTask, Hua, NotFoundError, Progress, Task

from tests.support.painter import png_file


async def test_one_line_paints_and_saves(painting, blocking, tmp_path):
    [file] = await asyncio.to_thread(lambda: blocking.txt2img("a red house", w=512).save(tmp_path / "a.png"))
    assert file.read_bytes() == png_file()


async def test_task_is_kept_and_released(painting, blocking, hua):
    task = await asyncio.to_thread(lambda: blocking.txt2img("a red house").keep())
    assert (task.raw["retention"], task.image.expires_at) == ("keep", None)
    assert await asyncio.to_thread(task.image.read) == png_file()
    released = await (await hua.task(task.id)).change_retention("7d")
    assert released.raw["retention"] == "7d"
    assert released.image.expires_at is not None


async def test_task_outlives_the_variable_of_its_client(painting, server):
    task = await asyncio.to_thread(lambda: Hua(server.url).txt2img("a red house"))
    gc.collect()
    assert await asyncio.to_thread(task.image.read) == png_file()


async def test_events_update_the_task(server, blocking):
    task = await asyncio.to_thread(blocking.submit, "txt2img.sd", text="a house")
    following = asyncio.create_task(asyncio.to_thread(lambda: list(task.events())))
    lease = await server.painter.take()
    await server.painter.advance(lease, 1, 20)
    while task.progress != Progress(1, 20):
        await asyncio.sleep(0.01)
    await server.painter.finish(lease)
    assert Progress(1, 20) in await following
    assert task.ended


async def test_iteration_that_stops_early_closes_its_stream(server, blocking):
    task = await asyncio.to_thread(blocking.submit, "txt2img.sd", text="a house")

    def look() -> None:
        for _ in task.events():
            break

    await asyncio.to_thread(look)
    assert (await asyncio.to_thread(task.cancel)).status == "canceled"
    assert [known.id for known in await asyncio.to_thread(lambda: list(blocking.tasks()))] == [task.id]


def test_address_needs_a_scheme():
    with pytest.raises(ValueError, match="write it as http"):
        Hua("localhost:8000")


@pytest.mark.parametrize(("blocking", "other"), [(Hua, AsyncHua), (Task, AsyncTask)])
def test_both_clients_have_the_same_methods(blocking, other):
    def signatures(kind: type) -> dict[str, list[str]]:
        methods = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(method).parameters) for name, method in methods if name[0] != "_"}

    assert signatures(blocking) == signatures(other)


TOOL = """
id: poster
name: Poster
fields: [{id: photo, type: image, required: true}, {id: words, type: text, default: the sea}]
nodes: [{key: paint, endpoint: img2img.sd, data: {url: $photo, text: $words}}]
target: paint
"""


@pytest.fixture
def tool(tmp_path, overrides):
    folder = overrides["tools_dir"] = tmp_path / "tools"
    folder.mkdir()
    (folder / "poster.yaml").write_text(TOOL)


async def test_form_of_a_tool_is_filled_in(tool, server, painting, blocking, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(png_file())
    names = [each["name"] for each in await asyncio.to_thread(blocking.tools)]
    assert "Poster" in names
    task = await asyncio.to_thread(lambda: blocking.tool("poster", photo=photo, options={"retention": "7d"}))
    data = task.raw["params"]["nodes"][0]["data"]
    assert (task.status, data["text"], task.raw["retention"]) == ("succeeded", "the sea", "7d")
    with pytest.raises(NotFoundError, match="there is no tool"):
        await asyncio.to_thread(blocking.tool, "none")

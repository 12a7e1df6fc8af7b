import asyncio
import io
from pathlib import Path

import httpx
import pytest
from hua_client import AsyncHua, InvalidRequestError, WithheldError
from PIL import Image

from server.storage.bucket_keys import IMAGES, UPLOADS
from server.tenancy.auth import new_key
from tests.support.painter import png_file

(RED, RED_HASH), (BLUE, BLUE_HASH) = new_key("red"), new_key("blue")


@pytest.fixture
async def requests(server):
    """The addresses that the client has called."""
    called: list[str] = []

    async def note(request: httpx.Request) -> None:
        called.append(f"{request.method} {request.url.path}")

    http = httpx.AsyncClient(trust_env=False, event_hooks={"request": [note]})
    async with AsyncHua(server.url, http=http) as hua:
        yield hua, called


async def test_everything_that_is_an_image_is_taken_and_sent_once(painting, requests, tmp_path):
    hua, called = requests
    (tmp_path / "a.png").write_bytes(png_file())
    upload = await hua.upload(png_file())
    for image in (
        str(tmp_path / "a.png"),
        tmp_path / "a.png",
        png_file(),
        bytearray(png_file()),
        upload,
    ):
        task = await hua.img2img(image, "a boat")
        assert task.params["url"] == upload
    assert called.count("POST /v1/files") == 1


async def test_result_is_named_and_not_sent_again(painting, requests):
    hua, called = requests
    result = await hua.txt2img("a house", num_samples=2)
    called.clear()
    nodes = [{"key": "a", "endpoint": "img2img.sd", "data": {"url": result.images[1], "text": "a boat"}}]
    for task in (
        await hua.img2img(result, "a boat"),
        await hua.inpaint(result.images[0], result.images[1], "a boat"),
        await hua.run("pipeline.grid", urls=[result.images[0], (await hua.task(result.id)).images[1]]),
        await hua.run("workflow", target="a", nodes=nodes),
    ):
        assert task.ended
    assert not [call for call in called if "files" in call]


async def test_control_maps_are_counted_after_the_images(server, requests):
    hua, _ = requests
    task = await hua.submit("txt2img.sd", text="a house")
    await server.painter.finish_with(await server.painter.take(), [("image", (16, 16)), ("hint", (24, 16))])
    await task.wait()
    assert [(image.task_id, image.index) for image in (*task.images, *task.hints)] == [(task.id, 0), (task.id, 1)]
    read = await (await hua.submit("img2img.sd", url=task.hints[0], text="a boat")).refresh()
    assert read.params["url"] == await hua.upload(png_file(24, 16))


async def test_result_is_named_with_blocking_calls(painting, blocking, hua):
    task = await asyncio.to_thread(lambda: blocking.img2img(blocking.txt2img("a house"), "a boat"))
    assert task.params["url"] == await hua.upload(png_file())


@pytest.mark.parametrize("overrides", [{"api_keys": (RED_HASH, BLUE_HASH)}])
async def test_result_of_another_tenant_or_server_is_sent(server, painting):
    http = httpx.AsyncClient(trust_env=False)
    async with AsyncHua(server.url, RED, http=http) as red, AsyncHua(server.url, BLUE, http=http) as blue:
        result = await red.txt2img("a house")
        assert (await blue.img2img(result, "a boat")).params["url"] == await blue.upload(png_file())


async def test_result_that_is_gone_is_refused_with_the_reason(server, painting, hua):
    result = await hua.txt2img("a house")
    bucket = server.services.bucket
    await bucket.delete([key for key, _ in await bucket.keys(IMAGES)])
    with pytest.raises(InvalidRequestError, match=r"url: image 0 .* has expired.*a longer retention") as gone:
        await hua.img2img(result, "a boat")
    assert gone.value.code == "bad_input"
    await result.delete_images()
    with pytest.raises(InvalidRequestError, match="deleted at the request of its owner"):
        await hua.img2img(result, "a boat")


async def test_result_that_is_not_there_yet_is_an_error(server, hua):
    task = await hua.submit("txt2img.sd", text="a house")
    with pytest.raises(ValueError, match="it is queued, and has them once `wait` returns"):
        await hua.img2img(task, "a boat")


async def test_result_that_is_withheld_is_an_error(server, hua):
    task = await hua.submit("txt2img.sd", text="a house")
    await server.painter.withhold(await server.painter.take())
    await task.wait()
    with pytest.raises(WithheldError, match="concept 9"):
        await hua.img2img(task, "a boat")


async def test_image_of_pillow_is_taken(painting, requests):
    hua, _ = requests
    for mode in ("RGB", "L", "CMYK"):
        task = await hua.img2img(Image.new(mode, (24, 16)), "a boat")
        assert task.params["url"].startswith("file-")


async def test_images_at_any_depth_are_sent(painting, hua):
    photo = io.BytesIO()
    Image.new("RGB", (32, 32)).save(photo, "PNG")
    controls = [{"type": "canny", "data": {"hint_url": photo.getvalue(), "bypass_annotator": True}}]
    with pytest.raises(InvalidRequestError, match="canny"):  # the file has arrived; no model follows it here
        await hua.submit("control_new.multi", text="a boat", controls=controls)


async def test_text_in_params_is_never_a_path(hua, tmp_path):
    (tmp_path / "a.png").write_bytes(png_file())
    with pytest.raises(InvalidRequestError, match="url"):
        await hua.submit("img2img.sd", text="a", url=str(tmp_path / "a.png"))


async def test_missing_file_is_named(hua):
    with pytest.raises(FileNotFoundError, match=r"no-such\.png"):
        await hua.img2img(Path("no-such.png"))


async def test_upload_that_the_server_has_lost_is_sent_again(server, painting, hua):
    upload = await hua.upload(png_file())
    bucket = server.services.bucket
    await bucket.delete([key for key, _ in await bucket.keys(UPLOADS)])
    assert (await hua.img2img(png_file(), "a boat")).params["url"] == upload

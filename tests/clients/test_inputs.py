import io
from pathlib import Path

import httpx
import pytest
from hua_client import AsyncHua, InvalidRequestError
from PIL import Image

from server.storage.bucket_keys import UPLOADS
from tests.support.painter import png_file


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
    result = await hua.txt2img("a house")
    (tmp_path / "a.png").write_bytes(png_file())
    upload = await hua.upload(png_file())
    for image in (
        str(tmp_path / "a.png"),
        tmp_path / "a.png",
        png_file(),
        bytearray(png_file()),
        result,
        result.image,
        upload,
    ):
        task = await hua.img2img(image, "a boat")
        assert task.params["url"] == upload
    assert called.count("POST /v1/files") == 1


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

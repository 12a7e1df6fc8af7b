from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from contextlib import asynccontextmanager

import numpy as np
import pytest
from PIL import Image

from pipelines.params.image_refs import ImageRef, OptionalImage
from pipelines.pipeline import Params
from server.egress.client import Egress
from server.images.codec import BadImageError
from server.storage.bucket import Bucket
from server.storage.bucket_keys import upload_key
from server.task import Task
from server.tasks.input_images import BadInputError, CheckedImages, InputImages
from tests.support.uploads import uploads_in


class TwoImages(Params):
    text: str = ""
    url: ImageRef
    mask_url: OptionalImage = None


PIXELS = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def png(pixels=PIXELS):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


PNG = png()
BASE64 = base64.b64encode(PNG).decode()
DATA_URI = f"data:image/png;base64,{BASE64}"
FILE_ID = f"file-{hashlib.sha256(PNG).hexdigest()[:32]}"


@pytest.fixture
def bucket(tmp_path):
    return Bucket.folder(tmp_path)


@pytest.fixture
def inputs(bucket):
    return InputImages(Egress(["127.0.0.1"]), uploads_in(bucket), max_upload=20_000, max_pixels=64 * 64)


def task_of(tenant="one"):
    return Task(id="1", type="two", params={}, tenant=tenant, created_at=0)


async def fetched(inputs, task, params):
    """The pixels of the images, as a worker gets them."""
    return await inputs.decode(await inputs.fetch(task, params))


@asynccontextmanager
async def serving(*answers):
    """A server on loopback that sends `answers` in turn, and repeats the last; yields its URL and its requests."""
    remaining, requests = list(answers), []

    async def serve(reader, writer):
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        status, body = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/cat.png", requests


@pytest.mark.parametrize(
    "reference", [BASE64, DATA_URI, DATA_URI.replace("data:", "DATA:"), f"{BASE64[:60]}\n {BASE64[60:]}"]
)
async def test_inline_images_are_decoded(inputs, reference):
    params = TwoImages(url=reference)
    await inputs.check(params, "one")
    images = await fetched(inputs, task_of(), params)
    assert list(images) == ["url"]
    assert (images["url"] == PIXELS).all()


async def test_urls_are_fetched_only_by_fetch(inputs):
    async with serving((200, PNG)) as (url, requests):
        params = TwoImages(url=url, mask_url=url + "?mask")
        await inputs.check(params, "one")
        assert requests == []
        images = await fetched(inputs, task_of(), params)
    assert len(requests) == 2
    assert all((images[field] == PIXELS).all() for field in ("url", "mask_url"))


class ManyImages(Params):
    urls: tuple[ImageRef, ...]


async def test_pixel_budget_limits_all_images_of_a_task(inputs):
    """Otherwise one upload that is named many times could use all memory."""
    large = (await inputs.store(png(np.zeros((64, 64, 3), np.uint8)), "one")).id
    enough, too_many = ManyImages(urls=(large,) * 4), ManyImages(urls=(large,) * 5)
    await inputs.check(enough, "one")
    assert len(await fetched(inputs, task_of(), enough)) == 4
    with pytest.raises(BadInputError, match=r"urls\.4: .* over 16384 pixels in all; send smaller"):
        await inputs.check(too_many, "one")
    with pytest.raises(BadInputError, match="over 16384 pixels in all"):
        await fetched(inputs, task_of(), too_many)


async def test_first_failure_cancels_the_other_fetches(inputs):
    cut_off = asyncio.Event()

    async def never_answer(reader, writer):
        await reader.read()
        writer.close()
        cut_off.set()

    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.png"
        with pytest.raises(BadInputError, match=r"mask_url: the upload file-.* is unknown"):
            await fetched(inputs, task_of(), TwoImages(url=url, mask_url="file-" + "0" * 32))
        await asyncio.wait_for(cut_off.wait(), 60)


async def test_fetch_retries_after_a_temporary_error(inputs):
    async with serving((503, b""), (200, PNG)) as (url, requests):
        assert (await fetched(inputs, task_of(), TwoImages(url=url)))["url"].shape == (24, 32, 3)
    assert len(requests) == 2


async def test_fetch_does_not_retry_a_permanent_error(inputs):
    async with serving((404, b"")) as (url, requests):
        with pytest.raises(BadInputError, match=r"mask_url: 127\.0\.0\.1 answered 404"):
            await fetched(inputs, task_of(), TwoImages(url=BASE64, mask_url=url))
    assert len(requests) == 1


async def test_fetched_file_is_checked_like_others(inputs):
    async with serving((200, b"<html>")) as (url, _):
        with pytest.raises(BadInputError, match="url: this is HTML"):
            await fetched(inputs, task_of(), TwoImages(url=url))
    async with serving((200, bytes(20_001))) as (url, _):
        with pytest.raises(BadInputError, match="more than 20000 bytes"):
            await fetched(inputs, task_of(), TwoImages(url=url))


BIG = base64.b64encode(png(np.zeros((65, 64, 3), np.uint8))).decode()


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("ftp://a.example/cat.png", "http:// or https://"),
        ("file:///etc/passwd", "http:// or https://"),
        ("http://", "no valid host"),
        ("http://169.254.169.254/", "never allowed"),
        ("http://10.0.0.1/cat.png", "HUA_EGRESS_ALLOW"),
        ("http://93.184.216.34:6379/", "port 6379"),
        ("cat.png", "not an http"),
        ("scheme-of-a-length-that-nobody-uses://a.example/", "not an http"),
        ("/etc/passwd", "not an http"),
        ("data:image/png,hello", "not base64"),
        ("data:image/png;base64,@@@", "not an http"),
        ("data:image/png;base64,", "empty"),
        (BASE64[:-1], "not an http"),
        (base64.b64encode(b"hello").decode(), "not a PNG"),
        (BIG, "at most 4096 pixels"),
        (base64.b64encode(bytes(20_001)).decode(), "more than 20000 bytes"),
        ("file-" + "0" * 32, "the upload file-.* is unknown"),
        ("file-../../secret", "not an http"),
    ],
)
async def test_invalid_references_are_refused_without_fetching(inputs, reference, message):
    params = TwoImages(url=DATA_URI, mask_url=reference)
    with pytest.raises(BadInputError, match=message) as caught:
        await inputs.check(params, "one")
    assert caught.value.field == "mask_url"
    assert str(caught.value) == f"mask_url: {caught.value.message}"


async def test_opaque_images_are_refused_where_they_must_be_transparent(inputs):
    reason = {"url": "it must be transparent", "mask_url": "this one, too"}
    opaque = await inputs.store(PNG, "one")
    clear = await inputs.store(png(np.dstack([PIXELS, PIXELS[:, :, 0]])), "one")
    for reference in (DATA_URI, opaque.id):
        with pytest.raises(BadInputError, match="url: it must be transparent"):
            await inputs.check(TwoImages(url=reference), "one", reason)
    for reference in (clear.id, "https://a.example/unknown.png"):
        await inputs.check(TwoImages(url=reference), "one", reason)
    await inputs.check(TwoImages(url=clear.id, mask_url=DATA_URI), "one", {"url": "it must be transparent"})


async def test_inline_images_are_stored_only_when_they_are_kept(inputs, bucket):
    params = TwoImages(url=DATA_URI, mask_url="https://a.example/mask.png")
    checked = await inputs.check(params, "one")
    assert checked.ids == {"url": FILE_ID}
    assert await bucket.keys("uploads") == []
    await inputs.keep(checked, "one")
    assert await bucket.get(upload_key("one", FILE_ID)) == PNG
    images = await fetched(inputs, task_of(), TwoImages(url=checked.ids["url"]))
    assert (images["url"] == PIXELS).all()


async def test_keep_renews_uploads(inputs, bucket):
    upload = await inputs.store(PNG, "one")
    [(_, before)] = await bucket.keys("uploads")
    await asyncio.sleep(0.02)
    checked = await inputs.check(TwoImages(url=upload.id), "one")
    assert checked == CheckedImages(ids={"url": upload.id}, inline={})
    await inputs.keep(checked, "one")
    [(_, after)] = await bucket.keys("uploads")
    assert after > before


async def test_store_returns_an_upload_and_checks_it(inputs):
    upload = await inputs.store(PNG, "one")
    assert (upload.id, upload.width, upload.height) == (FILE_ID, 32, 24)
    await inputs.check(TwoImages(url=upload.id), "one")
    assert ((await fetched(inputs, task_of(), TwoImages(url=upload.id)))["url"] == PIXELS).all()
    with pytest.raises(BadImageError, match="not a PNG"):
        await inputs.store(b"GIF89a", "one")
    with pytest.raises(BadImageError, match="20000 bytes at most"):
        await inputs.store(bytes(20_001), "one")


async def test_upload_of_another_tenant_is_unknown(inputs):
    upload = await inputs.store(PNG, "one")
    with pytest.raises(BadInputError, match=r"the upload file-.* is unknown"):
        await inputs.check(TwoImages(url=upload.id), "two")
    with pytest.raises(BadInputError, match=r"the upload file-.* is unknown"):
        await fetched(inputs, task_of("two"), TwoImages(url=upload.id))


async def test_params_without_images_need_nothing(inputs):
    class Plain(Params):
        text: str

    assert await fetched(inputs, task_of(), Plain(text="a cat")) == {}
    assert await inputs.check(Plain(text="a cat"), "one") == CheckedImages(ids={}, inline={})

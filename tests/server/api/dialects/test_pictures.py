import base64

import pytest

from server.api.dialects.pictures import read_result, result_in_base64, store_picture
from server.images.codec import BadImageError
from server.storage.signed_links import LinkExpiredError
from server.tasks.submission import Submission, submit


async def test_stored_picture_is_an_input_of_its_tenant_alone(services, png):
    upload = await store_picture(services, "red", png)
    assert (upload.width, upload.height) == (16, 16)
    params = {"text": "x", "url": upload.id}
    await submit(services, Submission("img2img.sd", params, "red"))
    with pytest.raises(Exception, match="unknown or has expired"):
        await submit(services, Submission("img2img.sd", params, "blue"))


async def test_file_that_is_no_picture_is_refused(services):
    with pytest.raises(BadImageError):
        await store_picture(services, "red", b"text")


async def test_file_of_a_result_is_read_until_it_is_deleted(services, painter):
    view = await submit(services, Submission("txt2img.sd", {"text": "x"}, "red"))
    await painter.finish(await painter.take())
    async for _ in services.queue.watch(view.task.id):
        pass
    [image] = (await services.bucket.manifest(view.task.id)).outcome.images
    data = await read_result(services, image)
    assert data.startswith(b"\x89PNG")
    assert base64.b64decode(await result_in_base64(services, image)) == data
    await services.bucket.delete([image.key])
    with pytest.raises(LinkExpiredError):
        await read_result(services, image)

import re

import pytest

from server.storage.bucket_keys import upload_key
from server.tasks.input_images import BadInputError
from server.tasks.lookup import find_record
from server.tasks.submission import Submission, submit

PAINT = Submission(type="txt2img.sd", params={"text": "x", "num_samples": 2}, tenant="red")


async def ended(services, task_id):
    async for _ in services.queue.watch(task_id):
        pass
    return await find_record(services, task_id, "red")


@pytest.fixture
async def result(services, painter):
    """The manifest of a task of the tenant red that has two images."""
    task_id = (await submit(services, PAINT)).task.id
    await painter.finish(await painter.take())
    return (await ended(services, task_id)).manifest


async def paint_over(services, image, tenant="red"):
    params = {"text": "x", "url": image}
    return (await submit(services, Submission(type="img2img.sd", params=params, tenant=tenant))).task


def link(services, manifest, index=1, extension="png", **options):
    return services.links.image(manifest.task.id, index, extension, manifest.expires_at, **options)


async def assert_refused(services, image, message, tenant="red"):
    with pytest.raises(BadInputError, match=message) as caught:
        await paint_over(services, image, tenant)
    assert caught.value.field == "url"


async def test_result_and_its_links_are_inputs(services, result, png):
    references = [
        {"task": result.task.id},
        {"task": result.task.id, "index": 1},
        f"task-{result.task.id}/1",
        link(services, result),
        link(services, result, extension="jpeg", quality=80),
    ]
    for reference in references:
        task = await paint_over(services, reference)
        assert task.fetches
        assert await services.bucket.get(upload_key("red", task.params["url"])) == png


async def test_results_of_other_tenants_are_unknown(services, result):
    for reference in ({"task": result.task.id}, link(services, result)):
        await assert_refused(services, reference, f"there is no task '{result.task.id}'", tenant="blue")
    await assert_refused(services, {"task": "0" * 32}, "there is no task '0000")


async def test_result_that_does_not_exist_is_refused(services, painter, result):
    await assert_refused(services, {"task": result.task.id, "index": 2}, "has no image 2; its images are 0 to 1")
    queued = (await submit(services, PAINT)).task.id
    await assert_refused(services, {"task": queued}, "has not ended")
    await painter.fail(await painter.take())
    await ended(services, queued)
    await assert_refused(services, {"task": queued}, "has no image 0; it has none")


async def test_withheld_result_is_refused(services, painter):
    task_id = (await submit(services, PAINT)).task.id
    await painter.withhold(await painter.take())
    manifest = (await ended(services, task_id)).manifest
    for reference in ({"task": task_id}, link(services, manifest, 0)):
        await assert_refused(services, reference, "image 0 of task .* is withheld")


async def test_expired_result_says_so(services, result):
    await services.bucket.put_manifest(result.model_copy(update={"expires_at": services.clock() - 1}))
    await assert_refused(services, {"task": result.task.id}, "image 0 of task .* has expired and is deleted")
    await assert_refused(services, services.links.image(result.task.id, 0, "png", 1.0), "this link has expired")


async def test_deleted_result_says_so(services, result):
    await services.bucket.delete([image.key for image in result.outcome.images])
    await assert_refused(services, link(services, result), "image 1 of task .* has expired and is deleted")


async def test_changed_links_are_refused(services, result):
    good = link(services, result)
    wrong = [re.sub("/1.png", "/0.png", good), good.partition("?")[0] + "?", good.replace("expires=", "expires=x")]
    for url in wrong:
        await assert_refused(services, url, "use the `url` of the image unchanged")

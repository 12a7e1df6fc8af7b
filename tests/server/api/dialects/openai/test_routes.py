import asyncio
import base64
import io

import httpx
import openai as library
import pytest
from openai import AsyncOpenAI, OpenAI
from PIL import Image as Picture

from server.task import Status
from server.tasks.lookup import cancel, find_record
from server.tenancy.auth import ANONYMOUS, new_key


def picture(mode: str = "RGB", size: tuple[int, int] = (64, 64), colour=(0, 90, 0)) -> bytes:
    file = io.BytesIO()
    Picture.new(mode, size, colour if mode == "RGB" else (*colour, 0)).save(file, "PNG")
    return file.getvalue()


async def newest(services, tenant: str = ANONYMOUS):
    return (await services.queue.recent(tenant, None, 1, 10))[0][0].task


async def test_answer_has_links_that_need_no_key(openai, services, client, painting):
    reply = await openai.images.generate(prompt="a red house", model="dall-e-3", n=3, size="512x512", quality="hd")
    assert [image.b64_json for image in reply.data] == [None, None, None]
    for image in reply.data:
        assert (await client.get(image.url)).content.startswith(b"\x89PNG")
    assert (reply.size, reply.quality, reply.background, reply.output_format) == ("16x16", "hd", "opaque", "png")
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.total_tokens) == (3, 3, 6)
    assert reply.usage.input_tokens_details.text_tokens == 3
    assert reply._request_id == (await newest(services)).id
    params = (await newest(services)).params
    assert {name: params[name] for name in ("text", "model", "w", "h", "num_samples", "num_steps")} == {
        "text": "a red house",
        "model": "toy",
        "w": 512,
        "h": 512,
        "num_samples": 3,
        "num_steps": 32,
    }


async def test_gpt_image_answers_the_images_themselves(openai, painting):
    reply = await openai.images.generate(prompt="x", model="gpt-image-1")
    assert base64.b64decode(reply.data[0].b64_json).startswith(b"\x89PNG")
    assert reply.data[0].url is None
    reply = await openai.images.generate(prompt="x", model="gpt-image-1", response_format="url")
    assert reply.data[0].url.startswith("http://hua/files/")


async def test_ten_images_are_two_tasks_whose_seeds_count_on(openai, services, painting):
    reply = await openai.images.generate(prompt="x", n=10, extra_body={"seed": 100})
    assert len(reply.data) == 10
    tasks = [view.task for view in (await services.queue.recent(ANONYMOUS, None, 1, 10))[0]]
    assert sorted((task.params["seed"], task.params["num_samples"]) for task in tasks) == [(100, 8), (108, 2)]


async def test_synchronous_client_gets_the_same(address, painting):
    with OpenAI(base_url=f"{address}/v1", api_key="sk-x", max_retries=0) as client:
        reply = await asyncio.to_thread(client.images.generate, prompt="x", size="256x256")
        assert reply.data[0].url
        assert (await asyncio.to_thread(client.models.list)).data[0].id == "toy"


async def test_own_parameters_come_from_extra_body(openai, services, painting):
    own = {
        "seed": 7,
        "negative_prompt": "blur",
        "num_steps": 9,
        "guidance_scale": 3.5,
        "sampler": "DPM++ 2M Karras",
        "loras": {"ink": 0.5},
        "generator_device": "cpu",
        "extra_params": {"unknown": 1},
    }
    await openai.images.generate(prompt="x", extra_body=own)
    params = (await newest(services)).params
    assert (params["seed"], params["num_steps"], params["guidance_scale"]) == (7, 9, 3.5)
    assert (params["sampler"], params["sigmas"], params["lora_scales"]) == ("dpmpp_2m", "karras", {"ink": 0.5})
    assert params["negative_prompt"].startswith("blur")


async def test_models_are_listed_for_its_client(openai):
    models = [model async for model in await openai.models.list()]
    assert [model.id for model in models][:2] == ["toy", "anime-toy"]
    assert {(model.object, model.owned_by) for model in models} == {("model", "hua")}
    assert all(isinstance(model.created, int) for model in models)
    assert (await openai.models.retrieve("dall-e-2")).id == "toy"
    with pytest.raises(library.NotFoundError, match="there is no model"):
        await openai.models.retrieve("nothing")


async def test_edit_paints_where_the_mask_is_transparent(openai, services, painting):
    reply = await openai.images.edit(
        image=("a.png", picture()), mask=("m.png", picture("RGBA")), prompt="a lake", model="gpt-image-1", n=2
    )
    assert len(reply.data) == 2
    assert reply.usage.input_tokens_details.image_tokens == 16
    task = await newest(services)
    assert task.type == "txt2img.sd.inpainting"
    assert (task.params["inpainting_mask_invert"], task.params["keep_original"]) == (True, True)
    assert task.params["inpainting_mask_source"] == "alpha"
    assert task.params["url"] != task.params["mask_url"]


async def test_edit_takes_json_with_references(openai, services, address, painting):
    upload = await openai.files.create(file=("a.png", picture()), purpose="vision")
    data_url = "data:image/png;base64," + base64.b64encode(picture("RGBA")).decode()
    body = {"prompt": "x", "images": [{"file_id": upload.id}], "mask": {"image_url": data_url}, "n": None}
    async with httpx.AsyncClient(base_url=address, trust_env=False) as http:
        reply = await http.post("/v1/images/edits", json=body)
    assert reply.status_code == 200, reply.text
    task = await newest(services)
    assert (task.type, task.params["url"]) == ("txt2img.sd.inpainting", upload.id)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
async def test_variation_resembles_the_picture(openai, services, painting):
    reply = await openai.images.create_variation(image=picture(), n=2, size="256x256", response_format="b64_json")
    assert len(reply.data) == 2
    params = (await newest(services)).params
    assert (params["fidelity"], params["wh"], params["resize_mode"]) == (0.5, [256, 256], "cover")


@pytest.mark.parametrize("more_models", ["  - {name: cut, path: toy.safetensors, family: upscaler}\n"])
async def test_transparent_background_without_a_matting_model_is_refused(openai):
    with pytest.raises(library.BadRequestError) as caught:
        await openai.images.generate(prompt="x", background="transparent")
    assert "matting" in caught.value.body["message"]


@pytest.mark.parametrize(
    ("arguments", "param", "code", "words"),
    [
        ({"n": 11}, "n", "invalid_value", "10"),
        ({"size": "big"}, "size", "invalid_value", "WIDTHxHEIGHT"),
        ({"size": "32x32"}, "size", "invalid_value", "64"),
        ({"size": "8192x8192"}, "size", "too_many_pixels", "HUA_MAX_PIXELS"),
        ({"model": "nobody"}, "model", "model_not_found", "there is no model"),
        ({"model": "ink"}, "model", "model_mismatch", "family"),
        ({"quality": "best"}, "quality", "invalid_value", "high"),
        ({"output_format": "gif"}, "output_format", "invalid_value", "webp"),
        ({"style": "cubism"}, "style", "invalid_value", "cubism"),
        ({"background": "transparent", "output_format": "jpeg"}, "background", "invalid_value", "png or webp"),
        ({"partial_images": 4, "stream": True}, "partial_images", "invalid_value", "3"),
        ({"prompt": "(unclosed:9999)"}, "prompt", "invalid_value", "100"),
        ({"extra_body": {"negatve_prompt": "x"}}, "negatve_prompt", "invalid_value", "negative_prompt"),
        ({"extra_body": {"num_steps": 1000}}, "num_steps", "invalid_value", "100"),
        ({"extra_body": {"loras": ["oil"]}}, "model", "model_mismatch", "sdxl"),
    ],
)
async def test_wrong_arguments_are_bad_requests_with_the_parameter(openai, arguments, param, code, words):
    with pytest.raises(library.BadRequestError) as caught:
        await openai.images.generate(**{"prompt": "x", **arguments})
    error = caught.value
    assert (error.param, error.code, error.type) == (param, code, "invalid_request_error")
    assert words in error.body["message"]


@pytest.mark.parametrize(
    ("files", "fields", "param", "words"),
    [
        ({}, {"prompt": "x"}, "image", "missing"),
        ({"image": b"text"}, {"prompt": "x"}, "image", "PNG"),
        ({"image": picture()}, {}, "prompt", "missing"),
        ({"image": picture(), "mask": picture()}, {"prompt": "x"}, "mask", "transparen"),
        ({"image": picture(), "mask": picture("RGBA", (32, 32))}, {"prompt": "x"}, "mask", "64x64"),
        ({"image": picture(), "mask": b"?"}, {"prompt": "x"}, "mask", "PNG"),
    ],
)
async def test_wrong_pictures_are_bad_requests_with_the_parameter(client, files, fields, param, words):
    reply = await client.post("/v1/images/edits", files=files or {"other": b"x"}, data=fields)
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, param)
    assert words in error["message"]


@pytest.mark.parametrize("count", [2, 3])
async def test_further_images_need_an_ip_adapter(openai, count):
    with pytest.raises(library.BadRequestError, match=r"IP-Adapter|too many") as caught:
        await openai.images.edit(image=[picture()] * count, prompt="x")
    assert caught.value.param == "image"


KEY, OTHER = new_key("red"), new_key("blue")


@pytest.mark.parametrize("overrides", [{"api_keys": (KEY[1], OTHER[1])}])
@pytest.mark.parametrize("key", [KEY[0]], ids=["red"])
async def test_tenants_see_nothing_of_each_other(openai, address, services, overrides, key, painting):
    upload = await openai.files.create(file=("a.png", picture()), purpose="vision")
    await openai.images.generate(prompt="x")
    task = await newest(services, "red")
    assert (await services.queue.recent("blue", None, 1, 10))[1] == 0
    other = AsyncOpenAI(base_url=f"{address}/v1", api_key=OTHER[0], max_retries=0)
    async with other, httpx.AsyncClient(base_url=address, trust_env=False) as http:
        headers = {"Authorization": f"Bearer {OTHER[0]}"}
        assert (await http.get(f"/v1/tasks/{task.id}", headers=headers)).status_code == 404
        body = {"prompt": "x", "images": [{"file_id": upload.id}]}
        reply = await http.post("/v1/images/edits", json=body, headers=headers)
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, "image")
    with pytest.raises(library.AuthenticationError) as caught:
        await openai.with_options(api_key="sk-wrong").images.generate(prompt="x")
    assert (caught.value.code, caught.value.type) == ("invalid_api_key", "authentication_error")


@pytest.mark.parametrize("overrides", [{"task_limit": 1}])
async def test_too_many_tasks_are_a_rate_limit_error(openai, painter, overrides):
    first = asyncio.create_task(openai.images.generate(prompt="x"))
    lease = await painter.take()
    with pytest.raises(library.RateLimitError) as caught:
        await openai.images.generate(prompt="x")
    assert (caught.value.code, caught.value.response.headers["retry-after"]) == ("rate_limit_exceeded", "2")
    await painter.finish(lease)
    assert len((await first).data) == 1


async def test_withheld_images_are_blocked_by_moderation(openai, painter):
    waiting = asyncio.create_task(openai.images.generate(prompt="x"))
    await painter.withhold(await painter.take())
    with pytest.raises(library.BadRequestError) as caught:
        await waiting
    assert (caught.value.code, caught.value.type) == ("moderation_blocked", "image_generation_user_error")


async def test_failed_task_is_an_error_that_is_not_retried(address, painter):
    client = AsyncOpenAI(base_url=f"{address}/v1", api_key="sk-x", max_retries=5)
    waiting = asyncio.create_task(client.images.generate(prompt="x"))
    await painter.fail(await painter.take())
    with pytest.raises(library.InternalServerError, match="too large for this device"):
        await waiting
    await client.close()


async def test_canceled_task_is_a_conflict(openai, services, painter):
    waiting = asyncio.create_task(openai.images.generate(prompt="x"))
    lease = await painter.take()
    await cancel(services, await find_record(services, lease.task.id, ANONYMOUS))
    with pytest.raises(library.ConflictError, match="canceled"):
        await waiting


async def test_idempotency_key_makes_a_repeated_request_the_same_images(openai, services, painting):
    headers = {"Idempotency-Key": "order-1"}
    first = await openai.images.generate(prompt="x", n=10, extra_headers=headers)
    again = await openai.images.generate(prompt="x", n=10, extra_headers=headers)
    assert [image.url for image in again.data] == [image.url for image in first.data]
    with pytest.raises(library.ConflictError):
        await openai.images.generate(prompt="y", n=10, extra_headers=headers)
    assert (await services.queue.recent(ANONYMOUS, None, 1, 10))[1] == 2


@pytest.mark.parametrize(
    ("overrides", "status"), [({}, Status.RUNNING), ({"cancel_on_hang_up": ("openai",)}, Status.CANCELED)]
)
async def test_task_of_a_client_that_hangs_up_is_canceled_if_the_operator_says_so(
    openai, services, painter, overrides, status
):
    waiting = asyncio.create_task(openai.images.generate(prompt="x"))
    lease = await painter.take()
    waiting.cancel()
    await asyncio.wait([waiting])
    if status is Status.CANCELED:
        async for view in services.queue.watch(lease.task.id):
            last = view
        assert last.status is status
    else:
        await painter.finish(lease)
        async for view in services.queue.watch(lease.task.id):
            last = view
        assert last.status is Status.SUCCEEDED


@pytest.mark.parametrize("overrides", [{"cancel_on_hang_up": ("openai",)}])
async def test_request_with_a_key_runs_on_because_its_client_may_come_again(openai, painter, overrides):
    headers = {"Idempotency-Key": "order"}
    waiting = asyncio.create_task(openai.images.generate(prompt="x", extra_headers=headers))
    lease = await painter.take()
    waiting.cancel()
    await asyncio.wait([waiting])
    again = asyncio.create_task(openai.images.generate(prompt="x", extra_headers=headers))
    await painter.finish(lease)
    assert lease.task.id in (await again).data[0].url


@pytest.mark.parametrize("path", ["/v1/images/generation", "/v1/images/generations"])
async def test_wrong_addresses_and_methods_have_its_shape(client, path):
    reply = await client.get(path)
    assert reply.status_code in (404, 405)
    assert reply.json()["error"]["type"] == "invalid_request_error"


async def test_priority_and_retention_are_those_of_tasks(openai, services, painting):
    await openai.images.generate(prompt="x", extra_body={"priority": "low", "retention": "7d"})
    task = await newest(services)
    assert (task.priority, task.retention) == ("low", "7d")


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        ({}, ("png", 95)),
        ({"output_format": "jpeg", "output_compression": 40}, ("jpeg", 40)),
        ({"output_format": "webp", "output_compression": 0}, ("webp", 1)),
    ],
)
async def test_output_format_and_compression(openai, services, painting, arguments, output):
    reply = await openai.images.generate(prompt="x", **arguments)
    task = await newest(services)
    assert (task.output.format, task.output.quality) == output
    assert reply.output_format == output[0]

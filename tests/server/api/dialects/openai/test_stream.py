import asyncio
import base64

import openai as library
import pytest


async def started(openai, **arguments) -> tuple[asyncio.Task[list], asyncio.Queue]:
    """A request with `stream`, and its events as they come."""
    events: asyncio.Queue = asyncio.Queue()

    async def read() -> list:
        all_events = []
        async for event in await openai.images.generate(prompt="x", stream=True, **arguments):
            all_events.append(event)
            events.put_nowait(event)
        return all_events

    return asyncio.create_task(read()), events


async def test_previews_come_as_parts_of_the_steps_are_done(openai, painter):
    reading, events = await started(openai, partial_images=3, quality="low", size="512x512")
    lease = await painter.take()
    await painter.advance(lease, 4, 20, b"too early")
    await painter.advance(lease, 5, 20, b"first")
    assert (await events.get()).partial_image_index == 0
    await painter.advance(lease, 9, 20, b"between")
    await painter.advance(lease, 10, 20, b"second")
    assert base64.b64decode((await events.get()).b64_json) == b"second"
    await painter.advance(lease, 15, 20, b"third")
    last = await events.get()
    assert (last.type, last.partial_image_index) == ("image_generation.partial_image", 2)
    assert (last.output_format, last.size, last.quality, last.background) == ("jpeg", "512x512", "low", "opaque")
    await painter.finish(lease)
    *previews, completed = await reading
    assert [base64.b64decode(each.b64_json) for each in previews] == [b"first", b"second", b"third"]
    assert completed.type == "image_generation.completed"
    assert base64.b64decode(completed.b64_json).startswith(b"\x89PNG")
    assert (completed.output_format, completed.size) == ("png", "16x16")
    assert (completed.usage.output_tokens, completed.usage.total_tokens) == (1, 2)


async def test_without_partial_images_only_the_image_comes(openai, painter):
    reading, _ = await started(openai)
    lease = await painter.take()
    await painter.advance(lease, 10, 20, b"preview")
    await painter.finish(lease)
    assert [event.type for event in await reading] == ["image_generation.completed"]


async def test_each_image_of_several_is_completed(openai, painting):
    reading, _ = await started(openai, n=3, extra_body={"seed": 5})
    assert [event.type for event in await reading] == ["image_generation.completed"] * 3


async def test_edit_has_events_of_its_own(openai, png, painting):
    stream = await openai.images.edit(image=png, prompt="x", stream=True, partial_images=1)
    assert [event.type async for event in stream][-1] == "image_edit.completed"


@pytest.mark.parametrize(("end", "words"), [("fail", "too large for this device"), ("withhold", "withheld")])
async def test_failure_is_an_error_event(openai, painter, end, words):
    reading, _ = await started(openai)
    await getattr(painter, end)(await painter.take())
    with pytest.raises(library.APIError, match=words):
        await reading


async def test_wrong_argument_is_refused_before_the_stream(openai):
    reading, _ = await started(openai, size="huge")
    with pytest.raises(library.BadRequestError) as caught:
        await reading
    assert caught.value.param == "size"


@pytest.mark.parametrize("overrides", [{"cancel_on_hang_up": ("openai",)}])
async def test_hanging_up_cancels_if_the_operator_says_so(openai, services, painter, overrides):
    reading, events = await started(openai, partial_images=1)
    lease = await painter.take()
    await painter.advance(lease, 10, 20, b"preview")
    await events.get()
    reading.cancel()
    await asyncio.wait([reading])
    await openai.close()
    async for view in services.queue.watch(lease.task.id):
        last = view
    assert last.status == "canceled"

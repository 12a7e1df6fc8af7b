"""Against a real server; and, where the server would take seconds, the flow alone, without a network."""

import asyncio

import httpx
import pytest
from hua_client import (
    AsyncHua,
    ConnectionFailedError,
    Ended,
    ImageInfo,
    InvalidRequestError,
    LimitError,
    NotFoundError,
    Preview,
    Progress,
    Queued,
    Running,
    TaskCanceledError,
    TaskFailedError,
    UnauthorizedError,
    UnavailableError,
    WaitTimeoutError,
    WithheldError,
)
from hua_client.calls import Calls
from hua_client.flow import Emit, Pause, Read, Reply, Send, Steps

from server.tenancy.auth import new_key
from tests.support.painter import png_file
from tests.support.restartable_server import CutLine

KEY, KEY_HASH = new_key("red")
ACCEPTED = Reply(202, {}, b'{"id": "1"}')


async def test_task_from_queue_to_file(server, hua, tmp_path):
    task = await hua.submit("txt2img.sd", text="a house", seed=7, num_samples=2)
    events = aiter(task.events())
    assert await anext(events) == Queued(1)
    lease = await server.painter.take()
    assert await anext(events) == Running()
    await server.painter.advance(lease, 1, 20, b"jpeg")
    assert [await anext(events), await anext(events)] == [Progress(1, 20), Preview(b"jpeg")]
    assert (task.status, task.progress) == ("running", Progress(1, 20))
    await server.painter.finish(lease)
    assert isinstance(await anext(events), Ended)
    assert [event async for event in events] == []
    assert (task.status, [image.seed for image in task.images]) == ("succeeded", [7, 8])
    assert await task.save(tmp_path / "a.png") == [tmp_path / "a-0.png", tmp_path / "a-1.png"]
    assert (tmp_path / "a-0.png").read_bytes() == png_file()


async def test_options_reach_the_task(painting, hua):
    options = {"priority": "high", "retention": "7d", "format": "webp", "quality": 80, "idempotency_key": "order-1"}
    task = await hua.txt2img("a house", options=options)
    assert [task.raw[name] for name in ("priority", "retention")] == ["high", "7d"]
    assert task.image.format == "webp"
    assert (await hua.txt2img("a house", options=options)).id == task.id


async def test_failed_and_canceled_tasks_are_errors(server, hua):
    task = await hua.submit("txt2img.sd", text="a house")
    await server.painter.fail(await server.painter.take())
    with pytest.raises(TaskFailedError, match="ask for a smaller size") as failed:
        await task.wait()
    assert (failed.value.code, failed.value.task) == ("out_of_memory", task)
    task = await hua.submit("txt2img.sd", text="a house")
    assert (await hua.cancel(task.id)).status == "canceled"
    with pytest.raises(TaskCanceledError):
        await task.wait()


async def test_withheld_image_is_an_error(server, hua):
    task = await hua.submit("txt2img.sd", text="a house")
    await server.painter.withhold(await server.painter.take())
    assert (await task.wait()).image.safe is False
    with pytest.raises(WithheldError, match="concept 9"):
        await task.image.read()


async def test_refusal_has_the_sentence_and_the_field_of_the_server(hua):
    with pytest.raises(InvalidRequestError, match="greater than or equal to 1") as refused:
        await hua.submit("txt2img.sd", text="a", num_steps=0)
    error = refused.value
    assert (error.status, error.code, error.field) == (422, "invalid_params", "num_steps")
    with pytest.raises(NotFoundError):
        await hua.task("0" * 32)


@pytest.mark.parametrize("overrides", [{"api_keys": (KEY_HASH,)}])
async def test_key_is_sent_and_links_need_none(server, painting):
    http = httpx.AsyncClient(trust_env=False)
    with pytest.raises(UnauthorizedError):
        await AsyncHua(server.url, http=http).models()
    async with AsyncHua(server.url, KEY, http=http) as hua:
        task = await hua.txt2img("a house")
        assert await task.image.read() == png_file()


async def test_lost_answer_does_not_paint_twice(server, hua):
    async with CutLine(server.url, cut=1) as line, AsyncHua(line.url, http=httpx.AsyncClient(trust_env=False)) as far:
        task = await far.submit("txt2img.sd", text="a house")
    assert [known.id async for known in hua.tasks()] == [task.id]


async def test_task_is_waited_for_across_a_restart_of_the_server(server, hua):
    task = await hua.submit("txt2img.sd", text="a house")
    events = aiter(task.events())
    assert await anext(events) == Queued(1)
    rest = asyncio.create_task(_all(events))
    await server.stop()
    await server.start()
    await server.painter.finish(await server.painter.take())
    assert [event for event in await rest if isinstance(event, Queued | Ended)] == [Ended("succeeded", task.raw)]


async def test_line_that_cuts_every_stream_is_no_end(server, hua):
    task = await hua.submit("txt2img.sd", text="a house")
    await server.painter.finish(await server.painter.take())
    async with CutLine(server.url, cut=2) as line, AsyncHua(line.url, http=httpx.AsyncClient(trust_env=False)) as far:
        assert (await (await far.task(task.id)).wait()).status == "succeeded"


async def test_dead_server_is_given_up(impatient, server):
    task = await impatient.submit("txt2img.sd", text="a house")
    http = httpx.AsyncClient(trust_env=False)
    async with CutLine(server.url, cut=99) as line, AsyncHua(line.url, retry_s=0, http=http) as far:
        with pytest.raises(ConnectionFailedError, match="is it running"):
            await far.task(task.id)


async def test_wait_has_a_time_limit(hua):
    task = await hua.submit("txt2img.sd", text="a house")
    with pytest.raises(WaitTimeoutError, match="goes on"):
        await task.wait(timeout_s=0.05)


@pytest.mark.parametrize("overrides", [{"task_limit": 1}])
async def test_limit_is_an_error_when_time_is_up(impatient):
    await impatient.submit("txt2img.sd", text="a house")
    with pytest.raises(LimitError) as refused:
        await impatient.submit("txt2img.sd", text="a house")
    assert refused.value.code == "7001"


async def test_tasks_of_all_pages(hua, server):
    ids = [(await hua.submit("txt2img.sd", text="a", options={"idempotency_key": str(n)})).id for n in range(52)]
    assert [task.id async for task in hua.tasks()] == ids[::-1]
    assert [task.id async for task in hua.tasks("succeeded")] == []


async def test_models(hua):
    assert [(model.name, model.base) for model in await hua.models(kind="lora")] == [("ink", "sd1")]


def submission() -> Steps:
    return Steps(Calls("http://hua", None, 60).submit("txt2img.sd", {"text": "a"}, {}))


@pytest.mark.parametrize("status", [429, 503])
def test_refusal_for_a_while_is_repeated_after_its_time(status):
    steps = submission()
    first = steps.effect
    steps.answer(Reply(status, {"retry-after": "7"}, b""))
    assert steps.effect == Pause(7.0)
    steps.answer(None)
    assert isinstance(first, Send)
    assert steps.effect == first  # the Idempotency-Key, too
    steps.answer(ACCEPTED)
    assert (steps.effect, steps.result) == (None, {"id": "1"})


def test_limit_that_no_waiting_lifts_is_an_error_at_once():
    with pytest.raises(LimitError):
        submission().answer(Reply(429, {}, b""))


def test_task_is_asked_for_where_no_stream_is_left():
    steps = Steps(Calls("http://hua", None, 60).follow("1", None))
    steps.answer(Reply(429, {"retry-after": "2"}, b""))
    assert isinstance(steps.effect, Send)
    steps.answer(Reply(200, {}, b'{"status": "running"}'))
    assert isinstance(steps.effect, Pause)


def test_what_a_new_stream_repeats_is_no_news():
    steps = Steps(Calls("http://hua", None, 60).follow("1", None))
    queued = b'event: queued\ndata: {"position": 1}\n\n'
    steps.answer(Reply(200, {}, b""))
    steps.answer(queued)
    assert steps.effect == Emit(Queued(1))
    steps.answer(None)
    steps.answer(None)  # the stream ends
    steps.answer(Reply(200, {}, b'{"status": "queued"}'))
    steps.answer(None)
    steps.answer(Reply(200, {}, b""))
    steps.answer(queued)
    assert steps.effect == Read()
    for status in ("running", "queued"):  # its worker has died
        steps.answer(queued if status == "queued" else b"event: running\ndata: {}\n\n")
        assert isinstance(steps.effect, Emit)
        steps.answer(None)


def test_task_that_moves_to_the_next_page_comes_once():
    steps = Steps(Calls("http://hua", None, 60).list_tasks(None))
    page = b'{"tasks": [{"id": "1"}], "total": 60}'
    steps.answer(Reply(200, {}, page))
    assert steps.effect == Emit({"id": "1"})
    steps.answer(None)
    steps.answer(Reply(200, {}, page))
    assert steps.effect is None


def test_address_may_have_a_path_and_other_hosts_get_no_key():
    calls = Calls("http://proxy/hua/", "secret", 60)
    asked = Steps(calls.read("1")).effect
    assert isinstance(asked, Send)
    assert (asked.request.url, asked.request.headers) == (
        "http://proxy/hua/v1/tasks/1",
        {"Authorization": "Bearer secret"},
    )
    image = {"width": 8, "height": 8, "format": "png", "expires_at": "2026-11-30T00:00:00Z"}
    for link, address in (
        ("http://public/x/files/1/0.png?expires=1", "http://proxy/hua/files/1/0.png?expires=1"),
        ("http://elsewhere/0.png", "http://elsewhere/0.png"),
    ):
        asked = Steps(calls.download(ImageInfo(image | {"url": link}, "1", 0))).effect
        assert isinstance(asked, Send)
        assert (asked.request.url, asked.request.headers) == (address, {})


def test_pauses_grow_to_a_limit_and_end_in_an_error():
    steps = submission()
    for longest in (0.25, 0.5, 1, 2, 4, 8, 8):
        steps.fail(httpx.ConnectError("refused"))
        assert isinstance(steps.effect, Pause)
        assert longest / 2 <= steps.effect.seconds <= longest
        steps.answer(None)
    steps = submission()
    with pytest.raises(UnavailableError):
        steps.answer(Reply(503, {"retry-after": "61"}, b""))


async def _all(events):
    return [event async for event in events]

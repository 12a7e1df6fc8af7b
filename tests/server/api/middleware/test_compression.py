import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from server.api.middleware.compression import MIN_BYTES, Compression

LARGE = {"words": ["a red house on the grass"] * 1000}
TAG = '"1"'


async def answer(request: Request) -> Response:
    if TAG in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": TAG})
    return JSONResponse(LARGE, headers={"ETag": TAG})


@pytest.fixture
async def client():
    routes = [
        Route("/large", answer, methods=["GET", "POST"]),
        Route("/small", lambda _: Response("x" * (MIN_BYTES - 1), media_type="text/plain")),
    ]
    transport = httpx.ASGITransport(Compression(Starlette(routes=routes)))
    async with httpx.AsyncClient(transport=transport, base_url="http://hua") as client:
        yield client


async def test_large_answer_is_compressed(client):
    reply = await client.get("/large")
    assert (reply.headers["content-encoding"], reply.json()) == ("gzip", LARGE)
    assert int(reply.headers["content-length"]) == reply.num_bytes_downloaded < 1000
    assert reply.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(("method", "path", "encodings"), [
    ("GET", "/large", "identity"),
    ("GET", "/small", "gzip"),
    ("POST", "/large", "gzip"),
])  # fmt: skip
async def test_other_answers_stay_as_they_are(client, method, path, encodings):
    reply = await client.request(method, path, headers={"Accept-Encoding": encodings})
    assert "content-encoding" not in reply.headers
    assert reply.headers.get("etag", TAG) == TAG


@pytest.mark.parametrize("known", ['W/"1"', '"0", W/"1"'])
async def test_compressed_answer_and_its_304_have_the_same_weak_tag(client, known):
    assert (await client.get("/large")).headers["etag"] == 'W/"1"'
    again = await client.get("/large", headers={"If-None-Match": known})
    assert (again.status_code, again.headers["etag"]) == (304, 'W/"1"')


async def test_304_repeats_a_strong_tag(client):
    assert (await client.get("/large", headers={"If-None-Match": TAG})).headers["etag"] == TAG


async def test_events_go_out_at_once():
    """Each part is sent before the next one is there, as it is."""
    sent: list[bytes] = []

    async def parts():
        for number in range(3):
            assert len(sent) == number
            yield f"data: {number}{'x' * MIN_BYTES}\n\n"

    async def send(message):
        if message.get("body"):
            sent.append(message["body"])

    async def receive():
        return {"type": "http.request", "body": b""}

    stream = StreamingResponse(parts(), media_type="text/event-stream")
    scope = {
        "type": "http",
        "method": "GET",
        "headers": [(b"accept-encoding", b"gzip")],
        "asgi": {"spec_version": "2.4"},
    }
    await Compression(stream)(scope, receive, send)
    assert [part[:7] for part in sent] == [b"data: 0", b"data: 1", b"data: 2"]

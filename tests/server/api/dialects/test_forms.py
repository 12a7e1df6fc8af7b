import pytest
from starlette.requests import Request
from starlette.types import Message

from server.api.dialects.forms import Form, is_form, read_form


def request(body: bytes, content_type: str) -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    return Request({"type": "http", "headers": [(b"content-type", content_type.encode())]}, receive)


def multipart(*parts: tuple[str, bytes]) -> Request:
    """Each part: the rest of its Content-Disposition after `form-data; `, and its body."""
    body = b"".join(b"--b\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (p.encode(), d) for p, d in parts)
    return request(body + b"--b--\r\n", "multipart/form-data; boundary=b")


async def test_texts_and_files_are_read_by_name_in_their_order():
    form = await read_form(
        multipart(
            ('name="prompt"', "画".encode()),
            ('name="image[]"; filename="a.png"', b"first"),
            ('name="image[]"; filename="b.png"', b"second"),
            ('name="mask"; filename="blob"', b""),
            ('name="tags[]"', b"1"),
            ('name="tags[]"', b"2"),
            ('name="lora[ink]"', b"0.5"),
            ('name="lora[oil]"', b"1"),
            ('name="twice"', b"x"),
            ('name="twice"', b"y"),
        ),
        max_files=3,
    )
    assert form == Form(
        {"prompt": "画", "tags": ["1", "2"], "lora": {"ink": "0.5", "oil": "1"}, "twice": ["x", "y"]},
        {"image": [b"first", b"second"], "mask": [b""]},
    )


async def test_urlencoded_form_is_read():
    form = await read_form(request(b"prompt=a+cat&n=2", "application/x-www-form-urlencoded"), max_files=0)
    assert form == Form({"prompt": "a cat", "n": "2"}, {})


@pytest.mark.parametrize(
    ("content_type", "expected"), [("multipart/form-data; boundary=x", True), ("application/json", False), ("", False)]
)
def test_content_type_tells_a_form(content_type, expected):
    assert is_form(request(b"", content_type)) is expected


@pytest.mark.parametrize("path", ["/v1/images/edits", "/v1/images/variations", "/generate", "/v1/ideogram-v3/generate"])
@pytest.mark.parametrize("content_type", ["text/plain", ""])
async def test_body_that_is_not_declared_as_json_is_not_parsed(client, path: str, content_type: str) -> None:
    """Its depth and its values have not been counted."""
    reply = await client.post(path, content=b"[" * 100_000, headers={"Content-Type": content_type})
    assert reply.status_code == 400

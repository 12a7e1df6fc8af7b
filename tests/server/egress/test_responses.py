import time
from email.utils import formatdate

import httpx
import pytest

from server.egress.responses import EgressFailedError, failure_message, raise_unless_ok, read_body, retry_after_s
from server.egress.target_url import TargetUrl

TARGET = TargetUrl.parse("http://images.example/cat.png")


@pytest.mark.parametrize(("status", "permanent"), [(204, True), (404, True), (408, False), (429, False), (503, False)])
def test_raise_unless_ok_tells_permanent_errors(status: int, permanent: bool) -> None:
    raise_unless_ok(httpx.Response(200), TARGET)
    with pytest.raises(EgressFailedError, match=f"images.example answered {status}") as caught:
        raise_unless_ok(httpx.Response(status), TARGET)
    assert caught.value.permanent is permanent


async def test_read_body_stops_at_the_limit() -> None:
    async def chunks():
        for _ in range(3):
            yield b"1234"

    assert await read_body(httpx.Response(200, content=chunks()), TARGET, 12) == b"1234" * 3
    with pytest.raises(EgressFailedError, match="more than 11 bytes"):
        await read_body(httpx.Response(200, content=chunks()), TARGET, 11)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] 10.0.0.1"), "is not trusted"),
        (httpx.ProxyError("10.0.0.1"), "proxy"),
        (httpx.ConnectTimeout("10.0.0.1"), "does not accept connections"),
        (httpx.ReadError("10.0.0.1"), "broke"),
    ],
)
def test_failure_message_hides_the_text_of_httpx(error: httpx.HTTPError, message: str) -> None:
    text = failure_message(TARGET, error)
    assert message in text
    assert "images.example" in text
    assert "10.0.0.1" not in text


@pytest.mark.parametrize("header", [None, "soon", f"1 Jan {'9' * 20} 00:00:00 GMT"])
def test_retry_after_is_none_for_other_headers(header: str | None) -> None:
    assert retry_after_s(header) is None


def test_retry_after_reads_seconds_and_dates() -> None:
    assert retry_after_s("7") == 7.0
    assert 50 < retry_after_s(formatdate(time.time() + 60, usegmt=True)) <= 61
    assert retry_after_s(formatdate(0, usegmt=True)) == 0.0

import asyncio
import re
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from server.settings import Settings, SettingsError
from server.storage.bucket import Bucket, BucketUnavailableError
from server.storage.s3 import open_bucket, read_credentials
from tests.support.tls import certified, listening

EMPTY_LIST = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"


def bucket_of(settings: dict[str, object], **changes: object) -> Bucket:
    return open_bucket(Settings(**settings | changes))


def get(url: str) -> httpx.Response:
    """A GET as a client without a key sends it."""
    return httpx.get(url, trust_env=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bucket": "s3://no-such-bucket"}, r"NoSuchBucket.*create this bucket"),
        ({"bucket": "s3:///x"}, r"write s3://BUCKET"),
        ({"s3_secret_key": "a-wrong-key"}, r"SignatureDoesNotMatch.*HUA_S3_SECRET_KEY"),
        ({"s3_access_key": "wrong"}, r"HUA_S3_ACCESS_KEY"),
        ({"s3_secret_key": ""}, r"HUA_S3_SECRET_KEY is not"),
        ({"bucket": "s3://a bucket"}, r"write s3://BUCKET"),
        ({"bucket": "s3://a/../b"}, r"write s3://BUCKET"),
        ({"s3_addressing": "virtual"}, r"needs a host name"),
        ({"s3_region": "mars-1"}, r"HUA_S3_REGION"),
        ({"s3_ca": "nowhere.pem"}, r"HUA_S3_CA=nowhere.pem cannot be read"),
        ({"s3_ca": __file__}, r"HUA_S3_CA=.* is not a PEM file"),
        ({"s3_credentials_dir": "nowhere"}, r"HUA_S3_CREDENTIALS_DIR=nowhere must hold"),
    ],
)
def test_open_bucket_refuses_wrong_settings_in_one_line(s3_settings, changes, message) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        bucket_of(s3_settings, **changes)
    assert "\n" not in str(caught.value)
    assert "a-wrong-key" not in str(caught.value)


class Strict(BaseHTTPRequestHandler):
    """Answers 403: a client that gets this answer has trusted the certificate."""

    def do_PUT(self) -> None:
        self.send_error(403)

    def log_message(self, *words: object) -> None: ...


def test_s3_ca_is_trusted(tmp_path: Path) -> None:
    certificate = certified(tmp_path)
    with listening(Strict, certificate) as url:
        settings = {"bucket": "s3://hua", "s3_endpoint": url, "s3_access_key": "a", "s3_secret_key": "b"}
        with pytest.raises(SettingsError, match="HUA_S3_CA"):
            bucket_of(settings)
        for trusting in ({"s3_ca": certificate.authority}, {"s3_ca": certificate.bundle}, {"s3_verify_tls": False}):
            with pytest.raises(SettingsError, match="the permissions of this key"):
                bucket_of(settings, **trusting)


def test_open_bucket_leaves_nothing_in_the_bucket(own_s3) -> None:
    bucket = bucket_of(own_s3.settings)
    assert asyncio.run(bucket.keys("checks")) == []


async def test_open_bucket_tolerates_an_unavailable_s3(own_s3, caplog) -> None:
    own_s3.stop()
    bucket = bucket_of(own_s3.settings)
    assert "check that S3 runs" in caplog.text
    for work in (bucket.put("a", b"x"), bucket.get("a"), bucket.keys("a"), bucket.folders("a"), bucket.delete(["a"])):
        with pytest.raises(BucketUnavailableError, match="reached") as caught:
            await work
        assert str(own_s3.port) not in str(caught.value), "clients see this text, and not our network"
    with pytest.raises(BucketUnavailableError):
        await bucket.check()
    own_s3.start()
    await bucket.check()
    assert await bucket.keys("checks") == []
    await bucket.put("a", b"x")
    assert await bucket.get("a") == b"x"


async def test_silent_s3_times_out(own_s3) -> None:
    """Each request times out after a second and is tried three times at most."""
    bucket = bucket_of(own_s3.settings, s3_timeout_s=1)
    await bucket.put("a", b"x")
    own_s3.pause()
    began = time.monotonic()
    writing, reading = bucket.put("a", b"y"), bucket.get("a")
    answers = await asyncio.gather(writing, reading, return_exceptions=True)
    assert all(isinstance(answer, BucketUnavailableError) for answer in answers), answers
    assert time.monotonic() - began < 20
    own_s3.resume()
    assert await bucket.get("a") in {b"x", b"y"}


async def test_missing_bucket_is_an_error_not_a_missing_key(own_s3, tmp_path) -> None:
    """Otherwise every settled task would look unsettled."""
    bucket = bucket_of(own_s3.settings)
    shutil.rmtree(tmp_path / "s3" / "buckets" / own_s3.bucket)
    for work in (
        bucket.put("a", b"x"),
        bucket.get("a"),
        bucket.get_part("a", 0, 1),
        bucket.manifest("a"),
        bucket.check(),
    ):
        with pytest.raises(BucketUnavailableError, match="NoSuchBucket"):
            await work
    with pytest.raises(BucketUnavailableError, match="NoSuchBucket"):
        await bucket.delete(["a", "b"])


async def test_link_allows_one_object_until_it_expires(s3_settings, running_s3) -> None:
    bucket = bucket_of(s3_settings, s3_public_endpoint=running_s3.endpoint)
    await bucket.put("images/a.webp", b"picture")
    link = await bucket.link("images/a.webp", 2)
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link
    reply = get(link)
    assert (reply.status_code, reply.content, reply.headers["content-type"]) == (200, b"picture", "image/webp")
    assert get(link.replace("a.webp", "b.webp")).status_code == 403
    assert get(link.partition("?")[0]).status_code == 403
    deadline = time.monotonic() + 10
    while get(link).status_code == 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)
    assert get(link).status_code == 403


async def test_link_is_none_without_a_public_endpoint(s3_settings) -> None:
    assert await bucket_of(s3_settings).link("a", 60) is None


@pytest.mark.parametrize(
    ("addressing", "begins"),
    [("path", "http://localhost:1/hua/in/here/a?"), ("virtual", "http://hua.localhost:1/in/here/a?")],
)
async def test_links_follow_the_addressing(addressing, begins) -> None:
    settings = {"bucket": "s3://hua/in/here/", "s3_access_key": "k", "s3_secret_key": "s", "s3_session_token": "t/t"}
    endpoints = {"s3_endpoint": "http://localhost:2", "s3_public_endpoint": "http://localhost:1/"}
    link = await bucket_of(settings, **endpoints, s3_addressing=addressing).link("a", 60)
    assert link.startswith(begins)
    assert "X-Amz-Security-Token=t%2Ft" in link


async def test_delete_sends_one_bulk_request(own_s3) -> None:
    bucket = bucket_of(own_s3.settings)
    keys = [f"a/{number}" for number in range(20)]
    await asyncio.gather(*(bucket.put(key, b"x") for key in keys))
    before = len(own_s3.requests())
    await bucket.delete(keys)
    assert len(own_s3.requests()) - before == 1
    assert await bucket.keys("a") == []


@pytest.fixture
def without_bulk_delete() -> Iterator[SimpleNamespace]:
    """A store that does not support bulk deletion."""
    got: list[str] = []

    class Store(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, EMPTY_LIST)

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self._answer(200)

        def do_DELETE(self) -> None:
            self._answer(204)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self._answer(501)

        def _answer(self, status: int, body: bytes = b"") -> None:
            got.append(f"{self.command} {self.path}")
            self.send_response(status)
            self.send_header("ETag", '"1"')
            self.send_header("Last-Modified", "Sat, 21 Nov 2026 12:00:00 GMT")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield SimpleNamespace(endpoint=f"http://127.0.0.1:{server.server_port}", got=got)
    server.shutdown()
    server.server_close()
    thread.join()


async def test_bulk_delete_can_be_turned_off(without_bulk_delete) -> None:
    settings = {
        "bucket": "s3://b",
        "s3_endpoint": without_bulk_delete.endpoint,
        "s3_access_key": "k",
        "s3_secret_key": "s",
    }
    with pytest.raises(SettingsError, match="HUA_S3_BULK_DELETE=false"):
        bucket_of(settings)
    bucket = bucket_of(settings, s3_bulk_delete=False)
    without_bulk_delete.got.clear()
    await bucket.delete(["x", "y"])
    assert sorted(without_bulk_delete.got) == ["DELETE /b/x", "DELETE /b/y"]


async def test_credentials_are_read_from_files_again(own_s3, tmp_path) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "access_key").write_text(own_s3.access_key + "\n")
    (folder / "secret_key").write_text(own_s3.secret_key + "\n")
    bucket = bucket_of(own_s3.settings, s3_access_key="", s3_secret_key="", s3_credentials_dir=folder)
    await bucket.put("a", b"x")
    assert read_credentials(folder)["token"] is None
    (folder / "session_token").write_text("token")
    (folder / "access_key").write_text("new")
    now = read_credentials(folder)
    assert (now["access_key_id"], now["token"]) == ("new", "token")
    assert now["expires_at"] is not None, "the files are read again after that"


async def test_requests_are_signed_v4_and_use_the_prefix(own_s3) -> None:
    settings = own_s3.settings
    bucket = bucket_of(settings, bucket=f"{settings['bucket']}/our/prefix")
    await bucket.put("a", b"x")
    assert re.search(r"s3_PutObject our/prefix/a .* SigV4 ", own_s3.requests()[-1])

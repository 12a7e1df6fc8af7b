"""Against a real Redis and a real S3, and with what may be wrong with them."""

from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import redis

from server.commands.preflight.stores import _s3_clock, check_bucket, check_queue
from server.settings import Settings
from tests.support.redis_server import RedisServer
from tests.support.s3_server import S3Server
from tests.support.tls import certified, listening


def results(check, **settings: object) -> dict[str, str]:
    return {finding.check: finding.result for finding in check(Settings(**settings))}


def said(check, **settings: object) -> str:
    return " ".join(f"{finding.message} {finding.advice}" for finding in check(Settings(**settings)))


def test_a_redis_as_it_should_be(redis_url: str) -> None:
    found = results(check_queue, queue=redis_url)
    assert found.pop("redis latency") in {"ok", "warn"}  # on a busy machine
    names = ("redis", "redis eviction", "redis persistence", "redis clock")
    assert found == dict.fromkeys(names, "ok")
    with redis.Redis.from_url(redis_url) as client:
        assert client.keys("*") == []


def test_a_redis_that_evicts_or_knows_another_password_is_told(own_redis: RedisServer) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert results(check_queue, queue=own_redis.url)["redis eviction"] == "fail"
        client.config_set("requirepass", "hush")
    wrong = own_redis.url.replace("redis://", "redis://:wr0ng@")
    assert results(check_queue, queue=wrong) == {"redis": "fail"}
    assert "check the user and the password in HUA_QUEUE" in said(check_queue, queue=wrong)
    assert "wr0ng" not in said(check_queue, queue=wrong)


@pytest.mark.parametrize(
    ("url", "says"),
    [("redis://127.0.0.1:1/0", "check that Redis runs"), ("redis://localhost:many", "is not an address of Redis")],
)
def test_a_redis_that_is_nowhere_is_told(url: str, says: str) -> None:
    assert says in said(check_queue, queue=url)


def test_an_s3_as_it_should_be(own_s3: S3Server) -> None:
    found = results(check_bucket, **own_s3.settings, s3_public_endpoint=own_s3.endpoint)
    names = ("put", "get", "range", "list", "link", "delete", "clock")
    assert found == {f"bucket {name}": "ok" for name in names}
    assert results(check_bucket, **own_s3.settings)["bucket link"] == "skipped"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"bucket": "s3://no-such-bucket"}, "create this bucket"),
        ({"s3_secret_key": "wr0ng"}, "check HUA_S3_SECRET_KEY"),
        ({"s3_endpoint": "http://127.0.0.1:1"}, "check that S3 runs"),
    ],
)
def test_faults_of_s3_are_reported(s3_settings, changes: dict[str, str], says: str) -> None:
    settings = s3_settings | changes
    assert results(check_bucket, **settings) == {"bucket": "fail"}
    assert says in said(check_bucket, **settings)


def test_a_public_endpoint_where_nobody_is_is_told(s3_settings) -> None:
    found = results(check_bucket, **s3_settings, s3_public_endpoint="http://127.0.0.1:1")
    assert found["bucket link"] == "warn"
    assert found["bucket delete"] == "ok"


class Tells(BaseHTTPRequestHandler):
    """What time it is, with every answer."""

    def do_GET(self) -> None:
        self.send_error(403)

    def log_message(self, *words: object) -> None: ...


async def test_the_clock_is_asked_of_whom_the_bucket_trusts(tmp_path: Path) -> None:
    given = certified(tmp_path)
    with listening(Tells, given) as url:
        assert (await _s3_clock(Settings(s3_endpoint=url, s3_ca=given.bundle))).result == "ok"
        assert (await _s3_clock(Settings(s3_endpoint=url, s3_verify_tls=False))).result == "ok"
        assert (await _s3_clock(Settings(s3_endpoint=url))).result == "skipped"


def test_a_folder_is_checked_as_well(tmp_path: Path) -> None:
    found = results(check_bucket, data_dir=tmp_path)
    assert (found["bucket put"], found["bucket delete"]) == ("ok", "ok")

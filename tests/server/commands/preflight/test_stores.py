"""The checks against a real Redis and a real S3, both healthy and faulty."""

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


def text(check, **settings: object) -> str:
    return " ".join(f"{finding.message} {finding.advice}" for finding in check(Settings(**settings)))


def test_check_queue_accepts_a_healthy_redis(redis_url: str) -> None:
    found = results(check_queue, queue=redis_url)
    assert found.pop("redis latency") in {"ok", "warn"}  # on a busy machine
    names = ("redis", "redis eviction", "redis persistence", "redis clock")
    assert found == dict.fromkeys(names, "ok")
    with redis.Redis.from_url(redis_url) as client:
        assert client.keys("*") == []


def test_check_queue_fails_on_eviction_and_on_a_wrong_password(own_redis: RedisServer) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert results(check_queue, queue=own_redis.url)["redis eviction"] == "fail"
        client.config_set("requirepass", "hush")
    wrong = own_redis.url.replace("redis://", "redis://:wr0ng@")
    assert results(check_queue, queue=wrong) == {"redis": "fail"}
    assert "check the user and the password in HUA_QUEUE" in text(check_queue, queue=wrong)
    assert "wr0ng" not in text(check_queue, queue=wrong)


@pytest.mark.parametrize(
    ("url", "says"),
    [("redis://127.0.0.1:1/0", "check that Redis runs"), ("redis://localhost:many", "is not an address of Redis")],
)
def test_check_queue_reports_an_unreachable_or_invalid_address(url: str, says: str) -> None:
    assert says in text(check_queue, queue=url)


def test_check_bucket_accepts_a_healthy_s3(own_s3: S3Server) -> None:
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
def test_check_bucket_reports_s3_faults(s3_settings, changes: dict[str, str], says: str) -> None:
    settings = s3_settings | changes
    assert results(check_bucket, **settings) == {"bucket": "fail"}
    assert says in text(check_bucket, **settings)


def test_check_bucket_warns_of_an_unreachable_public_endpoint(s3_settings) -> None:
    found = results(check_bucket, **s3_settings, s3_public_endpoint="http://127.0.0.1:1")
    assert found["bucket link"] == "warn"
    assert found["bucket delete"] == "ok"


class ForbiddenHandler(BaseHTTPRequestHandler):
    """Answers 403 with a Date header."""

    def do_GET(self) -> None:
        self.send_error(403)

    def log_message(self, *args: object) -> None: ...


async def test_s3_clock_uses_the_tls_settings_of_the_bucket(tmp_path: Path) -> None:
    certificate = certified(tmp_path)
    with listening(ForbiddenHandler, certificate) as url:
        assert (await _s3_clock(Settings(s3_endpoint=url, s3_ca=certificate.bundle))).result == "ok"
        assert (await _s3_clock(Settings(s3_endpoint=url, s3_verify_tls=False))).result == "ok"
        assert (await _s3_clock(Settings(s3_endpoint=url))).result == "skipped"


def test_check_bucket_checks_a_folder(tmp_path: Path) -> None:
    found = results(check_bucket, data_dir=tmp_path)
    assert (found["bucket put"], found["bucket delete"]) == ("ok", "ok")

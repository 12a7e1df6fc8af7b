import logging

import pytest
import redis

from server.queue.redis import connection
from server.queue.redis.connection import check, without_password
from server.settings import SettingsError


@pytest.mark.parametrize("url", ["redis://localhost:many", "http://localhost", "redis"])
def test_wrong_address_is_refused(url) -> None:
    with pytest.raises(SettingsError, match=r"HUA_QUEUE=.* is not an address of Redis: .* use redis://"):
        check(url)


def test_old_redis_is_refused(redis_url, monkeypatch) -> None:
    monkeypatch.setattr(connection, "OLDEST_VERSION", (99, 0))
    with pytest.raises(SettingsError, match=r"is Redis \d.*; it must be 99.0 or newer"):
        check(redis_url)


@pytest.mark.parametrize(
    ("redis_url", "says"),
    [
        ("redis://[::1", "Invalid IPv6"),
        ("redis://127.0.0.1:1/0?colour=red", "unexpected keyword argument 'colour'"),
        ("rediss://127.0.0.1:1/0?ssl_ca_certs=/nowhere.pem", "ssl_ca_certs=/nowhere.pem cannot be used (No such file"),
        (f"rediss://127.0.0.1:1/0?ssl_ca_certs={__file__}", "cannot be used"),
    ],
)
def test_address_that_no_later_try_could_use_is_refused(redis_url, says) -> None:
    with pytest.raises(SettingsError) as refused:
        check(redis_url)
    assert says in str(refused.value)


def test_eviction_policy_is_warned_about(redis_url, caplog) -> None:
    check(redis_url)
    assert not caplog.records
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        check(redis_url)
        client.config_set("maxmemory-policy", "noeviction")
    [record] = caplog.records
    assert (record.levelno, "set maxmemory-policy noeviction" in record.getMessage()) == (logging.WARNING, True)


@pytest.mark.parametrize("password", ["", ":wrong@"])
def test_wrong_password_is_refused(own_redis, password) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("requirepass", "hush")
    with pytest.raises(SettingsError, match="check the user and the password in HUA_QUEUE") as refused:
        check(own_redis.url.replace("redis://", f"redis://{password}"))
    assert "wrong@" not in str(refused.value)
    check(own_redis.url.replace("redis://", "redis://:hush@"))


def test_unreachable_redis_is_waited_for(caplog) -> None:
    check("redis://127.0.0.1:1/0")
    assert "check that Redis runs" in caplog.text


def test_messages_show_no_password() -> None:
    assert without_password("rediss://me:hush@redis.example:6380/3") == "rediss://redis.example:6380/3"

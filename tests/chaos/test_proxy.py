"""The proxy delays, cuts and restores connections."""

from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.chaos.proxy import Proxy
from tests.support.redis_server import RedisServer


@pytest.fixture
def proxy(running_redis: RedisServer) -> Iterator[Proxy]:
    one = Proxy(running_redis.port)
    one.start()
    yield one
    one.stop()


def test_cut_proxy_is_silent_until_mended(proxy: Proxy) -> None:
    with redis.Redis(port=proxy.port, socket_timeout=0.3, retry=Retry(NoBackoff(), 0)) as client:
        assert client.ping()
        proxy.cut()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        proxy.mend()
        assert client.ping()


def test_delayed_proxy_answers_later(proxy: Proxy) -> None:
    with redis.Redis(port=proxy.port, socket_timeout=0.3, retry=Retry(NoBackoff(), 0)) as client:
        assert client.ping()
        proxy.delay_s = 0.5
        with pytest.raises(redis.TimeoutError):
            client.ping()
        proxy.delay_s = 0.0
        assert client.ping()

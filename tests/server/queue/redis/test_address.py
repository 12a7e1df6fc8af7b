import pytest

from server.queue.redis.address import hosts_of, options_of


@pytest.fixture
def kind() -> str:
    return "memory"


def test_hosts_have_the_default_port() -> None:
    assert hosts_of("me:hush@a:1,b,[::1]:3", 26379) == (("a", 1), ("b", 26379), ("::1", 3))


@pytest.mark.parametrize("netloc", ["", "a,,b", ":6379"])
def test_missing_host_name_is_refused(netloc: str) -> None:
    with pytest.raises(ValueError, match="is not a host name"):
        hosts_of(netloc, 6379)


def test_options_have_login_database_and_tls() -> None:
    options = options_of("rediss", "me:h%40sh@a:1,b:2", "3", {"ssl_ca_certs": "/ca.pem"})
    assert options == {"username": "me", "password": "h@sh", "db": 3, "ssl": True, "ssl_ca_certs": "/ca.pem"}


def test_options_without_a_login_use_database_0() -> None:
    assert options_of("redis", "a:1", "", {}) == {"db": 0, "ssl": False}

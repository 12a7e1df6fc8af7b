import socket
from collections.abc import Iterator

import httpx
import pytest

from server.process.health_server import Health, create_health_app, listen_nearby
from server.process.http_listener import listen
from server.settings import Settings, SettingsError
from tests.support.tools import free_port


async def get(health: Health, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(create_health_app(lambda: health))
    async with httpx.AsyncClient(transport=transport, base_url="http://role") as client:
        return await client.get(path)


@pytest.mark.parametrize(
    ("health", "alive", "ready"),
    [
        (Health(True, "ready"), 200, 200),
        (Health(False, "draining"), 200, 503),
        (Health(False, "the device hangs", alive=False), 503, 503),
    ],
)
async def test_probes_tell_waiting_roles_from_hanging_ones(health: Health, alive: int, ready: int) -> None:
    assert (await get(health, "/healthz")).status_code == alive
    reply = await get(health, "/readyz")
    assert (reply.status_code, reply.json()) == (ready, {"status": health.reason})


async def test_metrics_are_of_this_process() -> None:
    text = (await get(Health(True, "ready"), "/metrics")).text
    assert "hua_build_info" in text
    assert "hua_tasks_queued" not in text


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_listen_nearby_takes_the_next_free_port(used_port: int) -> None:
    listener = listen_nearby(Settings(metrics_port=used_port))
    assert listener is not None
    with listener:
        assert used_port < listener.getsockname()[1] <= used_port + 16


def test_listen_nearby_reports_an_unusable_address() -> None:
    with pytest.raises(SettingsError, match="set HUA_METRICS_HOST or HUA_METRICS_PORT"):
        listen_nearby(Settings(metrics_port=free_port(), metrics_host="203.0.113.1"))


def test_listen_nearby_opens_no_port_for_0() -> None:
    assert listen_nearby(Settings(metrics_port=0)) is None


def test_address_defaults_to_that_of_the_api() -> None:
    port = free_port()
    listener = listen_nearby(Settings(metrics_port=port))
    assert listener is not None
    with listener, listen("127.0.0.2", port):  # this port could not be bound if the listener had bound 0.0.0.0
        assert listener.getsockname()[0] == "127.0.0.1"

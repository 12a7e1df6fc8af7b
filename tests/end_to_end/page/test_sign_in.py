"""Signing in with an API key, on a server of its own that does not paint."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import BrowserContext, Page, expect

from server.api.app import create_app
from server.services import Services
from server.settings import Settings
from server.tenancy.auth import new_key
from tests.support.tools import until

KEY, STORED_KEY = new_key("ada")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that knows one key, in a thread: the browser's driver has the loop of this one."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"), models_dir=tmp_path_factory.mktemp("models"), api_keys=(STORED_KEY,)
    )
    server = uvicorn.Server(uvicorn.Config("unused", port=0, log_config=None, timeout_graceful_shutdown=1))

    async def serve() -> None:
        services = Services.from_settings(settings)
        server.config.app = create_app(services)
        await server.serve()
        await services.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join()


def sign_in(page: Page, key: str, on_device: bool = False) -> None:
    page.get_by_label("This server needs an API key.").fill(key)
    page.get_by_label("Keep the key on this device").set_checked(on_device)
    page.get_by_role("button", name="Sign in").click()


def test_wrong_key_is_told_and_right_key_opens_the_page(page: Page, address: str) -> None:
    page.goto(address)
    field = page.get_by_label("This server needs an API key.")
    expect(field).to_be_focused()
    sign_in(page, "hua-wrong")
    expect(page.get_by_role("alert").filter(has_text="This key is unknown")).to_be_visible()
    expect(field).to_be_focused()
    sign_in(page, KEY)
    expect(page.get_by_label("Prompt", exact=True)).to_be_visible()
    expect(field).to_be_hidden()
    expect(page.locator("main")).to_be_focused()


@pytest.mark.parametrize("on_device", [False, True])
def test_key_stays_on_the_device_if_asked(context: BrowserContext, page: Page, address: str, on_device: bool) -> None:
    page.goto(address)
    sign_in(page, KEY, on_device)
    expect(page.get_by_label("Prompt", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_label("Prompt", exact=True)).to_be_visible()
    other = context.new_page()
    other.goto(address)
    expect(other.get_by_label("Prompt" if on_device else "This server needs an API key.", exact=True)).to_be_visible()


def test_signing_out_forgets_the_key(page: Page, address: str) -> None:
    page.goto(address)
    sign_in(page, KEY, on_device=True)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("This server needs an API key.")).to_be_focused()
    expect(page.get_by_text("This key is unknown")).to_be_hidden()
    page.reload()
    expect(page.get_by_label("This server needs an API key.")).to_be_visible()
    assert KEY not in str(page.context.storage_state())

"""A browser, and the page of the running service in it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.artist import Artist
from tests.support.running_service import RunningService
from tests.support.tools import installed

TIMEOUT_MS = 30_000
TOY_SIDE = 128


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each file: asyncio cannot be used in the same thread as long as it lives."""
    with sync_playwright() as playwright:
        chromium = installed("chromium", "chromium")
        with playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser:
            yield browser


@pytest.fixture
def context_options() -> dict[str, object]:
    """Of the browser's window; a test may parametrize them."""
    return {}


@pytest.fixture
def context(browser: Browser, context_options: dict[str, object]) -> Iterator[BrowserContext]:
    """A browser of a person who was never here before."""
    options = {"locale": "en-US", "viewport": {"width": 1400, "height": 950}, "reduced_motion": "reduce"}
    with browser.new_context(**(options | context_options)) as context:
        context.set_default_timeout(TIMEOUT_MS)
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Fails where a script of the page has failed, or was refused by the Content-Security-Policy."""
    faults: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: "Content Security Policy" in message.text and faults.append(message.text))
    yield page
    assert not faults


@pytest.fixture
def artist(page: Page, service: RunningService) -> Artist:
    return Artist(page, service)


@pytest.fixture
def photo() -> np.ndarray:
    """A picture of the toys' size: a bright disc on a gradient, uint8 [128, 128, 3]."""
    rows, columns = np.mgrid[:TOY_SIDE, :TOY_SIDE]
    disc = ((rows - 64) ** 2 + (columns - 64) ** 2 < 1200)[:, :, None]
    return np.where(disc, 250, np.stack([rows, 128 - rows, columns], axis=2)).astype(np.uint8)

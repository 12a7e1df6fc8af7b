"""What a person reads who opens the page for the first time."""

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.artist import Artist
from tests.support.running_service import RunningService

PACKAGED = {"kind": "upscaler", "name": "realesrgan-x4plus"}
"""An upscaler of a package: it is there where there is no models folder, too."""
BROKEN = {"name": "ink", "problem": "ink.safetensors is cut short; copy it again"}
NO_CHECKPOINT = "There is no model that paints yet."


@pytest.fixture
def listed(service: RunningService) -> list[dict[str, Any]]:
    models: list[dict[str, Any]] = service.http.get("/v1/models").json()["data"]
    return models


def show(page: Page, models: list[dict[str, Any]]) -> None:
    """Opens the page of a server that has these models and no tasks."""

    def answer(route: Route) -> None:
        route.fulfill(json={"object": "list", "data": models})

    page.route("**/v1/models?*", answer)
    page.route("**/v1/tasks?*", lambda route: route.fulfill(json={"tasks": [], "total": 0}))


def test_without_a_checkpoint_the_page_says_what_to_do(
    artist: Artist, page: Page, listed: list[dict[str, Any]]
) -> None:
    show(page, [listed[0] | PACKAGED])
    page.goto(f"http://127.0.0.1:{artist.service.port}/")
    expect(page.get_by_text(NO_CHECKPOINT)).to_be_visible()


def test_broken_model_is_named_at_once_if_there_is_no_other(
    artist: Artist, page: Page, listed: list[dict[str, Any]]
) -> None:
    show(page, [listed[0] | BROKEN])
    page.goto(f"http://127.0.0.1:{artist.service.port}/")
    expect(page.get_by_text("Models that cannot be used: 1")).to_be_visible()
    expect(page.get_by_text(BROKEN["problem"])).to_be_visible()


def test_toys_beside_a_packaged_upscaler_offer_prompts(
    artist: Artist, page: Page, listed: list[dict[str, Any]]
) -> None:
    show(page, [*listed, listed[0] | PACKAGED])
    artist.open()
    page.get_by_role("button", name="a blue boat by the sea").click()
    expect(artist.field("Prompt")).to_have_value("a blue boat by the sea")
    expect(page.get_by_text(NO_CHECKPOINT)).to_be_hidden()
    pictures = page.locator(".examples img")
    assert pictures.evaluate_all("(all) => all.map((each) => each.complete && each.naturalWidth)") == [128] * 6
